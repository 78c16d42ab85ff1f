"""Plain operations in a person's words: "crop it to a square", "make the picture a bit darker".

What speaks of a part of the picture ("make her hair darker", "a brighter background") is an edit,
so only whole wishes that can mean nothing but the picture are read here. In a message with other
wishes "it" may be the hat of one of them, and then the picture has to be named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from agent import turn_tree
from agent.adjusting import shown_background
from agent.offline import lexicon
from agent.state import Adjust, Conversation, EditStep
from tools.operations import QUARTER

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
_PICTURE = lexicon.filled("operations", "{picture}")
_WAYS = {
    word: way.split()
    for way, words in lexicon.load("operations")["words"].items()
    for word in words.split()
}
"""Words to the amount that they change and the sign of it."""


@cache
def _patterns(kind: str, *, picture: bool) -> list[tuple[str, re.Pattern[str]]]:
    """Return the operations of a kind of wishes with their patterns.

    Args:
        kind: a table of the lexicon.
        picture: whether the picture has to be named, rather than called "it".
    """
    it = _PICTURE if picture else rf"(?:it|this|that|{_PICTURE})"
    rows = lexicon.load("operations")
    return [
        (name, re.compile(lexicon.filled("operations", words.replace("{it}", it))))
        for name, said in rows[kind].items()
        for words in (one.replace("{is}", rows["parts"]["is"]) for one in said)
    ]


def _value(name: str, said: Mapping[str, str | None]) -> tuple[str, str]:
    """Return the name and the value of the operation that a pattern found."""
    value = said.get("value") or ""
    if name in ("rotate", "straighten"):
        back = said.get("side") not in (None, "right", "clockwise")
        degrees = 2 * QUARTER if said.get("over") else said.get("degrees") or QUARTER
        return name, f"{'-' if back else ''}{degrees}"
    if name == "flip":
        return name, "vertical" if said.get("over") else "horizontal"
    if name != "amount":
        return name, value
    how = (said.get("how") or "").split()
    name, sign = _WAYS[how[-1]] if how else (said["amount"] or "", "+")
    sign = "-" if said.get("down") or how[:1] == ["less"] else sign
    degree = next((by for part, by in _DEGREES.items() if said.get(part)), 1.0)
    return name, value or f"{sign}{said.get('by') or round(USUAL[name] * degree)}"


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
    edited = isinstance(line[-1].step, EditStep) and not re.search(_PICTURE, text)
    tables = [_patterns("sure", picture=False)]
    tables += [
        _patterns("picture", picture=not alone),
        _patterns("thing", picture=not alone or edited),
    ]
    tables += [_patterns("alone", picture=False)] if alone else []
    tables += [_patterns("bare", picture=False)] if alone and not edited else []
    for name, pattern in (row for table in tables for row in table):
        if (found := pattern.fullmatch(text)) is None:
            continue
        name, value = _value(name, found.groupdict())
        if name == "blur" and shown_background(line) is None:
            return None  # a model may draw it
        asked = {"operation": name, "value": value, "request": _JOINING.sub("", part)}
        try:
            return Adjust.model_validate(asked)
        except ValueError:
            return None
    return None
