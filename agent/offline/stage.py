"""What a clause over any caption is read against, and what its phrases mean there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from agent.offline import lexicon, objects, people, sentence
from agent.offline.objects import Rewrite
from agent.offline.people import is_person
from agent.offline.sentence import DETERMINERS, LOCATIVE, Chain, class_of, find
from agent.offline.spelling import is_english
from agent.state import Turn

_SOFT = frozenset("a an more very much really so quite too little bit slightly lot again"
                  " look looks be being to as like of".split())  # fmt: skip
_STRONGER = frozenset("stronger bolder richer deeper intenser fuller".split())
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
            persons = (i for i, part in enumerate(parts) if part.words and is_person(part))
            return next(persons, sentence.subject(parts))
        if len(said) == 1 and said[0] in _THINGS:
            known = find(parts, [self.about]) if self.about else None
            return known if known is not None else sentence.subject(parts)
        place = find(parts, said)
        if said and place is None and said[-1] in people.PERSONS:
            return next((i for i, part in enumerate(parts) if people.may_be(part, said[-1])), None)
        if place is None or not said:
            return None
        return place if sentence.same(parts[place].head, said[-1]) else None

    def describe(self, what: str, how: str, *, any_word: bool = False) -> bool:
        """Give what a phrase names the qualities that another names; return whether it did.

        Args:
            what: "the sofa", "it".
            how: "red", "a bit older", "a queen".
            any_word: take one word that is not known as an adjective for one.
        """
        what = re.sub(r"^(?:i want|let|have|make) ", "", what)
        how = re.sub(r"^a (?:bit|little|lot) ", "", how)
        place = self.part(what)
        found = qualities(how, any_word=any_word and what not in ("it", "this", "that"))
        if place is not None and re.match(r"an? ", how) and not class_of(words(how)[-1]):
            return self.make(objects.replaced(self.caption, place, words(how)))  # "a queen"
        if not found:
            return False
        self.mode = "describe"
        if place is not None:
            made = objects.described(self.caption, place, found)
            return self.make(self._more(made, place, comparatives(how)))
        named = any(find(self.parts, [word]) is not None for word in words(what)[1:])
        if not re.match(r"(?:the|her|his|its) ", what) or not all(class_of(w) for w in found):
            return False
        if named:  # "the door bottle", of which "green" is not all that is said
            return False
        return self.make(objects.unnamed(self.caption, words(what)[1:], found))

    def _more(self, made: Rewrite, place: int, graded: set[str]) -> Rewrite:
        """Let what is white already become "very white" where it is to be whiter."""
        there = [w for w in self.parts[place].content if w in graded]
        if made.source != made.target or not there:
            return made
        parts = list(self.parts)
        parts[place] = sentence.intensified(parts[place], there[0])
        return replace(made, target=sentence.text(tuple(parts)))


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
    said = [base(w) for w in words(how) if w not in _SOFT]
    said = [w for w in said if w not in ("one", "ones", "colour", "color", "and", "than", "now")]
    said = [w for w in said if w not in _STRONGER] or said
    if not said or said[0] in ("not", "no"):
        return []
    if len(said) == 2 and class_of(said[1]) == "color" and _shade(said[0]):
        return ["-".join(said)]  # "bottle green"
    if all(class_of(w) for w in said):
        return said
    alone = len(said) == 1 and any_word and len(said[0]) > 2 and is_english(said[0])
    fits = alone and said[0] not in DETERMINERS and said[0] not in LOCATIVE
    return said if fits and not objects.place_of(said[0]) else []


def _shade(word: str) -> bool:
    """Whether a word may say which green or blue: a thing of that colour."""
    return not class_of(word) and word not in DETERMINERS | LOCATIVE and is_english(word)


def base(word: str) -> str:
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


def comparatives(clause: str) -> set[str]:
    """Return the plain forms of what a clause wants more of: "whiter", "more angry"."""
    said = words(clause)
    graded = {base(w) for w in said if w.endswith("er") and base(w) != w}
    more = {base(w) for before, w in pairwise(said) if before == "more"}
    much = {w for before, w in pairwise(said) if before in _STRONGER and class_of(w) == "color"}
    return {w for w in graded | more | much if class_of(w)}


def form(name: str, clause: str) -> re.Match[str] | None:
    """Match a clause with the forms of a kind of request."""
    return lexicon.match("forms", "form", name, clause)


def last_thing(line: Sequence[Turn]) -> str:
    """Return the noun that the last edit on a path was about, or an empty string."""
    for turn in reversed(line):
        if turn.step is None or turn.step.change in ("background", "style"):
            continue
        changed = {word for name in turn.step.edit_words for word in name.split()}
        parts = sentence.chain(turn.step.target_prompt)
        about = [part.head for part in parts if changed & {w.lower() for w in part.words}]
        if about:
            return about[-1]
    return ""


def main_noun(caption: str) -> str:
    """Return what a caption is about, as a noun."""
    parts = sentence.chain(caption)
    place = sentence.subject(parts)
    return parts[place].head if place is not None else "picture"
