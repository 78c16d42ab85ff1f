"""A caption as a chain of parts, and what can be done to it: one part changes, and nothing else.

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
from agent.offline.scenes import mentioned, weather_words
from agent.state import Change

_CAPTIONS = lexicon.load("captions")


def words_in(table: str, entry: str = "words") -> frozenset[str]:
    """Return the words of an entry of the lexicon of all captions."""
    return frozenset(_CAPTIONS[table][entry].split())


_SEVERAL = {f"{a} {n} of" for a in ("a", "the") for n in words_in("links", "several")}
DETERMINERS = words_in("links", "determiners") | _SEVERAL
LOCATIVE, BACKDROPS = words_in("links", "locative"), ("background", "backdrop")
MEDIA, MASS = words_in("media"), words_in("mass")
_LINKS, _NOT_VERBS = words_in("links"), words_in("links", "not_verbs")
_PAST = words_in("links", "past")
CLASSES = {name: frozenset(w.split()) for name, w in _CAPTIONS["adjectives"].items()}
"""Adjectives by class: those of one class take each other's place."""
_SAME = [frozenset(group.split()) for group in _CAPTIONS["same"]["groups"]]
_NOUNS: Any = Pluralizer()  # type: ignore[no-untyped-call]
_LATE = ("tone", "color", "pattern", "material")
"""Classes of adjectives that stand next to the noun, in this order, after all others."""

_WORN = {place: frozenset(w.split()) for place, w in _CAPTIONS["worn"].items()}
_PLACES = {prep: frozenset(w.split()) for prep, w in _CAPTIONS["places"].items()}
_FAIR = ("sunny", "clear")
_BODY, _HOLDING = words_in("body"), words_in("links", "holding")
_OPPOSITE = {"old": "young", "elderly": "young", "young": "old"}
SEXES = [words_in("persons", sex) for sex in ("woman", "man")]
PERSONS = SEXES[0] | SEXES[1] | words_in("persons", "any")
BEASTS = words_in("persons", "beast")


_UNNAMED = "The caption does not name {}; I take it that the picture shows it."


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
    if word in _PAST:
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
    """Take a thing out, with what joins it to the rest and what belongs to it ("of coffee")."""
    end = place + 1
    while end < len(parts) and (
        [w.lower() for w in parts[end].link] == ["of"]
        or is_person(parts[place])
        and parts[end].joined_by(_HOLDING)
    ):
        end += 1
    gone, before, rest = parts[place], parts[:place], parts[end:]
    if place == 0 or parts[place - 1].head in MEDIA:  # what comes next takes its place
        if not rest:
            return ()
        rest = (replace(rest[0], link=gone.link), *rest[1:])
    elif len(gone.link) > 1 and gone.link[0].lower().endswith("ing"):  # "standing in a field"
        before = (*before[:-1], replace(before[-1], words=(*before[-1].words, gone.link[0])))
    return (*before, *rest)


def subject(parts: Chain) -> int | None:
    """Return the part that a caption is about: the first that is no "photo of"."""
    about = (i for i, p in enumerate(parts) if p.words and (p.head not in MEDIA or len(parts) == 1))
    return next(about, None)


def main_noun(caption: str) -> str:
    """Return what a caption is about, as a noun."""
    parts = chain(caption)
    place = subject(parts)
    return parts[place].head if place is not None else "picture"


@dataclass(frozen=True)
class Rewrite:
    """One change of a caption: its kind, the caption before and after it.

    ``about`` is the noun that "it" means from now on; ``note`` says how a request was read.
    """

    change: Change
    source: str
    target: str
    about: str = ""
    note: str = ""


def place_of(noun: str) -> str:
    """Return where a thing is worn, or an empty string."""
    return next((place for place, names in _WORN.items() if noun in names), "")


def preposition(noun: str) -> str:
    """Return the word by which somebody is at a place, or an empty string."""
    return next((prep for prep, names in _PLACES.items() if noun in names), "")


def is_own(noun: str) -> bool:
    """Whether a noun is what somebody wears or has as part of the body."""
    return bool(place_of(noun)) or noun in _BODY


def is_body(noun: str) -> bool:
    """Whether a noun is a part of somebody's body."""
    return noun in _BODY


def is_person(part: Part) -> bool:
    """Whether a part of a caption is somebody."""
    return part.head in PERSONS or singular(part.head) in PERSONS


def somebody(parts: Chain, *, but: frozenset[str] = frozenset()) -> int | None:
    """Return the first person of a caption, else the first beast; none whose noun is in `but`."""
    people = (i for i, part in enumerate(parts) if is_person(part) and part.head not in but)
    beasts = (i for i, part in enumerate(parts) if part.head in BEASTS)
    return next(people, next(beasts, None))


def removed(caption: str, phrase: Sequence[str]) -> Rewrite | None:
    """Take a thing out; one that the caption does not name is named in the source prompt."""
    parts, noun = chain(caption), phrase[-1]
    place_ = find(parts, phrase)
    if place_ is None or not same(parts[place_].head, noun):
        if is_own(noun):
            return None  # "a bearded man" has a beard
        named = " ".join(with_article([w for w in phrase if w not in DETERMINERS]))
        return Rewrite("remove", with_(caption, named), caption, note=_UNNAMED.format(named))
    end = place_ + 1
    while is_person(parts[place_]) and end < len(parts) and is_own(parts[end].head):
        end += 1  # what somebody wears goes too
    rest = without((*parts[: place_ + 1], *parts[end:]), place_)
    left = any(part.content and not mentioned(" ".join(part.words).lower()) for part in rest)
    return Rewrite("remove", caption, text(rest)) if left else None


def unnamed(caption: str, thing: Sequence[str], qualities: Sequence[str]) -> Rewrite:
    """Give qualities to a thing that the caption does not name: the source prompt names it."""
    plain, new = (" ".join(with_article(w)) for w in (thing, (*qualities, *thing)))
    source, target = with_(caption, plain), with_(caption, new)
    return Rewrite("attribute", source, target, thing[-1], _UNNAMED.format(plain))


def replaced(
    caption: str, place: int, words: Sequence[str], *, same_color: bool = False
) -> Rewrite:
    """Put another thing in the place of a part; it may keep the colour that the part had."""
    parts = chain(caption)
    old, new = parts[place], [w for w in words if w not in DETERMINERS]
    hues = [w for w in old.words[:-1] if class_of(w) == "color"]
    if same_color and hues and not any(class_of(w) == "color" for w in new):
        words = new = [*hues, *new]
    if (is_person(old) or old.head in BEASTS) and len(new) == 1:  # somebody else of the same looks
        changed = replace(old, words=agreeing((*old.words[:-1], new[0])))
    else:
        changed = renamed(old, words)
        there = preposition(changed.head)
        if there and old.link and old.link[-1] in _PLACES:  # "in a park", "on a beach"
            changed = replace(changed, link=(*old.link[:-1], there))
    return Rewrite("replace", caption, text(_at(parts, place, changed)), changed.head)


def described(caption: str, place: int, qualities: Sequence[str]) -> Rewrite:
    """Give a thing qualities: "red", "wooden", "old"; age is set against its opposite."""
    source = parts = chain(caption)
    changed, kinds = parts[place], {class_of(quality) for quality in qualities}
    after = parts[place + 1] if place + 1 < len(parts) else Part((), ())
    acts = len(qualities) == 1 and qualities[0].endswith("ing") and kinds <= {"posture", None}
    if acts and after.link and after.link[0].lower().endswith("ing"):
        acted = replace(after, link=(qualities[-1], *after.link[1:]))  # "a dog running on a beach"
        return Rewrite("attribute", caption, text(_at(parts, place + 1, acted)), changed.head)
    aged = any(class_of(word) == "age" for word in changed.words[:-1])
    for quality in qualities:
        if quality in _OPPOSITE and is_person(changed) and not aged:
            source = _at(parts, place, with_quality(parts[place], _OPPOSITE[quality]))
        changed = with_quality(changed, quality)
    change: Change = "color" if kinds == {"color"} else "attribute"
    return Rewrite(change, text(source), text(_at(parts, place, changed)), changed.head)


def added(caption: str, words: Sequence[str], where: str = "", who: int | None = None) -> Rewrite:
    """Add a thing: to somebody if it is worn or part of a body, else to the picture.

    Args:
        caption: the caption so far.
        words: the thing, with or without an article.
        where: a place that was said: "on the table".
        who: the part that it is given to.
    """
    parts = chain(caption)
    own = ("the", "her", "his", "its", "some")
    thing = with_article([w for w in words if w not in own])
    noun, who = thing[-1], somebody(parts) if who is None else who
    if where or who is None or not is_own(noun):
        return Rewrite("add", caption, with_(caption, " ".join((*thing, *where.split()))), noun)
    for place, part in enumerate(parts):
        if part.words and place_of(noun) and place_of(part.head) == place_of(noun):
            return replaced(caption, place, thing)
        if noun in _BODY and same(part.head, noun):
            return described(caption, place, [w for w in thing[:-1] if w not in DETERMINERS])
    join, end = "with" if noun in _BODY or place_of(noun) == "back" else "wearing", who + 1
    while end < len(parts) and place_of(parts[end].head):
        end += 1
    if join == "wearing" and end > who + 1 and parts[end - 1].joined_by(("wearing", "with")):
        join = "and"
    return Rewrite("add", caption, text((*parts[:end], Part((join,), thing), *parts[end:])), noun)


def _is_place(part: Part) -> bool:
    return bool(preposition(part.head)) or part.head in BACKDROPS


def placed(
    caption: str,
    words: Sequence[str],
    link: Sequence[str] = (),
    *,
    what: int = 0,
    instead: bool = False,
) -> Rewrite | None:
    """Put it all in another place: "on a beach", in that of the place that the caption names.

    Args:
        caption: the caption so far.
        words: the place.
        link: how it was said that somebody is there; without it, what is behind may be anything.
        what: the part that is put there, with what comes after it.
        instead: whether it surely takes the place of where the caption says it is.
    """
    parts, there = chain(caption), preposition(words[-1])
    thing = with_article([w for w in words if w not in BACKDROPS])
    fit = [i for i, part in enumerate(parts)
           if i > what and part.joined_by(LOCATIVE) and not place_of(part.head)
           and not mentioned(" ".join(part.words).lower())]  # fmt: skip
    at = next((i for i in fit if _is_place(parts[i])), fit[0] if fit and link else None)
    if link and not there and not instead and (at is None or preposition(parts[at].head)):
        return None  # on a skateboard, and still on a beach?
    if not thing:
        return None
    plain = [w for w in thing if w not in DETERMINERS]
    hues = all(class_of(w) for w in plain)
    if at is not None and parts[at].head in BACKDROPS and hues and not link:
        return described(caption, at, plain)
    if not (there or link) or not link and at is None:
        named = " ".join(w for w in thing if not hues or w not in DETERMINERS)
        behind = f"a {named} background" if hues else f"{named} in the background"
        kept = parts if at is None else (*parts[:at], *parts[at + 1 :])
        return Rewrite("background", caption, with_(text(kept), behind))
    if at is None:
        return Rewrite("background", caption, text((*parts, Part((there,), thing))))
    verb = parts[at].link[:1] if link and parts[at].link[0].lower().endswith("ing") else ()
    by = tuple(link) if link and link[0] not in ("to", "into", "onto") else (there or "at",)
    new = Part((*verb, *by), thing)
    return Rewrite("background", caption, text(_at(parts, at, new)), parts[0].head)


def _at(parts: Chain, place: int, part: Part) -> Chain:
    return (*parts[:place], part, *parts[place + 1 :])


def with_(caption: str, phrase: str) -> str:
    """Add a phrase at the end: ", with a dog", then " and a ball"."""
    joined = re.search(r", with [^,]*$", caption)
    return f"{caption} and {phrase}" if joined else f"{caption}, with {phrase}"


def counted(caption: str, place: int, number: str, noun: str) -> Rewrite:
    """Say how many of a thing there are: "two cats" become "one cat"."""
    parts = chain(caption)
    old = parts[place].words
    rest = old[1:-1] if old[0].lower() in DETERMINERS else old[:-1]
    part = replace(parts[place], words=(number, *rest, noun))
    return Rewrite("attribute", caption, text(_at(parts, place, part)), noun)


def acting(caption: str, clause: str) -> Rewrite | None:
    """Let what a caption is about do something else: "floating in the air"."""
    parts, (_, *said) = chain(caption), chain(f"somebody {clause}")
    place = subject(parts)
    if place is None or len(said) != 1 or not said[0].words:
        return None
    new = said[0]
    rest = parts[place + 1 :]
    was = bool(rest) and (rest[0].joined_by(LOCATIVE) or rest[0].joined_by(_PAST)
                          or is_doing(rest[0].link[0].lower()))  # fmt: skip
    changed = (*parts[: place + 1], new, *rest[was:])
    return Rewrite("attribute", caption, text(changed), parts[place].head)


def swapped(caption: str, place: int, old: str, new: str) -> Rewrite:
    """Put a word in the place of another: "a sunny forecast" is a rainy one."""
    parts = chain(caption)
    new = singular(new) if old != parts[place].head and not is_plural(old) else new
    words = agreeing([new if w.lower() == old else w for w in parts[place].words])
    changed = _at(parts, place, replace(parts[place], words=words))
    return Rewrite("attribute", caption, text(changed), parts[place].head)


def set_scene(caption: str, group: str, phrase: str) -> Rewrite:
    """Set another season, weather or time of day, in the place of what a caption says of it."""
    parts = chain(caption)
    place, word = _scene_place(parts, group) or (find(parts, ["sky"]), "")
    looks = _CAPTIONS["looks"].get(phrase)
    if (
        place is not None
        and looks
        and (word or any(class_of(w) for w in parts[place].content))
        and parts[place].head != word
        and word != "snowy"
    ):  # "a rainy street", "a blue sky"
        changed = described(caption, place, [looks])
        return replace(changed, change="background", about="")
    bare = source = unset(caption, group)
    if bare != caption or group != "time" or phrase == "in daylight":
        source = caption
    else:  # an edit needs something to change
        source = _append(caption, "in daylight")
    return Rewrite("background", source, _append(bare, phrase))


def unset(caption: str, group: str, phrase: str = "") -> str:
    """Return a caption without what it says of a class of scene, or of one phrase of it."""
    parts = chain(caption)
    place, word = _scene_place(parts, group, phrase) or (None, "")
    if place is None:
        return caption
    if word == " ".join(parts[place].words[-len(word.split()) :]).lower() and place > 0:
        return text((*parts[:place], *parts[place + 1 :]))  # "in the rain"
    left = tuple(w for w in parts[place].words if w.lower() != word)
    return text(_at(parts, place, replace(parts[place], words=left)))


def _scene_place(parts: Chain, group: str, phrase: str = "") -> tuple[int, str] | None:
    """Return the part that says something of a scene, and the words; what is alone goes first.

    "A snowy mountain under a cloudy sky" says it of the sky before anything else.
    """
    found = []
    for place, part in enumerate(parts):
        said = " ".join(part.words).lower()
        for hit in weather_words(group, phrase, said):
            alone = hit.end() == len(said) and place > 0
            found.append((not alone, part.head != "sky", place, hit[0]))
            break
    return min(found)[2:] if found else None


def _append(caption: str, phrase: str) -> str:
    return f"{caption}, {phrase}" if "," in caption else f"{caption} {phrase}"


def set_style(caption: str, style: str) -> Rewrite:
    """Set another style: another medium at the caption's start, or "in the style of" at its end."""
    parts = chain(caption)
    source = caption if parts and parts[0].head in MEDIA else f"a photo of {caption}"
    if style.startswith("in the "):
        bare = re.sub(r",? in the style of [^,]+$", "", source)
        return Rewrite("style", source, f"{bare}, {style}")
    return Rewrite("style", source, f"{style} {text(chain(source)[1:])}")
