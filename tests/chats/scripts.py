"""Random conversations in ordinary words, and the portrait each should end with."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from editing_core.portraits.schema import VALUES, Portrait, draws

MESSAGES = 6

SAID: dict[str, tuple[str, ...]] = {
    "hair": ("give {them} {a} {hair}", "change {their} hair to {a} {hair}", "I want {a} {hair}"),
    "hair_color": ("dye {their} hair {value}", "make the hair {value}", "{value} hair, please"),
    "headwear": ("put {a} {value} on {them}", "add {a} {value}", "{they} should wear {a} {value}"),
    "headwear_color": ("make the {headwear} {value}", "the {headwear} should be {value}"),
    "eyewear": ("add {a} {value}", "give {them} {a} {value}", "{they} should wear {a} {value}"),
    "eyewear_color": ("make the {eyewear} {value}", "I'd like the {eyewear} to be {value}"),
    "facial_hair": ("give {them} {a} {value}", "add {a} {value}", "let {them} have {a} {value}"),
    "earrings": ("add earrings", "give {them} earrings", "put earrings on {them}"),
    "neckwear": ("add {a} {value}", "give {them} {a} {value}", "put {a} {value} on {them}"),
    "neckwear_color": ("make the scarf {value}", "change the scarf to {value}"),
    "clothing": ("dress {them} in {a} {value}", "change the clothes to {a} {value}",
                 "{they} should wear {a} {value}"),
    "clothing_color": ("make the {clothing} {value}", "turn the {clothing} {value}"),
    "background": ("change the background to {value}", "make the background {value}",
                   "I want a {value} background"),
}  # fmt: skip
"""How people ask for a value; some values have words of their own."""

OWN: dict[tuple[str, str], tuple[str, ...]] = {
    ("age", "old"): ("make {them} older", "make {them} look old", "an older {person}, please"),
    ("age", "young"): ("make {them} younger", "make {them} look young"),
    ("expression", "smiling"): ("make {them} smile", "{they} should look happy"),
    ("expression", "serious"): ("make {them} look serious", "a serious face, please"),
    ("expression", "sad"): ("make {them} sad", "{they} should look sad"),
    ("expression", "surprised"): ("make {them} look surprised", "{they} should be surprised"),
    ("expression", "angry"): ("make {them} angry", "{they} should look angry"),
    ("expression", "winking"): ("make {them} wink", "let {them} wink"),
    ("headwear", "none"): ("remove the {headwear}", "take off the {headwear}", "no {headwear}"),
    ("eyewear", "none"): ("take off the {eyewear}", "remove the {eyewear}"),
    ("facial_hair", "none"): ("shave off the {facial_hair}", "remove the {facial_hair}"),
    ("earrings", "none"): ("take out the earrings", "remove the earrings"),
    ("neckwear", "none"): ("take off the {neckwear}", "remove the {neckwear}"),
    ("pattern", "plain"): ("make the {clothing} plain", "no pattern on the {clothing}"),
    ("pattern", "striped"): ("make the {clothing} striped", "add stripes to the {clothing}"),
    ("pattern", "dotted"): ("add polka dots to the {clothing}", "a dotted {clothing}, please"),
    ("hair", "bald"): ("make {them} bald", "shave {their} head"),
    ("background", "beach"): ("put {them} on a beach", "a beach in the background, please"),
    ("background", "city"): ("put {them} in a city", "a city behind {them}"),
    ("background", "forest"): ("put {them} in a forest", "a forest in the background"),
    ("background", "snowy"): ("put {them} in the snow", "make the background snowy"),
    ("background", "night"): ("make it night", "a night background, please"),
}
_HAIR = {"short": "short hair", "long": "long hair", "curly": "curly hair", "wavy": "wavy hair"}
_PLURAL = ("hair", "glasses", "dreadlocks", "overalls")
_UNDO = ("undo that", "take that back", "no, undo the last one")


@dataclass(frozen=True)
class Script:
    """What is said, from which portrait on, and what should come of it."""

    start: Portrait
    messages: tuple[str, ...]
    asked: dict[str, str]
    """Attribute -> value, of what was asked for and not taken back."""
    kept: dict[str, str]
    """The same of what nobody asked to change."""


def scripts(count: int) -> list[Script]:
    """The first `count` conversations; always the same."""
    portraits = islice(draws("eval", 31), count)
    return [_script(start, random.Random(f"script {i}")) for i, start in enumerate(portraits)]


def _script(start: Portrait, rng: random.Random) -> Script:
    messages: list[str] = []
    undone = rng.randrange(2, MESSAGES)
    names = _different(rng)
    states = [(start, frozenset[str]())]
    for number in range(MESSAGES):
        if number == undone:
            states.pop()
            messages.append(rng.choice(_UNDO))
            continue
        (now, asked), said = states[-1], list[str]()
        for _ in range(2 if rng.random() < 0.25 else 1):
            now, name, words = _edit(now, names, rng)
            asked |= {name}
            said.append(words)
        states.append((now, asked))
        messages.append(rng.choice((" and ", ", then ")).join(said))
    return _script_of(start, messages, *states[-1])


def _script_of(
    start: Portrait, messages: list[str], end: Portrait, asked: frozenset[str]
) -> Script:
    before, after = start.attributes.visible(), end.attributes.visible()
    follows = {f"{name}_color" for name in asked} | ({"hair_color"} if "age" in asked else set())
    return Script(
        start,
        tuple(messages),
        asked={name: after[name] for name in VALUES if name in asked and name in after},
        kept={
            name: value
            for name, value in after.items()
            if before.get(name) == value and name not in asked | follows
        },
    )


def _different(rng: random.Random) -> Iterator[str]:
    while True:
        names = [name for name in VALUES if name not in ("gender", "skin")]
        rng.shuffle(names)
        yield from names


def _edit(now: Portrait, names: Iterator[str], rng: random.Random) -> tuple[Portrait, str, str]:
    """Choose something that can be seen to change, and say it."""
    while True:
        name = next(names)
        visible = now.attributes.visible()
        value = rng.choice(VALUES[name])
        then = now.with_(**{name: value})
        seen = then.attributes.visible()
        woman = now.attributes.gender == "woman"
        if seen.get(name) in (None, visible.get(name)) or (name == "facial_hair" and woman):
            continue
        if name == "hair_color" and (visible.get("age") == "old" or "hair" not in visible):
            continue
        return then, name, _words(name, value, visible, woman, rng)


def _words(name: str, value: str, visible: dict[str, str], woman: bool, rng: random.Random) -> str:
    form = rng.choice(OWN.get((name, value)) or SAID[name])
    noun = _HAIR.get(value, value) if name == "hair" else value
    return " ".join(
        form.format(
            **{key: visible.get(key, "") for key in VALUES if key != "hair"},
            value=value,
            hair=noun,
            a="" if noun.endswith(_PLURAL) else "an" if noun[0] in "aeiou" else "a",
            them="her" if woman else "him",
            they="she" if woman else "he",
            their="her" if woman else "his",
            person=visible["gender"],
        ).split()
    )
