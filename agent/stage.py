"""What a clause over any caption is read against, and what its phrases mean there."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from agent import lexicon, objects, sentence
from agent.objects import Rewrite, is_person
from agent.sentence import DETERMINERS, LOCATIVE, Chain, class_of, find
from agent.spelling import is_english

_SOFT = frozenset("a an more very much really so quite too little bit slightly lot again"
                  " look looks be being to as like of".split())  # fmt: skip
_PEOPLE = frozenset("her him she he herself himself".split())
_THINGS = frozenset("it that this them they those these".split())


@dataclass
class Stage:
    """What a clause is read against, and what earlier clauses of the message leave open.

    Attributes:
        caption: the caption so far.
        about: the noun that "it" means.
        mode: "remove", "add" or "describe", with which a clause without a verb goes on.
        who: whom things are being given to.
        rewrites: the changes read so far.
        already: whether the last clause asked for what is so already.
    """

    caption: str
    about: str = ""
    mode: str = ""
    who: str = ""
    rewrites: list[Rewrite] = field(default_factory=list)
    already: bool = False

    @property
    def parts(self) -> Chain:
        """The caption, taken apart."""
        return sentence.chain(self.caption)

    def make(self, rewrite: Rewrite | None) -> bool:
        """Take up a change; return whether there was one, be it one that is so already."""
        if rewrite is None:
            return False
        if rewrite.source == rewrite.target:
            self.already = True
            return True
        self.rewrites.append(rewrite)
        self.caption, self.about = rewrite.target, rewrite.about or self.about
        return True

    def part(self, phrase: str) -> int | None:
        """Return the part of the caption that a phrase or pronoun means."""
        said, parts = words(phrase), self.parts
        if said and _PEOPLE.issuperset(said):
            people = (i for i, part in enumerate(parts) if part.words and is_person(part))
            return next(people, sentence.subject(parts))
        if len(said) == 1 and said[0] in _THINGS:
            known = find(parts, [self.about]) if self.about else None
            return known if known is not None else sentence.subject(parts)
        place = find(parts, said)
        if place is None or not said:
            return None
        return place if sentence.same(parts[place].head, said[-1]) else None


def words(phrase: str) -> list[str]:
    """Return the words of a phrase."""
    return re.findall(r"[\w'&-]+", phrase)


def content(phrase: str) -> list[str]:
    """Return the words of a phrase that say something."""
    return [w for w in words(phrase) if w not in DETERMINERS and w not in _SOFT]


def qualities(how: str, *, any_word: bool = False) -> list[str]:
    """Return the adjectives a phrase consists of, or nothing if it says anything else.

    Args:
        how: "red", "a bit older", "black and white", "smile".
        any_word: take one English word that is not known as an adjective for one.
    """
    said = [_base(w) for w in words(how) if w not in _SOFT]
    said = [w for w in said if w not in ("one", "ones", "colour", "color", "and", "than", "now")]
    if not said or said[0] in ("not", "no"):
        return []
    if all(class_of(w) for w in said):
        return said
    alone = len(said) == 1 and any_word and len(said[0]) > 2 and is_english(said[0])
    fits = alone and said[0] not in DETERMINERS and said[0] not in LOCATIVE
    return said if fits and not objects.place_of(said[0]) else []


def _base(word: str) -> str:
    """Return the plain form of an adjective or verb: "older" is old, "smile" is smiling."""
    actions: dict[str, str] = lexicon.load("general")["actions"]
    if word in actions:
        return actions[word]
    stem = re.sub(r"(?:er|est)$", "", word)
    single = stem[:-1] if stem[-1:] == stem[-2:-1] else stem
    for plain in (stem, f"{stem}e", single, re.sub(r"i$", "y", stem)):
        if stem != word and class_of(plain):
            return plain
    return word
