"""A caption as a chain of parts, so that one of them can be changed and nothing else.

"a photo of a cat on a sofa" is "a photo", "of a cat" and "on a sofa". Words keep their spelling,
and a chain that nothing was done to is the caption again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from pluralizer import Pluralizer

from agent.offline import lexicon


def words_in(*path: str) -> frozenset[str]:
    """Return the words of an entry of the lexicon of all captions."""
    entry: Any = lexicon.load("captions")
    for name in path:
        entry = entry[name]
    return frozenset(entry.split())


_LINKS, _PAST = words_in("links", "words"), words_in("links", "past")
_BEFORE_OF, _NOT_VERBS = words_in("links", "before_of"), words_in("links", "not_verbs")
DETERMINERS = words_in("links", "determiners")
LOCATIVE = words_in("links", "locative")
MEDIA = words_in("media", "words")
CLASSES = {name: frozenset(w.split()) for name, w in lexicon.load("captions")["adjectives"].items()}
"""Adjectives by class: those of one class take each other's place."""


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

    def joined_by(self, words: Iterable[str]) -> bool:
        """Whether the link has one of some words."""
        return any(word.lower() in words for word in self.link)


Chain = tuple[Part, ...]


def chain(caption: str) -> Chain:
    """Take a caption apart."""
    tokens = re.findall(r"(?i:black and white)|,|[^\s,]+", caption.strip().rstrip("."))
    found: list[Part] = []
    link: list[str] = []
    words: list[str] = []
    for place, token in enumerate(tokens):
        following = tokens[place + 1].lower() if place + 1 < len(tokens) else ""
        if _links(token.lower(), following, link, words):
            if words:
                found.append(Part(tuple(link), tuple(words)))
                link, words = [], []
            link.append(token)
        else:
            words.append(token)
    if words or link:
        found.append(Part(tuple(link), tuple(words)))
    return tuple(found)


def _links(word: str, following: str, link: Sequence[str], words: Sequence[str]) -> bool:
    """Whether a word joins two things rather than belonging to one."""
    if word == "," or word in _LINKS:
        return True
    if word in _BEFORE_OF:
        return following in ("of", "to")
    if word in _PAST:
        return following in _LINKS
    named = any(w.lower() not in DETERMINERS for w in words)
    if word.endswith("ing") and word not in _NOT_VERBS and len(word) > 4:
        after_comma = not words and link and link[-1] in (",", "and")
        return named or bool(after_comma and (following in DETERMINERS or following in _LINKS))
    return False


def text(parts: Chain) -> str:
    """Put a caption together again."""
    tokens = [token for part in parts for token in (*part.link, *part.words)]
    return " ".join(tokens).replace(" ,", ",").strip(" ,")


_NOUNS: Any = Pluralizer()  # type: ignore[no-untyped-call]


@cache
def singular(noun: str) -> str:
    """Return the singular of a noun, or the noun."""
    return str(_NOUNS.singular(noun))


def is_plural(noun: str) -> bool:
    """Whether a noun names several things."""
    return singular(noun) != noun


_MASS = words_in("mass", "words")


def with_article(words: Sequence[str]) -> tuple[str, ...]:
    """Put "a" or "an" before the words for one thing that has no article yet."""
    words = tuple(words)
    if not words or words[0].lower() in DETERMINERS:
        return agreeing(words)
    head = words[-1].lower()
    if head in _MASS or head.endswith("s") and not head.endswith("ss"):
        return words
    if any(is_plural(w) for w in words):
        return words
    return agreeing(("a", *words))


_AN = re.compile(r"(?!uni|use|usu|eu|one\b|once)[aeiou]|hour|honest|heir", re.IGNORECASE)


def article(word: str) -> str:
    """Return "a" or "an", as it goes before a word."""
    return "an" if _AN.match(word) else "a"


def agreeing(words: Sequence[str]) -> tuple[str, ...]:
    """Let "a" and "an" agree with the word that follows."""
    words = tuple(words)
    if len(words) > 1 and words[0].lower() in ("a", "an"):
        return (article(words[1]), *words[1:])
    return words


@cache
def _groups() -> tuple[frozenset[str], ...]:
    return tuple(frozenset(group.split()) for group in lexicon.load("captions")["same"]["groups"])


def same(one: str, other: str) -> bool:
    """Whether two nouns name one thing, whatever their number."""
    one, other = one.lower(), other.lower()
    if one == other or singular(one) == singular(other):
        return True
    return any({one, other} <= group or {singular(one), singular(other)} <= group
               for group in _groups())  # fmt: skip


def find(parts: Chain, phrase: Sequence[str]) -> int | None:
    """Return which part a phrase such as "the red door" names, or None.

    A part whose noun is meant goes before one that only has the word ("coffee" in "coffee cup"), a
    part that has the phrase's other words too before one that has not.
    """
    content = [w.lower() for w in phrase if w.lower() not in DETERMINERS]
    if not content:
        return None
    best, score = None, 0
    for place, part in enumerate(parts):
        points = 4 if part.words and same(part.head, content[-1]) else 0
        points += 2 if not points and any(same(w, content[-1]) for w in part.content) else 0
        if points:
            points += len(set(content[:-1]) & set(part.content))
        if points > score:
            best, score = place, points
    return best


def class_of(word: str) -> str | None:
    """Return the class of an adjective, or None for a word that is not known as one."""
    word = word.lower()
    if "-" in word and word.rpartition("-")[2] in CLASSES["color"]:
        return "color"  # "bottle-green"
    return next((name for name, known in CLASSES.items() if word in known), None)


_LATE = ("tone", "color", "pattern", "material")
"""Classes of adjectives that stand next to the noun, in this order, after all others."""


def _rank(adjective: str) -> int:
    kind = class_of(adjective)
    return _LATE.index(kind) + 1 if kind in _LATE else 0


def described(part: Part, adjective: str) -> Part:
    """Give a thing a quality, in the place of one of the same class."""
    words = list(part.words)
    kind = class_of(adjective)
    for place, word in enumerate(words[:-1]):
        proper = word[0].isupper() and words[place + 1][0].isupper()  # "Golden Gate Bridge"
        if kind is not None and class_of(word) == kind and not proper:
            words[place] = adjective
            return replace(part, words=agreeing(words))
    rank = _rank(adjective)
    place = next((i for i, w in enumerate(words) if w.lower() not in DETERMINERS), len(words))
    proper = len(words) > place + 1 and all(w[0].isupper() for w in words[place : place + 2])
    while (
        not proper
        and place < len(words) - 1
        and class_of(words[place])
        and _rank(words[place]) <= rank
    ):
        place += 1
    words.insert(min(place, len(words)), adjective)
    return replace(part, words=agreeing(words))


def intensified(part: Part, adjective: str) -> Part:
    """Give a thing more of a quality that it has: "a very old house"."""
    words = [w for w in part.words if w.lower() != "very"]
    words.insert([w.lower() for w in words].index(adjective), "very")
    return replace(part, words=agreeing(words))


def renamed(part: Part, words: Sequence[str]) -> Part:
    """Put another thing in the place of one; the article stays if none comes with the new words."""
    new = [w for w in words if w.lower() not in ("the", "this", "that", "her", "his", "its")]
    first = part.words[0].lower()
    if new and new[0].lower() in DETERMINERS:
        return replace(part, words=agreeing(new))
    if first in ("the", "her", "his", "their", "its"):
        return replace(part, words=(part.words[0], *new))
    if first not in DETERMINERS and not is_plural(part.head):  # "spaghetti" becomes "rice"
        return replace(part, words=tuple(new))
    return replace(part, words=with_article(new))


def without(parts: Chain, place: int) -> Chain:
    """Take a thing out, with what joins it to the rest and what belongs to it ("of coffee")."""
    end = place + 1
    while end < len(parts) and [w.lower() for w in parts[end].link] == ["of"]:
        end += 1
    gone, rest = parts[place], parts[end:]
    verb = tuple(gone.link[:1]) if _stays(gone.link) else ()
    if place == 0 or parts[place - 1].head in MEDIA:  # what comes next takes its place
        if rest:
            rest = (replace(rest[0], link=gone.link), *rest[1:])
        elif place and parts[0].head in MEDIA:
            return ()
    before = parts[:place]
    if verb and before:
        before = (*before[:-1], replace(before[-1], words=(*before[-1].words, *verb)))
    return (*before, *rest)


def _stays(link: Sequence[str]) -> bool:
    """Whether a verb means something without its place: "standing in a field"."""
    return len(link) > 1 and link[0].lower().endswith("ing")


def subject(parts: Chain) -> int | None:
    """Return the part that a caption is about: the first that is no "photo of"."""
    for place, part in enumerate(parts):
        if part.words and (part.head not in MEDIA or len(parts) == 1):
            return place
    return None


def main_noun(caption: str) -> str:
    """Return what a caption is about, as a noun."""
    parts = chain(caption)
    place = subject(parts)
    return parts[place].head if place is not None else "picture"
