"""A message as it is typed becomes plain clauses: courtesies, corrections, word order, parts."""

from __future__ import annotations

import re

from agent.captions import COLOR_OF
from agent.spelling import corrected
from agent.vocabulary import mentions
from agent.words import words_of

LONGEST = 2000
"""Characters of a message that are read."""

_CORRECTION = re.compile(
    r"(?P<before>.*\w)(?:(?:\s*[,;.–—-]+\s*|\s+)(?:oh,? )?(?:no,? wait|wait,? no|i mean"
    r"|scratch that|make that)\b[,.:]*\s+|\s*[,;.–—-]+\s*(?:no,|actually,?)\s+)(?P<after>.+)",
    re.IGNORECASE,
)
_COURTESY = re.compile(
    r"^(?:(?:(?:ok(?:ay)?|hi|hey|hello|please|plz|pls|now|so|well|and|then|also|but|great|nice|cool|thanks"
    r"|thank you|actually|yes|yeah|hm+|perfect|next|finally|oops)[,!. ]+|no[,!.]+ )+)"
    r"|\b(?:could|can|would|will) (?:you|u) (?:please )?|\bgimme\b|\b(?:i )?wanna(?: see)?\b|\b(?:let's|let us)\b|\bplease\b"
    r"|\b(?:i'd|i would) (?:like|love|prefer)(?: you)?(?: to)?(?: see)?|\bi (?:want"
    r"|wish)(?: you)?(?: to)?(?: see)?"
    r"|\bhow about\b|\bwhat about\b|\bwhat if\b|\bfor me\b|\bmaybe\b|\bhmm+\b"
)
_BREAK = re.compile(
    r"[.;!?]+\s+|\s*,\s*(?:and |but )?(?:then |now |also )?|\s+(?:and|then|now|plus|but|&|\+)\s+"
    r"(?:then |now |also |with )?|\s+as well as\s+|\s+or\s+|\s+-+\s+|\n+"
)
_KEEP = re.compile(
    r"(?:keep|(?:everything|all)?(?: the)?(?: same)? ?as (?:it was )?before|leave|preserve"
    r"|retain|nothing else|everything else|the rest|don't (?:change|touch)"
    r"|do not (?:change|touch)|without (?:changing|touching)|only that|not the rest)\b"
)
_VERB = re.compile(
    r"\b(?:make|give|add|put|turn|change|set|dress|let|have|has|wear|wears|wearing|use|get|paint"
    r"|dye|colou?r|show|is|should|replace|swap|remove|take|lose|keep|try|grow|with)\b"
)
_CHATTER = re.compile(
    r"(?:thanks?(?: you)?(?: (?:so|very) much)?|thx|hi|hello|hey|good (?:morning|evening|day)"
    r"|ok(?:ay)?"
    r"|great|nice|cool|perfect|wow|lovely|beautiful|good|bye|goodbye|yes|i (?:love|like) (?:it"
    r"|this|that)|(?:do )?nothing|(?:leave|keep) it(?: as it is| like that| like this)?|stop|no(?: no)*"
    r"|no,? thanks?(?: you)?|that(?:'s| is) (?:it|all|fine|good|great|perfect|enough)|i'm (?:done|happy))"
    r"[ !.,]*(?:job|work|one|there|you|it|everybody|all)?"
)
_REORDERED = (
    (r"instead of (.+?), ?(.+)", r"\2 instead of \1"),
    (r"not ((?:an?|the) [\w -]+?), (?:but |just |rather )?((?:an?|the) .+)", r"\2 instead of \1"),
    (r"(.*)\bnot ([\w-]+)(?:,| -) ?(?:but )?([\w-]+)", r"\1\3"),
    (r"([\w ]+), (?:that's|that is|this is) (?:what|how) (.+?)(?: (?:to|should|must) (?:be|look))?",
     r"make \2 \1"),
    (r"([\w-]+), (.+ (?:should|must|could|to) (?:be|look|become))", r"\2 \1"),
    (r"([\w -]+), (?:much )?(\1), (make .+)", r"\3 \1"),
)  # fmt: skip
"""Whole messages in another word order than the usual one."""


def is_chatter(text: str) -> bool:
    """Whether a message only keeps the conversation going: "thanks!"."""
    return not text or _CHATTER.fullmatch(text) is not None


def keeps(part: str) -> bool:
    """Whether a part of a message only says what is to stay."""
    return _KEEP.match(part) is not None


def has_verb(part: str) -> bool:
    """Whether a part says what to do, rather than going on with what an earlier one says."""
    return _VERB.search(part) is not None


def self_corrected(text: str) -> str:
    """Let what follows "no wait" or "I mean" replace the clause before it, or its colour alone."""
    while (match := _CORRECTION.fullmatch(text)) is not None:
        before, after = match["before"], match["after"]
        start = max((m.end() for m in _BREAK.finditer(before)), default=0)
        kinds = {m.kind for m in mentions(after.lower())}
        hues = [m for m in mentions(before.lower()) if m.kind == "color" and m.start >= start]
        if hues and "color" in kinds and kinds <= {"color", "it"}:
            hue = next(m for m in mentions(after.lower()) if m.kind == "color")
            text = before[: hues[-1].start] + hue.value + before[hues[-1].end :]
        else:
            text = before[:start] + after
    return text


def plain(text: str, caption: str) -> str:
    """Return a message in lower case without courtesies, with light typing errors mended."""
    text = text.lower().replace("’", "'").replace("‘", "'")
    text = re.sub(r"\bdont\b", "don't", text)
    text = re.sub(r"\bblack (?:and|&) white\b", "black-and-white", text)
    before = ""
    while before != text:
        before, text = text, " ".join(_COURTESY.sub(" ", text).split()).strip(" .!?,")
    return corrected(text, words_of(caption))


def in_usual_order(text: str) -> str:
    """Write a whole message in the usual word order: "not a hat, a cap" is a cap instead."""
    for pattern, usual in _REORDERED:
        text = re.sub(rf"^{pattern}$", usual, text)
    return text


def parts(text: str) -> list[str]:
    """Split a message into its wishes.

    "The hat and the shirt blue" gives both their colour; "glasses, round ones" names them twice.
    """
    found = [part for piece in _BREAK.split(text) if (part := piece.strip(" ,.!?:"))]
    for i in range(len(found) - 2, -1, -1):
        here, there = mentions(found[i]), mentions(found[i + 1])
        color = there[-1] if there and there[-1].kind == "color" else None
        plain_ = all(m.kind not in ("color", "remove", "it") for m in here) and here
        colors = re.match(r"(?:make|paint|colou?r|dye|turn|change)\b", found[i])
        named = any(m.attribute in COLOR_OF for m in here) and len(there) > 1
        if color and plain_ and colors and named and not has_verb(found[i + 1]):
            found[i] += f" {color.value}"
        noun = next((m for m in reversed(here) if m.kind == "value"), None)
        if noun and re.fullmatch(r"(?:an? |the |some )?[\w-]+ ones?", found[i + 1]):
            found[i + 1] = re.sub(r"\bones?$", found[i][noun.start : noun.end], found[i + 1])
    return found
