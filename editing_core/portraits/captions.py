"""Captions of portraits: attributes become a sentence, and a sentence attributes again.

`caption` without a random generator writes the canonical sentence the agent edits; with one it
writes what people might: partial, shuffled, in several phrasings. `parse` reads all of them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

from editing_core.portraits.world import COLORS, VALUES

_HAIR = {
    "short": "short {color}hair",
    "bob": "{color}bob",
    "long": "long {color}hair",
    "curly": "curly {color}hair",
    "bun": "{color}bun",
    "afro": "{color}afro",
    "bald": "bald head",
}
_ABSENT = {"headwear": "hat", "eyewear": "glasses", "facial_hair": "beard"}
_PHRASINGS = {
    "skin": ("{} skin",),
    "clothing": ("{}", "wearing {}", "in {}"),
    "background": ("{} background", "on a {} background", "in front of a {} wall"),
}


def caption(
    attributes: Mapping[str, str], rng: random.Random | None = None, naming: float = 1.0
) -> str:
    """Write a caption of the given attributes; those not in the mapping are not named.

    Args:
        attributes: attribute -> value, all or some of `VALUES`; "none" is left unsaid.
        rng: where phrasing and order come from; without it the canonical caption is written.
        naming: probability that an attribute is named. What a person wears on the head or the
            face is hardly ever left out (0.9 at least), so that its absence means something.
    """
    named = {
        name: value
        for name, value in attributes.items()
        if rng is None or rng.random() < _chance(name, value, naming)
    }
    adjectives = [named[name] for name in ("expression", "age") if name in named]
    person = named.get("gender", "person")
    who = f"{_article(' '.join([*adjectives, person]))}"
    details = _details(named, attributes, rng)
    opening = "a portrait of "
    if rng is not None:
        rng.shuffle(details)
        opening = rng.choice((opening, opening, "a drawing of ", ""))
    sentence = opening + who
    if details:
        joint = " " if details[0].startswith(("wearing", "in ", "on ")) else " with "
        sentence += joint + ", ".join(details)
    if rng is not None and rng.random() < 0.15:
        sentence = sentence[0].upper() + sentence[1:]
    return sentence


def _chance(name: str, value: str, naming: float) -> float:
    return max(naming, 0.9) if name in _ABSENT and value != "none" else naming


def _details(
    named: Mapping[str, str], attributes: Mapping[str, str], rng: random.Random | None
) -> list[str]:
    details = []
    hair, color = named.get("hair"), named.get("hair_color")
    colored_beard = color is not None and hair in (None, "bald")
    if hair is not None:
        words = _HAIR[hair].format(color=f"{color} " if color else "")
        details.append(words if words.endswith("hair") else _article(words))
    elif color and named.get("facial_hair", "none") == "none":
        details.append(f"{color} hair")
    if "skin" in named:
        details.append(f"{named['skin']} skin")
    for name in ("headwear", "eyewear", "facial_hair"):
        value = named.get(name, "none")
        if value != "none":
            tint = named.get("headwear_color") if name == "headwear" else None
            if name == "facial_hair" and colored_beard:
                tint = color
            words = f"{tint} {value}" if tint else value
            details.append(words if value.endswith("glasses") else _article(words))
        elif name in named and rng is not None and rng.random() < 0.2:
            details.append(f"no {_ABSENT[name]}")
    if "clothing" in named:
        words = " ".join(filter(None, (named.get("clothing_color"), named["clothing"])))
        garment = words if named["clothing"] == "overalls" else _article(words)
        details.append(_phrase("clothing", garment, rng))
    elif "clothing_color" in named:
        details.append(f"{named['clothing_color']} clothes")
    if "background" in named:
        details.append(_phrase("background", named["background"], rng))
    return details


def _phrase(name: str, words: str, rng: random.Random | None) -> str:
    forms = _PHRASINGS[name]
    return (rng.choice(forms) if rng else forms[0]).format(words)


def _article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


NOUNS: dict[str, tuple[str, str | None]] = {
    "woman": ("gender", "woman"),
    "man": ("gender", "man"),
    "fur hat": ("headwear", "fur hat"),
    "hat": ("headwear", "hat"),
    "beanie": ("headwear", "beanie"),
    "sunglasses": ("eyewear", "sunglasses"),
    "glasses": ("eyewear", "glasses"),
    "eyepatch": ("eyewear", "eyepatch"),
    "beard": ("facial_hair", "beard"),
    "moustache": ("facial_hair", "moustache"),
    "bob": ("hair", "bob"),
    "bun": ("hair", "bun"),
    "afro": ("hair", "afro"),
    "bald": ("hair", "bald"),
    "hair": ("hair", None),
    "skin": ("skin", None),
    **{name: ("clothing", name) for name in VALUES["clothing"]},
    "clothes": ("clothing", None),
    "background": ("background", None),
    "wall": ("background", None),
}
"""Words that settle an attribute; with None the words before them settle it."""

COLOR_OF = {
    "headwear": "headwear_color",
    "hair": "hair_color",
    "facial_hair": "hair_color",
    "clothing": "clothing_color",
    "background": "background",
    "skin": "skin",
}
"""Which attribute holds the colour of a thing."""

_NOUN = re.compile(rf"(?<![\w-])({'|'.join(sorted(NOUNS, key=len, reverse=True))})(?![\w-])")
_WORDS = re.compile(r"[a-z-]+")


def parse(text: str) -> dict[str, str]:
    """Read the attributes a caption names; words it does not know are passed over."""
    found: dict[str, str] = {}
    text = text.lower()
    start = 0
    for match in _NOUN.finditer(text):
        before = _WORDS.findall(text[start : match.start()].rpartition(",")[2])
        attribute, value = NOUNS[match.group(1)]
        start = match.end()
        if before and before[-1] in ("no", "without"):
            found[attribute] = "none"
            continue
        if value is not None:
            found[attribute] = value
        _adjectives(before, attribute, found)
    for name in ("expression", "age"):
        for word in _WORDS.findall(text):
            if word in VALUES[name]:
                found.setdefault(name, word)
    return found


def _adjectives(before: list[str], attribute: str, found: dict[str, str]) -> None:
    for word in before:
        if attribute == "hair" and word in VALUES["hair"]:
            found["hair"] = word
        color_of = COLOR_OF.get(attribute)
        if color_of and word in VALUES.get(color_of, COLORS):
            found[color_of] = word
