"""What can be done to a caption: one part changes, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.offline import lexicon
from agent.offline.caption_phrases import mentioned, weather_words
from agent.offline.captions import (
    BACKDROPS,
    BEASTS,
    DETERMINERS,
    LOCATIVE,
    MEDIA,
    PERSONS,
    PLACES,
    Chain,
    Part,
    agreeing,
    chain,
    class_of,
    end_of_belongings,
    find,
    holds,
    is_body,
    is_own,
    is_person,
    is_plural,
    place_of,
    preposition,
    renamed,
    same,
    singular,
    somebody,
    subject,
    text,
    with_article,
    with_quality,
    without,
    words_in,
)
from agent.state import Change

_UNNAMED = "The caption does not name {}; I take it that the picture shows it."


_BESIDE = words_in("clauses", "beside")
"""Links after which no place is named, but another thing."""
_PORTIONS = words_in("clauses", "portions")
_WORN_OR_HELD = words_in("links", "holding")
_OPPOSITE = {"old": "young", "elderly": "young", "young": "old"}


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


def removed(caption: str, phrase: Sequence[str]) -> Rewrite | None:
    """Take a thing out; one that the caption does not name is named in the source prompt."""
    parts, noun = chain(caption), phrase[-1]
    place_ = find(parts, phrase)
    if place_ and parts[place_].link == ("of",) and parts[place_ - 1].head in _PORTIONS:
        return removed(caption, [parts[place_ - 1].head])  # the yarn, of "a ball of yarn"
    if place_ is None or not same(parts[place_].head, noun):
        if is_own(noun):
            return _unlike(caption, noun)
        named = " ".join(with_article([w for w in phrase if w not in DETERMINERS]))
        return Rewrite("remove", with_(caption, named), caption, note=_UNNAMED.format(named))
    rest = without(parts, place_)
    left = any(part.content and not mentioned(" ".join(part.words).lower()) for part in rest)
    return Rewrite("remove", caption, text(rest)) if left else None


def _unlike(caption: str, noun: str) -> Rewrite | None:
    """Take away what a caption names by an adjective: "a bearded man" has a beard."""
    word = lexicon.load("captions")["body"]["as_adjective"].get(noun)
    parts = chain(caption)
    for place, part in enumerate(parts):
        if word in part.content:
            left = agreeing([w for w in part.words if w.lower() != word])
            return Rewrite("attribute", caption, text(_at(parts, place, replace(part, words=left))))
    return None


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
        if old.link == ("of",) and changed.words[0] in ("a", "an"):  # "a cup of tea"
            changed = replace(changed, words=changed.words[1:])
        there = preposition(changed.head)
        if there and old.link and old.link[-1] in PLACES:  # "in a park", "on a beach"
            changed = replace(changed, link=(*old.link[:-1], there))
    end = place + 1
    if "of" in new and end < len(parts) and parts[end].link == ("of",):
        end += 1  # a glass of juice, for a cup of coffee
    if is_person(old) and changed.head not in PERSONS:
        end = end_of_belongings(parts, place)
    made = (*parts[:place], changed, *parts[end:])
    return Rewrite("replace", caption, text(made), changed.head)


def described(caption: str, place: int, qualities: Sequence[str]) -> Rewrite:
    """Give a thing qualities: "red", "wooden", "old"; age is set against its opposite."""
    source = parts = chain(caption)
    changed, kinds = parts[place], {class_of(quality) for quality in qualities}
    acts = len(qualities) == 1 and qualities[0].endswith("ing") and kinds <= {"posture", None}
    if acts and (doing := _doing(parts, place)) is not None:  # "a dog running on a beach"
        acted = replace(parts[doing], link=(qualities[-1], *parts[doing].link[1:]))
        return Rewrite("attribute", caption, text(_at(parts, doing, acted)), changed.head)
    aged = any(class_of(word) == "age" for word in changed.words[:-1])
    for quality in qualities:
        if quality in _OPPOSITE and is_person(changed) and not aged:
            source = _at(parts, place, with_quality(parts[place], _OPPOSITE[quality]))
        changed = with_quality(changed, quality)
    change: Change = "color" if kinds == {"color"} else "attribute"
    return Rewrite(change, text(source), text(_at(parts, place, changed)), changed.head)


def _doing(parts: Chain, place: int) -> int | None:
    """Return the part that says what somebody does, behind what they wear and have with them."""
    for i in range(place + 1, len(parts)):
        if parts[i].is_action and not parts[i].joined_by(_WORN_OR_HELD):
            return i
        if not (parts[i].joined_by(("with", "and", *_WORN_OR_HELD)) or holds(parts[i])):
            return None
    return None


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
        if is_body(noun) and same(part.head, noun):
            return described(caption, place, [w for w in thing[:-1] if w not in DETERMINERS])
    join, end = "with" if is_body(noun) or place_of(noun) == "back" else "wearing", who + 1
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
           if i > what and part.joined_by(LOCATIVE) and not part.joined_by(_BESIDE)
           and not place_of(part.head) and not holds(part)
           and (_is_place(part) or not mentioned(" ".join(part.words).lower()))]  # fmt: skip
    at = next((i for i in fit if _is_place(parts[i])), fit[0] if fit and link else None)
    if link and not there and not instead and (at is None or preposition(parts[at].head)):
        living = is_person(parts[what]) or parts[what].head in BEASTS
        if at is not None or what != subject(parts) or living or not thing:
            return None  # on a skateboard, and still on a beach?
        laid = (*parts[: what + 1], Part(tuple(link), thing), *parts[what + 1 :])
        return Rewrite("background", caption, text(laid), parts[what].head)
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
    verb = parts[at].link[:1] if link and parts[at].is_action else ()
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
    looks = lexicon.load("captions")["looks"].get(phrase)
    if place is None or not (word or any(map(class_of, parts[place].content))):
        looks = ""
    if place is not None and looks and word not in ("snowy", parts[place].head):
        changed = described(caption, place, [looks])  # "a rainy street", "a blue sky"
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
