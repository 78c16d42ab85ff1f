"""Who is in a caption: persons and beasts, whatever they are called."""

from __future__ import annotations

from agent.offline import sentence
from agent.offline.sentence import Chain, Part, words_in

PERSONS = words_in("persons", "woman") | words_in("persons", "man") | words_in("persons", "any")
BEASTS = words_in("persons", "beast")


def is_person(part: Part) -> bool:
    """Whether a part of a caption is somebody."""
    return part.head in PERSONS or sentence.singular(part.head) in PERSONS


def may_be(part: Part, called: str) -> bool:
    """Whether somebody in a caption may be meant by another word for a person: "the bloke"."""
    man, woman = words_in("persons", "man"), words_in("persons", "woman")
    sexes = [kind for kind in (man, woman) if part.head in kind]
    return is_person(part) and bool(sexes) and called in sexes[0]


def somebody(parts: Chain) -> int | None:
    """Return the first person of a caption, else the first beast."""
    people = (i for i, part in enumerate(parts) if part.words and is_person(part))
    beasts = (i for i, part in enumerate(parts) if part.words and part.head in BEASTS)
    return next(people, next(beasts, None))
