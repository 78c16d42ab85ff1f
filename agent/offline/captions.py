"""A caption as a chain of parts: things, what joins them, and what kind of thing each is.

"a photo of a cat on a sofa" is "a photo", "of a cat" and "on a sofa". Words keep their spelling,
and a chain that nothing was done to is the caption again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any

from pluralizer import Pluralizer

from agent.offline import lexicon

_CAPTIONS = lexicon.load("captions")


def words_in(table: str, entry: str = "words") -> frozenset[str]:
    """Return the words of an entry of the lexicon of all captions."""
    return frozenset(_CAPTIONS[table][entry].split())


_SEVERAL = {f"{a} {n} of" for a in ("a", "the") for n in words_in("links", "several")}
DETERMINERS = words_in("links", "determiners") | _SEVERAL
LOCATIVE, BACKDROPS = words_in("links", "locative"), ("background", "backdrop")
MEDIA, MASS = words_in("media"), words_in("mass")
_LINKS, _NOT_VERBS = words_in("links"), words_in("links", "not_verbs")
PAST = words_in("links", "past")
CLASSES = {name: frozenset(w.split()) for name, w in _CAPTIONS["adjectives"].items()}
"""Adjectives by class: those of one class take each other's place."""
_SAME = [frozenset(group.split()) for group in _CAPTIONS["same"]["groups"]]
_NOUNS: Any = Pluralizer()  # type: ignore[no-untyped-call]
_LATE = ("tone", "color", "pattern", "material")
"""Classes of adjectives that stand next to the noun, in this order, after all others."""

_WORN = {place: frozenset(w.split()) for place, w in _CAPTIONS["worn"].items()}
PLACES = {prep: frozenset(w.split()) for prep, w in _CAPTIONS["places"].items()}
_BODY, _HOLDING = words_in("body"), words_in("links", "holding")
_HELD_IN, _WHOSE = words_in("body", "holding"), ("its", "his", "her", "their")
_FAIR = ("sunny", "clear")
"""Weather in which a sky may have any colour."""
SEXES = [words_in("persons", sex) for sex in ("woman", "man")]
PERSONS = SEXES[0] | SEXES[1] | words_in("persons", "any")
BEASTS = words_in("persons", "beast")


@dataclass(frozen=True)
class Part:
    """A thing in a caption: what joins it to the rest, and its own words with their article."""

    link: tuple[str, ...]
    words: tuple[str, ...]

    @property
    def head(self) -> str:
        """The noun, as far as the last word is one."""
        return self.words[-1].lower() if self.words else ""

    @property
    def content(self) -> tuple[str, ...]:
        """The words without articles and the like, in lower case."""
        return tuple(w.lower() for w in self.words if w.lower() not in DETERMINERS)

    @property
    def is_action(self) -> bool:
        """Whether the link begins with what somebody does: "standing in a field"."""
        return bool(self.link) and self.link[0].lower().endswith("ing")

    def joined_by(self, words: Iterable[str]) -> bool:
        """Whether the link has one of some words."""
        return any(word.lower() in words for word in self.link)


Chain = tuple[Part, ...]
_TOKEN = re.compile(rf"\b(?:black and white|{'|'.join(_SEVERAL)})\b|,|[^\s,]+", re.IGNORECASE)


def chain(caption: str) -> Chain:
    """Take a caption apart."""
    tokens = _TOKEN.findall(caption.strip().rstrip("."))
    found: list[Part] = []
    link: list[str] = []
    words: list[str] = []
    for token, after in pairwise([*tokens, ""]):
        if not _links(token.lower(), after.lower(), link, words):
            words.append(token)
            continue
        if words:
            found.append(Part(tuple(link), tuple(words)))
            link, words = [], []
        link.append(token)
    return (*found, Part(tuple(link), tuple(words))) if words or link else tuple(found)


def _links(word: str, following: str, link: Sequence[str], words: Sequence[str]) -> bool:
    """Whether a word joins two things rather than belonging to one."""
    if word == "," or word in _LINKS:
        return True
    if word in words_in("links", "before_of"):
        return following in ("of", "to")
    if word in PAST:
        return following in _LINKS
    if not is_doing(word):
        return False
    if any(w.lower() not in DETERMINERS for w in words):
        return True
    begins = not words and bool(link) and link[-1] in (",", "and")
    return begins and (following in DETERMINERS or following in _LINKS)


def is_doing(word: str) -> bool:
    """Whether a word is a verb that says what somebody does: "running"."""
    return word.endswith("ing") and word not in _NOT_VERBS and len(word) > 4


def text(parts: Chain) -> str:
    """Put a caption together again."""
    tokens = [token for part in parts for token in (*part.link, *part.words)]
    return " ".join(tokens).replace(" ,", ",").strip(" ,")


@cache
def singular(noun: str) -> str:
    """Return the singular of a noun, or the noun."""
    return str(_NOUNS.singular(noun))


def is_plural(noun: str) -> bool:
    """Whether a noun names several things."""
    return singular(noun) != noun


def with_article(words: Sequence[str]) -> tuple[str, ...]:
    """Put "a" or "an" before the words for one thing that has no article yet."""
    head = words[-1].lower() if words else ""
    many = head in MASS or re.search(r"[^s]s$", head) or any(map(is_plural, words))
    bare = many or not words or words[0].lower() in DETERMINERS
    return agreeing(words if bare else ("a", *words))


def agreeing(words: Sequence[str]) -> tuple[str, ...]:
    """Let "a" and "an" agree with the word that follows."""
    words = tuple(words)
    if len(words) < 2 or words[0].lower() not in ("a", "an"):
        return words
    vowel = re.match(r"(?!uni|use|usu|eu|one\b|once)[aeiou]|hour|honest|heir", words[1], re.I)
    return ("an" if vowel else "a", *words[1:])


def same(one: str, other: str) -> bool:
    """Whether two nouns name one thing, whatever their number."""
    pair = {one.lower(), other.lower()}
    alone = {singular(word) for word in pair}
    return len(alone) == 1 or any(pair <= group or alone <= group for group in _SAME)


def find(parts: Chain, phrase: Sequence[str]) -> int | None:
    """Return which part a phrase such as "the red door" names, or None.

    A part whose noun is meant goes before one that only has the word ("coffee" in "coffee cup"), a
    part that has the phrase's other words too before one that has not.
    """
    content = [w.lower() for w in phrase if w.lower() not in DETERMINERS]
    best, score = None, 0
    for place, part in enumerate(parts if content else ()):
        points = 4 if part.words and same(part.head, content[-1]) else 0
        points = points or 3 * (len(content[-1]) > 3 and part.head.endswith(content[-1]))
        points = points or 2 * any(same(w, content[-1]) for w in part.content)
        points += len(set(content[:-1]) & set(part.content)) if points else 0
        if points > score:
            best, score = place, points
    return best


def class_of(word: str) -> str | None:
    """Return the class of an adjective, or None for a word that is not known as one."""
    hue = word.lower().rpartition("-")[2]  # "bottle-green"
    known = (name for name, ws in CLASSES.items() if word.lower() in ws)
    return next(known, "color" if hue in CLASSES["color"] else None)


def _rank(adjective: str) -> int:
    kind = class_of(adjective)
    return _LATE.index(kind) + 1 if kind in _LATE else 0


def with_quality(part: Part, adjective: str) -> Part:
    """Give a thing a quality, in the place of one of the same class."""
    words, kind = list(part.words), class_of(adjective)
    if kind == "weather" and adjective not in _FAIR:  # an overcast sky is not blue
        words = [w for w in words[:-1] if class_of(w) not in (kind, "color")] + words[-1:]
    names = [w[0].isupper() for w in words]  # "Golden Gate Bridge" is no bridge of gold
    for place, word in enumerate(words[:-1]):
        if kind and class_of(word) == kind and not (names[place] and names[place + 1]):
            words[place] = adjective
            return replace(part, words=agreeing(words))
    place = next((i for i, w in enumerate(words) if w.lower() not in DETERMINERS), len(words))
    while place < len(words) - 1 and class_of(words[place]) and not names[place] \
            and _rank(words[place]) <= _rank(adjective):  # fmt: skip
        place += 1
    return replace(part, words=agreeing((*words[:place], adjective, *words[place:])))


def renamed(part: Part, words: Sequence[str]) -> Part:
    """Put another thing in the place of one; the article stays if none comes with the new words."""
    new = [w for w in words if w.lower() not in ("the", "this", "that", "her", "his", "its")]
    first = part.words[0]
    if first.lower() in ("the", "her", "his", "their", "its") and new[0] not in DETERMINERS:
        return replace(part, words=(first, *new))
    bare = first.lower() not in DETERMINERS and not is_plural(part.head)  # "spaghetti", "rice"
    return replace(part, words=agreeing(new) if bare else with_article(new))


def without(parts: Chain, place: int) -> Chain:
    """Take a thing out, with what joins it to the rest and all that belongs to it."""
    gone, before, rest = parts[place], parts[:place], parts[end_of_belongings(parts, place) :]
    if place == 0 or parts[place - 1].head in MEDIA:  # what comes next takes its place
        if not rest:
            return ()
        rest = (replace(rest[0], link=gone.link), *rest[1:])
    elif len(gone.link) > 1 and gone.is_action:
        before = (*before[:-1], replace(before[-1], words=(*before[-1].words, gone.link[0])))
    return (*before, *rest)


def end_of_belongings(parts: Chain, place: int) -> int:
    """Return the first part behind a thing that does not belong to it.

    What it is of does ("a cup of coffee"), what somebody wears or holds, what a dog has in its
    mouth, and where somebody has a thing ("a ball in its mouth").
    """
    end = place + 1
    while end < len(parts) and _belongs(parts, place, end):
        end += 1
    return end


def _belongs(parts: Chain, owner: int, place: int) -> bool:
    part, person = parts[place], is_person(parts[owner])
    if [w.lower() for w in part.link] == ["of"]:
        return True
    if not person and parts[owner].head not in BEASTS:
        return holds(part)
    held = holds(part) or place + 1 < len(parts) and holds(parts[place + 1])
    return held or person and (is_own(part.head) or part.joined_by(_HOLDING))


def subject(parts: Chain) -> int | None:
    """Return the part that a caption is about: the first that is no "photo of"."""
    about = (i for i, p in enumerate(parts) if p.words and (p.head not in MEDIA or len(parts) == 1))
    return next(about, None)


def main_noun(caption: str) -> str:
    """Return what a caption is about, as a noun."""
    parts = chain(caption)
    place = subject(parts)
    return parts[place].head if place is not None else "picture"


def place_of(noun: str) -> str:
    """Return where a thing is worn, or an empty string."""
    return next((place for place, names in _WORN.items() if noun in names), "")


def preposition(noun: str) -> str:
    """Return the word by which somebody is at a place, or an empty string."""
    return next((prep for prep, names in PLACES.items() if noun in names), "")


def is_own(noun: str) -> bool:
    """Whether a noun is what somebody wears or has as part of the body."""
    return bool(place_of(noun)) or noun in _BODY


def is_body(noun: str) -> bool:
    """Whether a noun is a part of somebody's body."""
    return noun in _BODY


def holds(part: Part) -> bool:
    """Whether a part of a caption says where on somebody a thing is: "in its mouth"."""
    first = part.words[0].lower() if part.words else ""
    return first in _WHOSE and part.head in _HELD_IN and part.joined_by(LOCATIVE)


def is_person(part: Part) -> bool:
    """Whether a part of a caption is somebody."""
    return part.head in PERSONS or singular(part.head) in PERSONS


def somebody(parts: Chain, *, but: frozenset[str] = frozenset()) -> int | None:
    """Return the first person of a caption, else the first beast; none whose noun is in `but`."""
    people = (i for i, part in enumerate(parts) if is_person(part) and part.head not in but)
    beasts = (i for i, part in enumerate(parts) if part.head in BEASTS)
    return next(people, next(beasts, None))
