"""Things of any caption: added, removed, replaced, described, by changing only their words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.offline import lexicon, sentence, surroundings
from agent.offline.people import BEASTS, is_person, somebody
from agent.offline.sentence import (
    DETERMINERS,
    LOCATIVE,
    Chain,
    Part,
    class_of,
    find,
    text,
    words_in,
)
from agent.state import Change

WORN = {place: frozenset(w.split()) for place, w in lexicon.load("general")["worn"].items()}
_PLACES = {prep: frozenset(w.split()) for prep, w in lexicon.load("general")["places"].items()}
_BODY = words_in("body", "words")
_AS_ADJECTIVE: dict[str, str] = lexicon.load("general")["body"]["as_adjective"]
_OPPOSITE = {"old": "young", "elderly": "young", "young": "old"}


@dataclass(frozen=True)
class Rewrite:
    """One change of a caption.

    Attributes:
        change: of what kind.
        source: the caption before, which names what changes.
        target: the caption after, the same but for the change.
        about: the noun that "it" means from now on, if there is one.
        note: how an unclear request was read.
    """

    change: Change
    source: str
    target: str
    about: str = ""
    note: str = ""


def place_of(noun: str) -> str:
    """Return where a thing is worn, or an empty string."""
    return next((place for place, names in WORN.items() if noun in names), "")


def preposition(noun: str) -> str:
    """Return the word by which somebody is at a place, or an empty string."""
    return next((prep for prep, names in _PLACES.items() if noun in names), "")


def removed(caption: str, phrase: Sequence[str]) -> Rewrite | None:
    """Take a thing out; one that the caption does not name is named in the source prompt."""
    parts = sentence.chain(caption)
    noun = phrase[-1]
    quality = _AS_ADJECTIVE.get(noun)
    for place, part in enumerate(parts):
        if quality in part.content:
            words = [w for w in part.words if w.lower() != quality]
            changed = _at(parts, place, replace(part, words=sentence.agreeing(words)))
            return Rewrite("remove", caption, text(changed), part.head)
    place_ = find(parts, phrase)
    if place_ is not None and sentence.same(parts[place_].head, noun):
        rest = _undressed(parts, place_) if is_person(parts[place_]) else parts
        rest = sentence.without(rest, place_)
        if not any(part.content and not _is_scene(part) for part in rest):
            return None
        return Rewrite("remove", caption, text(rest))
    named = " ".join(sentence.with_article([w for w in phrase if w not in DETERMINERS]))
    note = f"The caption does not name {named}; I take it that the picture shows it."
    return Rewrite("remove", _with(caption, named), caption, note=note)


def _is_scene(part: Part) -> bool:
    """Whether a part is only about season, weather or time of day."""
    return bool(surroundings.mentioned(" ".join(part.words).lower()))


def _undressed(parts: Chain, person: int) -> Chain:
    """Take off what somebody wears who is about to go."""
    end = person + 1
    while end < len(parts) and (place_of(parts[end].head) or parts[end].head in _BODY):
        end += 1
    return (*parts[: person + 1], *parts[end:])


def unnamed(caption: str, thing: Sequence[str], qualities: Sequence[str]) -> Rewrite:
    """Give qualities to a thing that the caption does not name: the source prompt names it."""
    if is_body(thing[-1]) or place_of(thing[-1]):
        return added(caption, (*qualities, *thing))
    plain, new = (" ".join(sentence.with_article(w)) for w in (thing, (*qualities, *thing)))
    note = f"The caption does not name {plain}; I take it that the picture shows it."
    return Rewrite("attribute", _with(caption, plain), _with(caption, new), thing[-1], note)


def joined(caption: str, place: int, link: Sequence[str], words: Sequence[str]) -> Rewrite:
    """Say what somebody does, or what something is full of, after its part."""
    parts = sentence.chain(caption)
    new = Part(tuple(link), sentence.with_article(words))
    end = place + 1
    for at in range(end, len(parts)):
        if parts[at].link[-1:] == new.link[-1:] and new.link[-1].endswith("ing"):
            return Rewrite("replace", caption, text(_at(parts, at, new)), words[-1])
    while end < len(parts) and (place_of(parts[end].head) or parts[end].joined_by(("of",))):
        end += 1
    return Rewrite("add", caption, text((*parts[:end], new, *parts[end:])), words[-1])


def is_body(noun: str) -> bool:
    """Whether a noun is part of somebody: hair, a tail."""
    return noun in _BODY


def is_own(noun: str) -> bool:
    """Whether a noun is what somebody wears or has as part of the body."""
    return bool(place_of(noun)) or is_body(noun)


def replaced(caption: str, place: int, words: Sequence[str]) -> Rewrite:
    """Put another thing in the place of a part."""
    parts = sentence.chain(caption)
    old = parts[place]
    new = [w for w in words if w not in DETERMINERS]
    if (is_person(old) or old.head in BEASTS) and len(new) == 1:  # somebody else of the same looks
        changed = replace(old, words=sentence.agreeing((*old.words[:-1], new[0])))
    elif new and new[-1] in ("one", "ones"):
        changed = old
        for word in new[:-1]:
            changed = sentence.described(changed, word)
    else:
        changed = sentence.renamed(old, words)
        there = preposition(changed.head)
        if there and old.link and old.link[-1] in _PLACES:  # "in a park", "on a beach"
            changed = replace(changed, link=(*old.link[:-1], there))
    return Rewrite("replace", caption, text(_at(parts, place, changed)), changed.head)


def described(caption: str, place: int, qualities: Sequence[str]) -> Rewrite:
    """Give a thing qualities: "red", "wooden", "old"; age is set against its opposite."""
    source = parts = sentence.chain(caption)
    changed = parts[place]
    if parts[place].head in words_in("children", "words"):
        qualities = ["teenage" if quality == "old" else quality for quality in qualities]
    for quality in qualities:
        aged = any(class_of(w) == "age" for w in parts[place].words[:-1])
        if quality in _OPPOSITE and is_person(parts[place]) and not aged:
            source = _at(parts, place, sentence.described(parts[place], _OPPOSITE[quality]))
        changed = sentence.described(changed, quality)
    kinds = {class_of(quality) for quality in qualities}
    if kinds == {"posture"} and _acts(parts, place):  # "a dog running on a beach"
        after = parts[place + 1]
        moved_ = replace(after, link=(qualities[-1], *after.link[1:]))
        return Rewrite("attribute", caption, text(_at(parts, place + 1, moved_)), parts[place].head)
    change: Change = "color" if kinds == {"color"} else "attribute"
    return Rewrite(change, text(source), text(_at(parts, place, changed)), changed.head)


def _acts(parts: Chain, place: int) -> bool:
    """Whether the next part says what somebody does: "running on a beach"."""
    after = parts[place + 1 : place + 2]
    return bool(after) and after[0].link[:1] != () and class_of(after[0].link[0]) == "posture"


def counted(caption: str, place: int, words: Sequence[str]) -> Rewrite:
    """Show more or fewer of a thing: "two cats"."""
    parts = sentence.chain(caption)
    kept = [w for w in parts[place].words[:-1] if w.lower() not in DETERMINERS]
    if words[0] == "more":
        words = ("many" if sentence.is_plural(words[-1]) else "extra", *words[1:])
    new = (words[0], *[w for w in words[1:-1] if w not in kept], *kept, words[-1])
    part = replace(parts[place], words=sentence.agreeing(new))
    return Rewrite("replace", caption, text(_at(parts, place, part)), words[-1])


def added(caption: str, words: Sequence[str], where: str = "", who: int | None = None) -> Rewrite:
    """Add a thing: to somebody if it is worn or part of a body, else to the picture.

    Args:
        caption: the caption so far.
        words: the thing, with or without an article.
        where: a place that was said: "on the table".
        who: the part that it is given to.
    """
    parts = sentence.chain(caption)
    plain = [w for w in words if w not in ("the", "her", "his", "its", "some")]
    thing = sentence.with_article(plain)
    noun = thing[-1]
    who = who if who is not None else somebody(parts)
    if not where and who is not None and (place_of(noun) or noun in _BODY):
        return _worn(caption, parts, who, thing)
    return Rewrite("add", caption, _with(caption, " ".join((*thing, *where.split()))), noun)


def _worn(caption: str, parts: Chain, who: int, thing: tuple[str, ...]) -> Rewrite:
    noun = thing[-1]
    for place, part in enumerate(parts):
        if part.words and (place_of(noun) and place_of(part.head) == place_of(noun)):
            return replaced(caption, place, thing)
        if noun in _BODY and sentence.same(part.head, noun):
            return described(caption, place, [w for w in thing[:-1] if w not in DETERMINERS])
    join = "with" if noun in _BODY or place_of(noun) == "back" else "wearing"
    end = who + 1
    while end < len(parts) and place_of(parts[end].head):
        end += 1
    if join == "wearing" and end > who + 1 and parts[end - 1].joined_by(("wearing", "with")):
        join = "and"
    new = (*parts[:end], Part((join,), thing), *parts[end:])
    return Rewrite("add", caption, text(new), noun)


def of_one(caption: str, who: Sequence[str], thing: Sequence[str]) -> Rewrite:
    """Give a thing to one of several people, whom the caption does not name apart: the bride."""
    person = " ".join(("the", *[w for w in who if w not in DETERMINERS]))
    given = " ".join(sentence.with_article(thing))
    return Rewrite("add", caption, f"{caption}, {person} with {given}", thing[-1])


def moved(caption: str, place: int, link: Sequence[str], words: Sequence[str]) -> Rewrite:
    """Put somebody or something elsewhere: "on a chair", "in a garden"."""
    parts = sentence.chain(caption)
    new = Part(tuple(link), sentence.with_article(words))
    after = range(place + 1, len(parts))
    fit = [i for i in after if parts[i].joined_by(LOCATIVE) and not place_of(parts[i].head)
           and not _is_scene(parts[i])]  # fmt: skip
    if not preposition(words[-1]) and all(preposition(parts[i].head) for i in fit):
        where = (*parts[: place + 1], new, *parts[place + 1 :])  # "on a skateboard", on a beach
        return Rewrite("add", caption, text(where), words[-1])
    if not fit:
        return Rewrite("background", caption, text((*parts, new)), parts[place].head)
    at = next((i for i in fit if preposition(parts[i].head)), fit[0])
    verb = parts[at].link[:1] if parts[at].link[0].lower().endswith("ing") else ()
    changed = _at(parts, at, replace(new, link=(*verb, *link)))
    kind: Change = "background" if preposition(parts[at].head) else "replace"
    return Rewrite(kind, caption, text(changed), parts[place].head)


def behind(caption: str, words: Sequence[str]) -> Rewrite:
    """Change what is behind it all: the place, if the caption names one, else a background."""
    parts = sentence.chain(caption)
    noun = words[-1]
    thing = sentence.with_article([w for w in words if w not in ("background", "backdrop")])
    at = next((i for i, part in enumerate(parts)
               if i and (preposition(part.head) or part.head in ("background", "backdrop"))
               and part.joined_by(LOCATIVE | {"with"})), None)  # fmt: skip
    if at is not None and preposition(noun):
        changed = _at(parts, at, Part((preposition(noun),), thing))
        return Rewrite("background", caption, text(changed))
    plain = all(class_of(w) for w in thing if w not in DETERMINERS)
    if at is not None and not (plain and not any(class_of(w) == "color" for w in thing)):
        kept = (*parts[:at], *parts[at + 1 :])
        return Rewrite("background", caption, _with(text(kept), _background(thing)))
    return Rewrite("background", caption, _with(caption, _background(thing)))


def _background(thing: tuple[str, ...]) -> str:
    plain = all(class_of(w) for w in thing if w not in DETERMINERS)
    words = " ".join(w for w in thing if w not in ("a", "an")) if plain else " ".join(thing)
    return f"a {words} background" if plain else f"{words} in the background"


def _at(parts: Chain, place: int, part: Part) -> Chain:
    return (*parts[:place], part, *parts[place + 1 :])


def _with(caption: str, phrase: str) -> str:
    """Add a phrase at the end: ", with a dog", then " and a ball"."""
    last = re.search(r", with [^,]*$", caption)
    return f"{caption} and {phrase}" if last else f"{caption}, with {phrase}"


def appended(caption: str, phrase: str) -> str:
    """Add a phrase at the end of a caption: ", with a dog", then " and a ball"."""
    if phrase.startswith("with "):
        return _with(caption, phrase.removeprefix("with "))
    return f"{caption}, {phrase}" if "," in caption else f"{caption} {phrase}"


def reversed_(caption: str, who: str, quality: str, wanted: str) -> Rewrite | None:
    """Give somebody or something the opposite of a quality there is too much of."""
    parts = sentence.chain(caption)
    words = who.split()
    place = somebody(parts) if words[-1] in ("she", "he", "her", "him") else find(parts, words)
    if place is None:
        return None
    source = _at(parts, place, sentence.described(parts[place], quality))
    target = _at(parts, place, sentence.described(parts[place], wanted))
    return Rewrite("attribute", text(source), text(target), parts[place].head)


def recolored(caption: str, what: str, hue: str) -> Rewrite | None:
    """Give a thing that the caption names another colour."""
    place = find(sentence.chain(caption), what.split())
    return None if place is None else described(caption, place, [hue])
