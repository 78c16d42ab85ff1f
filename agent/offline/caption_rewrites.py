"""What can be done to a caption: add, remove, replace, describe, move, and set scene or style."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from agent.offline import lexicon, sentence
from agent.offline.sentence import DETERMINERS, LOCATIVE, MEDIA, Chain, Part, class_of, find, text
from agent.state import Change

_CAPTIONS = lexicon.load("captions")
_WORN = {place: frozenset(w.split()) for place, w in _CAPTIONS["worn"].items()}
_PLACES = {prep: frozenset(w.split()) for prep, w in _CAPTIONS["places"].items()}
_BODY = sentence.words_in("body")
_OPPOSITE = {"old": "young", "elderly": "young", "young": "old"}
SEXES = [sentence.words_in("persons", sex) for sex in ("woman", "man")]
PERSONS = SEXES[0] | SEXES[1] | sentence.words_in("persons", "any")
BEASTS = sentence.words_in("persons", "beast")


_UNNAMED = "The caption does not name {}; I take it that the picture shows it."


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


def is_person(part: Part) -> bool:
    """Whether a part of a caption is somebody."""
    return part.head in PERSONS or sentence.singular(part.head) in PERSONS


def somebody(parts: Chain) -> int | None:
    """Return the first person of a caption, else the first beast."""
    people = (i for i, part in enumerate(parts) if part.words and is_person(part))
    beasts = (i for i, part in enumerate(parts) if part.head in BEASTS)
    return next(people, next(beasts, None))


def removed(caption: str, phrase: Sequence[str]) -> Rewrite | None:
    """Take a thing out; one that the caption does not name is named in the source prompt."""
    parts, noun = sentence.chain(caption), phrase[-1]
    place_ = find(parts, phrase)
    if place_ is None or not sentence.same(parts[place_].head, noun):
        if is_own(noun):
            return None  # "a bearded man" has a beard
        named = " ".join(sentence.with_article([w for w in phrase if w not in DETERMINERS]))
        return Rewrite("remove", with_(caption, named), caption, note=_UNNAMED.format(named))
    end = place_ + 1
    while is_person(parts[place_]) and end < len(parts) and is_own(parts[end].head):
        end += 1  # what somebody wears goes too
    rest = sentence.without((*parts[: place_ + 1], *parts[end:]), place_)
    left = any(part.content and not mentioned(" ".join(part.words).lower()) for part in rest)
    return Rewrite("remove", caption, text(rest)) if left else None


def unnamed(caption: str, thing: Sequence[str], qualities: Sequence[str]) -> Rewrite:
    """Give qualities to a thing that the caption does not name: the source prompt names it."""
    plain, new = (" ".join(sentence.with_article(w)) for w in (thing, (*qualities, *thing)))
    source, target = with_(caption, plain), with_(caption, new)
    return Rewrite("attribute", source, target, thing[-1], _UNNAMED.format(plain))


def replaced(caption: str, place: int, words: Sequence[str]) -> Rewrite:
    """Put another thing in the place of a part."""
    parts = sentence.chain(caption)
    old, new = parts[place], [w for w in words if w not in DETERMINERS]
    if (is_person(old) or old.head in BEASTS) and len(new) == 1:  # somebody else of the same looks
        changed = replace(old, words=sentence.agreeing((*old.words[:-1], new[0])))
    else:
        changed = sentence.renamed(old, words)
        there = preposition(changed.head)
        if there and old.link and old.link[-1] in _PLACES:  # "in a park", "on a beach"
            changed = replace(changed, link=(*old.link[:-1], there))
    return Rewrite("replace", caption, text(_at(parts, place, changed)), changed.head)


def described(caption: str, place: int, qualities: Sequence[str]) -> Rewrite:
    """Give a thing qualities: "red", "wooden", "old"; age is set against its opposite."""
    source = parts = sentence.chain(caption)
    changed, kinds = parts[place], {class_of(quality) for quality in qualities}
    after = parts[place + 1] if place + 1 < len(parts) else Part((), ())
    if kinds == {"posture"} and after.link and class_of(after.link[0]) == "posture":
        acted = replace(after, link=(qualities[-1], *after.link[1:]))  # "a dog running on a beach"
        return Rewrite("attribute", caption, text(_at(parts, place + 1, acted)), changed.head)
    aged = any(class_of(word) == "age" for word in changed.words[:-1])
    for quality in qualities:
        if quality in _OPPOSITE and is_person(changed) and not aged:
            source = _at(parts, place, sentence.described(parts[place], _OPPOSITE[quality]))
        changed = sentence.described(changed, quality)
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
    parts = sentence.chain(caption)
    own = ("the", "her", "his", "its", "some")
    thing = sentence.with_article([w for w in words if w not in own])
    noun, who = thing[-1], somebody(parts) if who is None else who
    if where or who is None or not is_own(noun):
        return Rewrite("add", caption, with_(caption, " ".join((*thing, *where.split()))), noun)
    for place, part in enumerate(parts):
        if part.words and place_of(noun) and place_of(part.head) == place_of(noun):
            return replaced(caption, place, thing)
        if noun in _BODY and sentence.same(part.head, noun):
            return described(caption, place, [w for w in thing[:-1] if w not in DETERMINERS])
    join, end = "with" if noun in _BODY or place_of(noun) == "back" else "wearing", who + 1
    while end < len(parts) and place_of(parts[end].head):
        end += 1
    if join == "wearing" and end > who + 1 and parts[end - 1].joined_by(("wearing", "with")):
        join = "and"
    return Rewrite("add", caption, text((*parts[:end], Part((join,), thing), *parts[end:])), noun)


def placed(caption: str, words: Sequence[str], link: Sequence[str] = ()) -> Rewrite | None:
    """Put it all in another place: "on a beach", in that of the place that the caption names.

    Args:
        caption: the caption so far.
        words: the place.
        link: how it was said that somebody is there; without it, what is behind may be anything.
    """
    parts, there = sentence.chain(caption), preposition(words[-1])
    thing = sentence.with_article([w for w in words if w not in ("background", "backdrop")])
    at = next((i for i, part in enumerate(parts)
               if i and preposition(part.head) and part.joined_by(LOCATIVE)), None)  # fmt: skip
    if link and not there:
        return None  # "on a chair": where else somebody is, only the picture tells
    if not there:
        hues = all(class_of(w) for w in thing if w not in DETERMINERS)
        named = " ".join(w for w in thing if not hues or w not in DETERMINERS)
        behind = f"a {named} background" if hues else f"{named} in the background"
        kept = parts if at is None else (*parts[:at], *parts[at + 1 :])
        return Rewrite("background", caption, with_(text(kept), behind))
    new = Part((there,), thing)
    if at is None:
        return Rewrite("background", caption, text((*parts, new)))
    verb = parts[at].link[:1] if link and parts[at].link[0].lower().endswith("ing") else ()
    where = replace(new, link=(*verb, there))
    return Rewrite("background", caption, text(_at(parts, at, where)), parts[0].head)


def _at(parts: Chain, place: int, part: Part) -> Chain:
    return (*parts[:place], part, *parts[place + 1 :])


def with_(caption: str, phrase: str) -> str:
    """Add a phrase at the end: ", with a dog", then " and a ball"."""
    joined = re.search(r", with [^,]*$", caption)
    return f"{caption} and {phrase}" if joined else f"{caption}, with {phrase}"


@cache
def _table(name: str) -> tuple[tuple[str, str, re.Pattern[str]], ...]:
    """Return rows of class, the phrase a caption gets, and the pattern that asks for it."""
    content = _CAPTIONS[name]
    return tuple(
        (group, phrase, re.compile(rf"(?<![\w-])(?:{said})(?![\w-])"))
        for group, phrases in ({name: content} if name == "style" else content).items()
        for phrase, said in phrases.items()
    )


def mentioned(clause: str) -> list[tuple[str, str, int, int]]:
    """Return what a clause says of season, weather and time: class, phrase, start and end."""
    found = [(group, phrase, *match.span()) for group, phrase, pattern in _table("scene")
             if (match := pattern.search(clause)) is not None]  # fmt: skip
    kept: list[tuple[str, str, int, int]] = []
    for row in sorted(found, key=lambda row: row[2] - row[3]):
        if all(row[3] <= other[2] or other[3] <= row[2] for other in kept):
            kept.append(row)
    return sorted(kept, key=lambda row: row[2])


def set_scene(caption: str, group: str, phrase: str) -> Rewrite:
    """Set another season, weather or time of day."""
    bare = source = unset(caption, group)
    if bare != caption or group != "time" or phrase == "in daylight":
        source = caption
    else:  # an edit needs something to change
        source = _append(caption, "in daylight")
    return Rewrite("background", source, _append(bare, phrase))


def unset(caption: str, group: str) -> str:
    """Return a caption without what it says of season, weather or time of day."""
    patterns = [pattern for name, _, pattern in _table("scene") if name == group]
    parts = sentence.chain(caption)
    for place, part in enumerate(parts):
        said = " ".join(part.words).lower()
        hit = next((m for p in patterns if (m := p.search(said))), None)
        if hit is None:
            continue
        if hit.end() == len(said) and place > 0:  # "in the rain": the part is about nothing else
            return text((*parts[:place], *parts[place + 1 :]))
        left = tuple(w for w in part.words if w.lower() != hit[0])
        return text(_at(parts, place, replace(part, words=left)))
    return caption


def _append(caption: str, phrase: str) -> str:
    return f"{caption}, {phrase}" if "," in caption else f"{caption} {phrase}"


def style_of(clause: str) -> str:
    """Return the style a clause asks for: how a caption begins then, or "in the style of …"."""
    artist = re.search(rf"\b(?:{_CAPTIONS['artists']})\b", clause)
    if artist is not None:
        return f"in the style of {artist[0].title()}"
    found = [(match[0], phrase) for _, phrase, p in _table("style") if (match := p.search(clause))]
    return max(found, key=lambda row: len(row[0]))[1] if found else ""


def is_style(clause: str) -> bool:
    """Whether a clause names a style and nothing else."""
    bare = re.sub(r"^(?:an?|in|as) ", "", clause)
    return any(pattern.fullmatch(bare) for _, _, pattern in _table("style"))


def set_style(caption: str, style: str) -> Rewrite:
    """Set another style: another medium at the caption's start, or "in the style of" at its end."""
    parts = sentence.chain(caption)
    source = caption if parts and parts[0].head in MEDIA else f"a photo of {caption}"
    if style.startswith("in the "):
        bare = re.sub(r",? in the style of [^,]+$", "", source)
        return Rewrite("style", source, f"{bare}, {style}")
    return Rewrite("style", source, f"{style} {text(sentence.chain(source)[1:])}")
