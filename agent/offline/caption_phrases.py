"""The words of a request over any caption: what is a thing, what a quality, what says nothing.

And what a clause or caption says of season, weather, time of day and style.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise

from agent.offline import lexicon
from agent.offline.captions import (
    DETERMINERS,
    LOCATIVE,
    MASS,
    Part,
    class_of,
    is_own,
    is_plural,
    words_in,
)
from agent.offline.messages import has_verb, is_english

_CAPTIONS = lexicon.load("captions")
_MOST_ADJECTIVES = 2  # before a thing that comes without an article
_LIKE = re.compile(r"(?:shaped|colou?red|\wlike|\w-\w+ed|\w{3}(?:(?<!e)ese|(?<!f)ish|less|ous))$")
"""How adjectives end that are made of a noun: "heart-shaped"."""
SETS = {name: words_in("clauses", name) for name in lexicon.load("captions")["clauses"]}
_VAGUE, SCENE_WORDS, _SOFT = words_in("vague"), words_in("scene_words"), SETS["soft"]
_JOINS = LOCATIVE | {"of", "with", "up", "down", "off", "from", "through", "along", "around", "out"}
"""Words after which a phrase may name another thing."""
_NO_QUALITY = SETS["no_quality"] | SETS["no_thing"]
PEOPLE, THINGS, NUMBERS = SETS["people"], SETS["things"], SETS["numbers"]


def is_thing(said: Sequence[str]) -> bool:
    """Whether words can name a thing: not "no", and none belongs to a sentence of its own."""
    between = any(w in ("a", "an", "the") and before not in _JOINS
                  for before, w in pairwise(said))  # fmt: skip
    plain = {w.partition("'")[0] for w in said}
    named = bool(said) and said[0] != "no" and not between and not SETS["no_thing"] & plain
    return named and all(is_english(w) for w in said)


def qualities_of_part(said: Sequence[str], part: Part) -> list[str]:
    """Return what a phrase that ends with a thing says of it: "matte black", "chocolate"."""
    if said[0] == "more":
        return ["more"]
    how = [base(w) for w in content(" ".join(said[:-1])) if w not in part.content]
    known = said[0] in DETERMINERS - NUMBERS or all(class_of(w) for w in how)
    plain = len(how) <= _MOST_ADJECTIVES and all(map(is_english, how))
    return how if is_phrase(said) and (known or plain) else []


def is_phrase(said: Sequence[str]) -> bool:
    """Whether words are one thing with its qualities: no second thing, no verb, no pronoun."""
    alone = said[-1] not in PEOPLE | THINGS and not (DETERMINERS | _JOINS) & set(said[1:])
    return alone and not any(has_verb(w) or w in _NO_QUALITY for w in said[:-1])


def names_things(said: Sequence[str]) -> bool:
    """Whether words without an article name things: "red laces", "steam"."""
    *before, noun = said
    mass = noun in MASS or len(noun) > 3 and is_plural(noun)
    plain = all(is_english(w) and "'" not in w for w in before) and is_phrase(said)
    return mass and plain and len(before) <= _MOST_ADJECTIVES


def words(phrase: str) -> list[str]:
    """Return the words of a phrase."""
    return re.findall(r"[\w'&-]+", phrase)


def content(phrase: str) -> list[str]:
    """Return the words of a phrase that say something."""
    return [w for w in words(phrase) if w not in DETERMINERS and w not in _SOFT]


def qualities(how: str, *, any_word: bool = False, part: bool = False) -> list[str]:
    """Return the adjectives a phrase consists of, or nothing if it says anything else.

    Args:
        how: "red", "a bit older", "black and white", "smile".
        any_word: take one English word that is not known as an adjective for one.
        part: whether the phrase ends with the thing that has them.
    """
    said = [base(w) for w in words(how) if w not in _SOFT | SETS["degrees"]]
    said = [w for w in said[:-1] if w not in DETERMINERS] if part else said
    if not said or said[0] in ("not", "no"):
        return []
    known = [class_of(w) is not None or _LIKE.search(w) is not None for w in said]
    if all(known) or any_word and known[-1] and all(map(is_english, said)) \
            and not DETERMINERS & set(said) and not any(map(is_own, said)):  # fmt: skip
        return said if all(known) else ["-".join(said)]  # "bottle-green"
    plain = said[0] not in DETERMINERS | LOCATIVE | _VAGUE and not is_own(said[0])
    alone = len(said) == 1 and any_word and len(said[0]) > 2 and plain
    return said if alone and is_english(said[0]) else []


def base(word: str) -> str:
    """Return the plain form of an adjective or verb: "older" is old, "smile" is smiling."""
    actions: dict[str, str] = lexicon.load("captions")["actions"]
    stem = re.sub(r"(?:er|est)$", "", word)
    forms = (stem, f"{stem}e", re.sub(r"(.)\1$", r"\1", stem), re.sub(r"i$", "y", stem))
    known = next((plain for plain in forms if stem != word and class_of(plain)), word)
    return actions.get(word, known)


def comparatives(clause: str) -> set[str]:
    """Return the plain forms of what a clause wants more of: "whiter", "more angry"."""
    pairs = list(pairwise(["", *words(clause)]))
    graded = {base(w) for _, w in pairs if w.endswith("er") and base(w) != w}
    more = {base(w) for before, w in pairs if before == "more"}
    much = {w for before, w in pairs if before in SETS["degrees"] and class_of(w) == "color"}
    return {w for w in graded | more | much if class_of(w)}


def form(name: str, clause: str) -> re.Match[str] | None:
    """Match a clause with the forms of a kind of request."""
    return lexicon.match("captions", "form", name, clause)


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
             for match in pattern.finditer(clause)]  # fmt: skip
    kept: list[tuple[str, str, int, int]] = []
    for row in sorted(found, key=lambda row: row[2] - row[3]):
        if all(row[3] <= other[2] or other[3] <= row[2] for other in kept):
            kept.append(row)
    return sorted(kept, key=lambda row: row[2])


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


def weather_words(group: str, phrase: str, said: str) -> Iterator[re.Match[str]]:
    """Yield what says something of a class, or just a phrase of it, in words of a caption."""
    for name, meant, pattern in _table("scene"):
        if name == group and phrase in ("", meant) and (match := pattern.search(said)) is not None:
            yield match
