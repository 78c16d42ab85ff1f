"""Captions of portraits: attributes become a sentence, and a sentence attributes again.

`caption` without a random generator writes the canonical sentence the agent edits; with one it
writes what people might: partial, shuffled, in several phrasings. `parse` reads all of them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

from editing_core.portraits.schema import COLORS, VALUES

_HAIR = {
    "short": "short {color}hair",
    "bob": "{color}bob",
    "long": "long {color}hair",
    "curly": "curly {color}hair",
    "wavy": "wavy {color}hair",
    "bun": "{color}bun",
    "quiff": "{color}quiff",
    "dreadlocks": "{color}dreadlocks",
    "afro": "{color}afro",
    "bald": "bald head",
}
_WORN = {
    "headwear": "hat",
    "eyewear": "glasses",
    "facial_hair": "beard",
    "earrings": "earrings",
    "neckwear": "scarf",
}
"""What may be absent, and the word by which captions say so."""

REMOVABLE = tuple(_WORN)
"""What a picture shows only if its caption names it."""


ALSO = {
    "woman": "lady",
    "man": "guy|gentleman",
    "old": "elderly|aged",
    "young": "youthful",
    "smiling": "happy|cheerful|grinning",
    "serious": "stern",
    "sad": "unhappy",
    "surprised": "shocked|astonished",
    "angry": "furious",
    "gray": "grey|silver",
    "blonde": "blond",
    "light skin": "pale skin|fair skin",
    "dreadlocks": "dreads",
    "moustache": "mustache",
    "glasses": "spectacles",
    "necklace": "gold necklace",
    "earrings": "gold earrings|hoop earrings",
    "cap": "baseball cap",
    "beanie": "woolly hat",
    "sweater": "jumper",
    "t-shirt": "tee",
    "blazer": "jacket",
    "dotted": "polka-dot|spotted",
    "striped": "stripy",
    "beach background": "at the beach|on a beach|by the sea",
    "city background": "in the city|in a city street",
    "forest background": "in a forest|in the woods",
    "snowy background": "in the snow|on a snowy day",
    "night background": "at night|under a night sky",
}
"""Words of captions to other words for the same."""


def caption(
    attributes: Mapping[str, str], rng: random.Random | None = None, naming: float = 1.0
) -> str:
    """Write a caption of the given attributes; those not in the mapping are not named.

    Args:
        attributes: attribute -> value, all or some of `VALUES`; "none" and "plain" are left unsaid.
        rng: where phrasing and order come from; without it the canonical caption is written.
        naming: probability that an attribute is named. What a person wears is hardly ever left out
            (0.9 at least), so that its absence means something.
    """
    named = {
        name: value
        for name, value in attributes.items()
        if rng is None or rng.random() < _chance(name, value, naming)
    }
    adjectives = [named[name] for name in ("expression", "age") if name in named]
    who = article(" ".join([*adjectives, named.get("gender", "person")]))
    details = _details(named, attributes, rng)
    opening = "a portrait of "
    if rng is not None:
        rng.shuffle(details)
        opening = rng.choice((opening, opening, "a drawing of ", "a picture of ", ""))
    sentence = opening + " with ".join(filter(None, (who, ", ".join(details))))
    return sentence if rng is None else _reworded(sentence, rng)


def _chance(name: str, value: str, naming: float) -> float:
    return max(naming, 0.9) if name in _WORN and value != "none" else naming


def _details(
    named: Mapping[str, str], attributes: Mapping[str, str], rng: random.Random | None
) -> list[str]:
    details = []
    hair, color = named.get("hair"), named.get("hair_color")
    colored_beard = color is not None and hair in (None, "bald")
    if hair is not None:
        details.append(hair_words(hair, color))
    elif color and named.get("facial_hair", "none") == "none":
        details.append(f"{color} hair")
    if "skin" in named:
        details.append(f"{named['skin']} skin")
    for name, word in _WORN.items():
        value = named.get(name, "none")
        if value != "none":
            tint = named.get(f"{name}_color")
            if name == "facial_hair" and colored_beard:
                tint = color
            details.append(article(f"{tint} {value}" if tint else value))
        elif name in named and rng is not None and rng.random() < 0.2:
            details.append(f"no {word}")
    details += _clothes(named, rng)
    if "background" in named:
        forms = ["{} background"]
        if rng is not None and named["background"] in COLORS:
            forms += ["on a {} background", "in front of a {} wall"]
        details.append((rng.choice(forms) if rng else forms[0]).format(named["background"]))
    return details


def _clothes(named: Mapping[str, str], rng: random.Random | None) -> list[str]:
    cloth = named.get("pattern", "plain")
    if cloth == "plain" and not (rng is not None and "pattern" in named and rng.random() < 0.2):
        cloth = ""
    look = [word for word in (cloth, named.get("clothing_color")) if word]
    if "clothing" in named:
        form = rng.choice(("{}", "wearing {}", "in {}")) if rng else "{}"
        return [form.format(article(" ".join([*look, named["clothing"]])))]
    return [" ".join([*look, "clothes"])] if look else []


def hair_words(hair: str, color: str | None) -> str:
    """Hair as a noun: "long red hair", "a bob"."""
    return article(_HAIR[hair].format(color=f"{color} " if color else ""))


def article(words: str) -> str:
    """Put "a" or "an" before words that take one."""
    if words.endswith(("hair", "glasses", "earrings", "dreadlocks", "overalls")):
        return words
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _reworded(sentence: str, rng: random.Random) -> str:
    """Say the same with other words, now and then."""
    for word, others in ALSO.items():
        if rng.random() < 0.3:
            other = rng.choice(others.split("|"))
            sentence = re.sub(rf"(?<![\w-]){word}(?![\w-])", other, sentence)
    if rng.random() < 0.3:
        sentence = " and ".join(sentence.rsplit(", ", 1))
    sentence = re.sub(r" with (?=(?:wearing|in|on|at|by|under) )", " ", sentence)
    sentence = re.sub(r"\ban? (?=([aeiou])?)", lambda m: "an " if m[1] else "a ", sentence)
    return sentence[0].upper() + sentence[1:] if rng.random() < 0.15 else sentence


NOUNS: dict[str, tuple[str, str | None]] = {
    "woman": ("gender", "woman"),
    "man": ("gender", "man"),
    "fur hat": ("headwear", "fur hat"),
    "party hat": ("headwear", "party hat"),
    "hat": ("headwear", "hat"),
    "beanie": ("headwear", "beanie"),
    "cap": ("headwear", "cap"),
    "crown": ("headwear", "crown"),
    "round glasses": ("eyewear", "round glasses"),
    "sunglasses": ("eyewear", "sunglasses"),
    "glasses": ("eyewear", "glasses"),
    "eyepatch": ("eyewear", "eyepatch"),
    "beard": ("facial_hair", "beard"),
    "moustache": ("facial_hair", "moustache"),
    "bob": ("hair", "bob"),
    "bun": ("hair", "bun"),
    "quiff": ("hair", "quiff"),
    "dreadlocks": ("hair", "dreadlocks"),
    "earrings": ("earrings", "earrings"),
    "scarf": ("neckwear", "scarf"),
    "necklace": ("neckwear", "necklace"),
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
    "eyewear": "eyewear_color",
    "neckwear": "neckwear_color",
    "hair": "hair_color",
    "facial_hair": "hair_color",
    "clothing": "clothing_color",
    "background": "background",
    "skin": "skin",
}
"""Which attribute holds the colour of a thing."""

_NOUN = re.compile(rf"(?<![\w-])({'|'.join(sorted(NOUNS, key=len, reverse=True))})(?![\w-])")
_WORDS = re.compile(r"[a-z-]+")
_ALSO = [(re.compile(rf"(?<![\w-])(?:{others})(?![\w-])"), word) for word, others in ALSO.items()]


def parse(text: str) -> dict[str, str]:
    """Read the attributes a caption names; words it does not know are passed over."""
    found: dict[str, str] = {}
    text = text.lower()
    for pattern, word in _ALSO:
        text = pattern.sub(word, text)
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
        if attribute == "clothing" and word in VALUES["pattern"]:
            found["pattern"] = word
        if found.get("eyewear") == "glasses" and attribute == "eyewear" and word == "round":
            found["eyewear"] = "round glasses"
        color_of = COLOR_OF.get(attribute)
        if color_of and word in VALUES.get(color_of, COLORS):
            found[color_of] = word


def kind_of(old: Mapping[str, str], changed: Mapping[str, str]) -> str:
    """Name the kind of change that turns attributes `old` into others; it decides how to edit."""
    for name in REMOVABLE:
        if name in changed:
            if changed[name] == "none":
                return "remove"
            return "add" if old.get(name, "none") == "none" else "replace"
    if set(changed) <= {"background"}:
        return "background"
    if "clothing" in changed:
        return "replace"
    if all(name.endswith("_color") or name == "skin" for name in changed):
        return "color"
    return "attribute"
