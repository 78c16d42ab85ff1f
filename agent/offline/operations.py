"""Plain operations in a person's words: "crop it to a square", "make the picture a bit darker".

What speaks of a part of the picture ("make her hair darker", "a brighter background") is an edit,
so only whole wishes that can mean nothing but the picture are read here. In a message with other
wishes "it" may be the hat of one of them, and then the picture has to be named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from agent import turn_tree
from agent.adjusting import shown_background
from agent.state import Adjust, Conversation, EditStep

USUAL = {"brightness": 20, "contrast": 20, "saturation": 25, "warmth": 25, "sharpness": 100}
"""Per cent that "brighter" and its like stand for."""
_DEGREES = {"small": 0.5, "big": 2.0}
"""What that is multiplied by for "a bit" and for "much"."""
_LONGEST = 120  # characters of one wish

_BREAK = re.compile(
    r"\s*(?:;|\.(?!\d)|,(?!\s*\d))\s*|(?<!\band)(?<!\bbut)(?<!\bthen)\s+(?=(?:and|then|but|also)\b)"
)
_BLACK_AND_WHITE = re.compile(r"\bblack ?(?:and|&|'?n'?) ?white\b", re.IGNORECASE)
_JOINING = re.compile(r"^(?:(?:and|then|but|also)\b[, ]*)+", re.IGNORECASE)
_COURTESY = re.compile(
    r"^(?:(?:and|then|but|also|now|just|please|ok(?:ay)?|hey|let's|i want you to|i'd like you to|"
    r"(?:can|could|would|will) you)\b[, ]*)+"
    r"|(?:,? (?:please|pls|plz|thanks|thank you|for me|now))+$"
    r"|,? so (?:that )?(?:it|she|he|they|we|you|i|the|her|his)(?:'s)? .+$"
)
_NOUN = r"(?:the|this|that|my) (?:whole |entire )?(?:picture|photo|photograph|image|portrait|shot)"
_DEGREE = (
    r"(?:(?P<small>(?:just )?(?:a (?:little bit|bit|little|tad|touch)|slightly|somewhat))"
    r"|(?P<big>much|a lot|far|way))"
)
_UP = r"(?:increase|raise|boost|turn up|bump up|up)"
_DOWN = r"(?:decrease|reduce|lower|turn down|tone down)"
_AMOUNT = r"(?P<amount>brightness|contrast|saturation|warmth|sharpness)"
_BY = r"(?: by (?P<by>\d{1,3})(?: ?%| per ?cent)?)?"
_OF_IT = rf"(?: (?:of|in|to) {_NOUN})?"
_MONO = r"(?:black[- ]and[- ]white|b ?& ?w|gr[ae]yscale|monochrome)"
_RATIO = r"(?:an? )?(?P<value>square|\d{1,3} ?(?::|/|by|x) ?\d{1,3}|\d+(?: ?, ?\d+){3})"
_SIDE = r"(?:to (?:the )?)?(?P<side>left|right|(?:counter|anti)[- ]?clockwise|clockwise)"
_ANGLE = r"(?P<degrees>\d{1,3}(?:\.\d+)?)(?: ?°| degrees?)?"
_IS = r"(?:(?:it|this|that|everything|{picture})(?:'s| is| looks| seems))"
_QUITE = r"(?:a (?:bit|little)|way|far|much|all|just|still|really|rather|quite|pretty|very|so)"
_TOO = rf"(?:(?:{_IS} )?(?:{_QUITE} )*too|{_IS}(?: {_QUITE})+) "
_COMPARED = {
    "brighter": ("brightness", 1), "lighter": ("brightness", 1), "darker": ("brightness", -1),
    "warmer": ("warmth", 1), "cooler": ("warmth", -1), "colder": ("warmth", -1),
    "sharper": ("sharpness", 1), "crisper": ("sharpness", 1), "more vivid": ("saturation", 1),
    "more saturated": ("saturation", 1), "less saturated": ("saturation", -1),
    "more contrasty": ("contrast", 1),
}  # fmt: skip
_VERBS = {
    "brighten": ("brightness", 1), "lighten": ("brightness", 1), "darken": ("brightness", -1),
    "saturate": ("saturation", 1), "desaturate": ("saturation", -1), "sharpen": ("sharpness", 1),
}  # fmt: skip

_EXCESS = {
    "dark": ("brightness", 1), "dim": ("brightness", 1), "bright": ("brightness", -1),
    "blurry": ("sharpness", 1), "cold": ("warmth", 1), "flat": ("contrast", 1),
}  # fmt: skip
"""What is done about a picture that is too much so."""

Found = re.Match[str]
Read = Callable[[Found], tuple[str, str]]


@dataclass(frozen=True)
class Pattern:
    """One way to say an operation.

    Attributes:
        words: A pattern of a whole wish; {it} is "it" or the picture, {picture} the latter only.
        read: Returns the operation's name and value.
        alone: Whether it is read only in a message that asks for nothing else.
        thing: Whether "it" may also be what was edited last, and then is.
        sure: Whether "it" can only be the picture, whatever else the message says.
    """

    words: str
    read: Read
    alone: bool = False
    thing: bool = False
    sure: bool = False


def _degree(found: Found) -> float:
    groups = found.groupdict()
    return next((by for name, by in _DEGREES.items() if groups.get(name)), 1.0)


def _amount(name: str, sign: int, found: Found) -> tuple[str, str]:
    said = found.groupdict().get("by")
    return name, f"{sign * (int(said) if said else round(USUAL[name] * _degree(found))):+d}"


def _valued(name: str) -> Read:
    return lambda found: (name, found["value"])


def _turned(name: str) -> Read:
    def read(found: Found) -> tuple[str, str]:
        groups = found.groupdict()
        back = groups.get("side") not in (None, "right", "clockwise")
        return name, f"{'-' if back else ''}{groups.get('degrees') or '90'}"

    return read


def _flipped(found: Found) -> tuple[str, str]:
    upright = found["how"] in ("vertically", "upside down")
    return "flip", "vertical" if upright else "horizontal"


def _by_word(table: Mapping[str, tuple[str, int]]) -> Read:
    return lambda found: _amount(*table[found["how"]], found)


def _named(found: Found) -> tuple[str, str]:
    return _amount(found["amount"], 1 if found.groupdict().get("down") is None else -1, found)


_HOW = "|".join(_COMPARED)
_DO = "|".join(_VERBS)
_PIXELS = r"\d{1,6} ?(?:x|×|by) ?\d{1,6}|\d{1,4} ?(?:%|per ?cent)|\d{2,6}"
PATTERNS = (
    Pattern(
        rf"crop(?: {{it}})?(?: down)?(?: (?:to|into|as|at))? {_RATIO}"
        r"(?: (?:format|shape|(?:aspect )?ratio))?",
        _valued("crop"),
        sure=True,
    ),
    Pattern(rf"make {{picture}} {_RATIO}", _valued("crop")),
    Pattern(rf"(?:make it )?{_RATIO} crop", _valued("crop")),
    Pattern(rf"(?:change|set) the aspect ratio{_OF_IT} to {_RATIO}", _valued("crop")),
    Pattern(
        r"(?:resize|scale|shrink|enlarge)(?: {it})?(?: down| up)? to "
        rf"(?P<value>{_PIXELS})(?: ?(?:px|pixels?))?",
        _valued("resize"),
        sure=True,
    ),
    Pattern(rf"(?:rotate(?: {{it}})?|turn {{picture}}) {_SIDE}", _turned("rotate")),
    Pattern(rf"rotate(?: {{it}})?(?: by)? {_ANGLE}(?: {_SIDE})?", _turned("rotate")),
    Pattern(r"rotate {it} upside down|turn {picture} upside down", lambda _: ("rotate", "180")),
    Pattern(rf"straighten(?: {{it}})? by {_ANGLE}(?: {_SIDE})?", _turned("straighten"), sure=True),
    Pattern(
        r"(?:flip|mirror) {it}"
        r"(?: (?P<how>horizontally|vertically|upside down|sideways|around|over))?",
        _flipped,
    ),
    Pattern(r"(?:flip|mirror) (?P<how>horizontally|vertically)", _flipped),
    Pattern(
        rf"make {{it}} (?:look )?(?:{_DEGREE} )?(?P<how>{_HOW})", _by_word(_COMPARED), thing=True
    ),
    Pattern(
        rf"(?:(?:just|only|maybe) )?(?:{_DEGREE} )?(?P<how>{_HOW})(?: (?:overall|in general))?",
        _by_word(_COMPARED),
        alone=True,
        thing=True,
    ),
    Pattern(rf"{_TOO}(?P<how>{'|'.join(_EXCESS)})", _by_word(_EXCESS), alone=True, thing=True),
    Pattern(rf"(?P<how>{_DO}) {{it}}(?: up)?(?: {_DEGREE})?{_BY}", _by_word(_VERBS), thing=True),
    Pattern(rf"{_UP} the {_AMOUNT}{_OF_IT}(?:{_BY}|(?: {_DEGREE}))", _named),
    Pattern(rf"(?P<down>{_DOWN}) the {_AMOUNT}{_OF_IT}(?:{_BY}|(?: {_DEGREE}))", _named),
    Pattern(
        rf"(?:(?:add|with|give {{it}}|i want|use) )?(?:{_DEGREE} )?"
        rf"(?:more|higher|(?P<down>less|lower)) {_AMOUNT}{_OF_IT}",
        _named,
        alone=True,
    ),
    Pattern(
        rf"{_AMOUNT} (?P<value>[+-]\d{{1,3}})(?: ?%)?",
        lambda found: (found["amount"], found["value"]),
    ),
    Pattern(
        rf"(?:make|turn|convert|change) {{it}} (?:(?:in)?to )?{_MONO}",
        lambda _: ("grayscale", ""),
        thing=True,
    ),
    Pattern(rf"(?:in )?{_MONO}", lambda _: ("grayscale", ""), alone=True),
    Pattern(
        rf"(?:{_DEGREE} )?(?P<how>warmer|cooler) (?:colou?rs|tones)",
        _by_word(_COMPARED),
        alone=True,
    ),
    Pattern(r"blur (?:out )?the background", lambda _: ("blur", ""), alone=True),
)


def _filled(words: str, it: str) -> str:
    return words.replace("{it}", it).replace("{picture}", _NOUN)


def _compiled(*, alone: bool) -> list[tuple[re.Pattern[str], Pattern]]:
    """Return the patterns of messages that ask for nothing else, or of those that do."""
    either = rf"(?:it|this|that|{_NOUN})"
    return [
        (re.compile(_filled(said.words, either if alone or said.sure else _NOUN)), said)
        for said in PATTERNS
        if alone or not said.alone
    ]


_ALONE, _AMONG = _compiled(alone=True), _compiled(alone=False)


def split_operations(
    message: str, conversation: Conversation
) -> tuple[tuple[Adjust, ...], str, tuple[Adjust, ...]]:
    """Take the plain operations off a message.

    Args:
        message: As it was typed.
        conversation: Where it was said.

    Returns:
        The operations that it begins with, what is left to be read, and those that it ends with.
    """
    text = _BLACK_AND_WHITE.sub("black-and-white", message)
    parts = list(_parts(text))
    whole = [_read(part, conversation, alone=True) for _, _, part in parts]
    if whole and all(whole):
        return tuple(step for step in whole if step), "", ()
    found = [_read(part, conversation, alone=False) for _, _, part in parts]
    first = next((n for n, step in enumerate(found) if step is None), 0)
    last = len(found) - next((n for n, step in enumerate(found[::-1]) if step is None), 0)
    if first == 0 and last == len(found):
        return (), message, ()
    rest = text[parts[first][0] : parts[last - 1][1]]
    before, after = found[:first], found[last:]
    return tuple(s for s in before if s), rest, tuple(s for s in after if s)


def _parts(message: str) -> Iterator[tuple[int, int, str]]:
    """Yield where each wish of a message begins and ends, and its words."""
    start = 0
    for gap in [*_BREAK.finditer(message), None]:
        end = gap.start() if gap else len(message)
        words = message[start:end].strip(" !?")
        if _COURTESY.sub("", words.lower()).strip():
            yield start, end, words
        start = gap.end() if gap else end


def _read(part: str, conversation: Conversation, *, alone: bool) -> Adjust | None:
    """Read one wish as an operation; None for any other."""
    if len(part) > _LONGEST:
        return None
    text = " ".join(_COURTESY.sub("", part.lower().replace("’", "'")).split())
    line = turn_tree.path(conversation)
    edited = isinstance(line[-1].step, EditStep) and not re.search(_NOUN, text)
    loose = [(words, said) for words, said in _ALONE if not (said.thing and edited)]
    for words, said in [*(loose if alone else ()), *_AMONG]:
        if (found := words.fullmatch(text)) is None:
            continue
        name, value = said.read(found)
        if name == "blur" and shown_background(line) is None:
            return None  # a model may draw it
        try:
            return Adjust(operation=name, value=value, request=_JOINING.sub("", part))
        except ValueError:
            return None
    return None
