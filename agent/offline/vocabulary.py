"""What the words of a request mean for portraits; the words themselves are in lexicon/."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from agent.captions import COLORS, VALUES
from agent.offline import lexicon

Kind = Literal["value", "color", "thing", "it", "other", "change", "more", "remove", "to",
               "unknown"]  # fmt: skip


@dataclass(frozen=True)
class Mention:
    """A word or phrase of a request that means something.

    Attributes:
        kind: a value of an attribute, a colour, a thing without a value ("hair", "the hat" as a
            place), "it", a wish for another value ("different"), "change", a wish for a higher one
            ("darker"), the start of what goes ("remove"), the hinge of "from A to B", or something
            of the attribute that cannot be drawn ("a helmet" for the headwear).
        attribute: which attribute, where the words say.
        value: which value or colour, where the words say.
        start: first character in the clause.
        end: one past the last.
    """

    kind: Kind
    attribute: str = ""
    value: str = ""
    start: int = 0
    end: int = 0


COMPARED = {
    "skin": {"darker": 1, "lighter": -1, "browner": 1, "fairer": -1, "more tanned": 1},
    "hair_color": {"darker": -1, "lighter": 1, "fairer": 1, "dark": -1, "light": 1},
}
LADDERS = {"skin": VALUES["skin"], "hair_color": ("black", "brown", "blonde")}
"""The values that "darker" and "lighter" climb."""

_SHARED = frozenset({*COLORS, "light", "dark", "gray", "brown", "blonde", "none"})
"""Values whose bare word names no attribute: the thing beside it does."""


def _meanings() -> Iterator[tuple[str, Mention]]:
    """Yield every pattern with what it means."""
    words = lexicon.load("portraits")
    for name, values in VALUES.items():
        for value in values:
            own = [] if value in _SHARED else [value]
            for pattern in own + lexicon.patterns(words["said"].get(name, {}).get(value, [])):
                yield pattern, Mention("value", name, value)
    kinds: tuple[tuple[str, Kind], ...] = (("things", "thing"), ("unknown", "unknown"))
    for table, kind in kinds:
        for name, entry in words[table].items():
            for pattern in lexicon.patterns(entry):
                yield pattern, Mention(kind, name)
    for color, entry in words["shades"].items():
        for pattern in [color, *lexicon.patterns(entry)]:
            yield pattern, Mention("color", value=color)
    for role, entry in words["roles"].items():
        for pattern in lexicon.patterns(entry):
            yield pattern, Mention(role, value=pattern)


_PATTERNS = [(re.compile(rf"(?<![\w@-])(?:{p})(?![\w-])"), meant) for p, meant in _meanings()]
_FAMILY = [
    (re.compile(rf"\b{p}\b"), meant) for meant, p in lexicon.load("portraits")["family"].items()
]


def mentions(clause: str) -> list[Mention]:
    """Find what a clause mentions, in the order of its words; longer phrases win."""
    for pattern, meant in _FAMILY:
        clause = pattern.sub(meant, clause)
    found = [
        Mention(mention.kind, mention.attribute, mention.value, *match.span())
        for pattern, mention in _PATTERNS
        for match in pattern.finditer(clause)
    ]
    kept: list[Mention] = []
    for mention in sorted(found, key=lambda m: m.start - m.end):
        if all(mention.end <= other.start or other.end <= mention.start for other in kept):
            kept.append(mention)
    return sorted(kept, key=lambda mention: mention.start)
