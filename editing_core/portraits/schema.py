"""The portraits: a small world of drawn people in which every answer is known.

A `Portrait` has two parts. Its *attributes* are what captions may name (age, hair, headwear ...).
Its *identity* is what no caption ever names (pose, size, eyes, brows, freckles, the exact cut of
the hair, exact shades): an editor has to carry it through from the picture itself, which is what
makes this world a test of editing rather than of drawing.

Changing one attribute with `Portrait.with_` gives an exact before/after pair and, through
`change_mask`, the exact region that may change.

The faces are Pablo Stanley's "avataaars" (free for personal and commercial use).
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from editing_core.portraits.palette import BACKDROP, HAIR, PAINT, SKIN, shade
from editing_core.portraits.renderer import EXPRESSIONS, OURS, VARIANTS, render
from editing_core.portraits.strokes import SCENES

SIZE = 128  # pixels of a side, unless asked for otherwise
COLORS = ("red", "blue", "green", "yellow", "black", "white", "pink", "purple")

VALUES: dict[str, tuple[str, ...]] = {
    "gender": ("woman", "man"),
    "age": ("young", "old"),
    "hair": ("short", "bob", "long", "curly", "wavy", "bun", "quiff", "dreadlocks", "afro", "bald"),
    "hair_color": ("black", "brown", "blonde", "red", "gray", "pink", "blue", "green"),
    "skin": ("light", "tan", "brown", "dark"),
    "headwear": ("none", "hat", "beanie", "fur hat", "cap", "crown", "party hat"),
    "headwear_color": COLORS,
    "eyewear": ("none", "glasses", "round glasses", "sunglasses", "eyepatch"),
    "eyewear_color": COLORS,
    "facial_hair": ("none", "beard", "moustache"),
    "expression": ("smiling", "serious", "sad", "surprised", "angry", "winking"),
    "earrings": ("none", "earrings"),
    "neckwear": ("none", "scarf", "necklace"),
    "neckwear_color": COLORS,
    "clothing": ("t-shirt", "hoodie", "sweater", "overalls", "blazer"),
    "clothing_color": COLORS,
    "pattern": ("plain", "striped", "dotted"),
    "background": (
        *("red", "blue", "green", "yellow", "gray", "white", "pink", "purple"),
        *("beach", "city", "forest", "snowy", "night"),
    ),
}
"""Every attribute and the values it may take. Values are the words captions use."""

EYES = ("default", "happy", "side", "squint", "eyeRoll", "closed")
BROWS = ("default", "defaultNatural", "flatNatural", "raisedExcitedNatural", "upDownNatural")
MOLES = ("none", "left", "right", "chin")
PRINTS = ("none", "bat", "bear", "diamond", "pizza", "skull")
CUTS = (0, 1)
COVERING = ("hat", "beanie", "fur hat", "cap")
"""Headwear that hides the hair beneath; a crown or a party hat sits on top of it."""


@dataclass(frozen=True)
class Attributes:
    """What a caption may name; the words allowed for each field are in `VALUES`."""

    gender: str = "woman"
    age: str = "young"
    hair: str = "bob"
    hair_color: str = "brown"
    skin: str = "light"
    headwear: str = "none"
    headwear_color: str = "red"
    eyewear: str = "none"
    eyewear_color: str = "black"
    facial_hair: str = "none"
    expression: str = "smiling"
    earrings: str = "none"
    neckwear: str = "none"
    neckwear_color: str = "red"
    clothing: str = "t-shirt"
    clothing_color: str = "blue"
    pattern: str = "plain"
    background: str = "green"

    def __post_init__(self) -> None:
        """Refuse values the world cannot draw; old people have gray hair."""
        for name, allowed in VALUES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} cannot be {getattr(self, name)!r}; choose one of {', '.join(allowed)}"
                )
        if self.age == "old":
            object.__setattr__(self, "hair_color", "gray")

    def visible(self) -> dict[str, str]:
        """The attributes a picture shows.

        A bald head has no hair colour, what is not worn has no colour, and a hat hides hair that
        is short, tied up or not there.
        """
        shown = {f.name: getattr(self, f.name) for f in fields(self)}
        hidden = self.headwear in COVERING and self.hair in ("short", "quiff", "bun", "bald")
        if hidden:
            del shown["hair"]
        if (hidden or self.hair == "bald") and self.facial_hair == "none":
            del shown["hair_color"]
        if self.headwear == "none":
            del shown["headwear_color"]
        if self.eyewear == "none":
            del shown["eyewear_color"]
        if self.neckwear != "scarf":
            del shown["neckwear_color"]
        return shown


@dataclass(frozen=True)
class Identity:
    """What no caption names and every edit must keep.

    Shades are (hue, saturation, value) offsets within the named colour; `shift` is a fraction of
    the picture's side, `scale` a factor, `tilt` in degrees. `cut` says which of two ways the hair,
    the beard or the moustache is cut; `print` is what a t-shirt shows.
    """

    shift: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    tilt: float = 0.0
    mirrored: bool = False
    eyes: str = "default"
    brows: str = "default"
    mole: str = "none"
    freckles: bool = False
    cut: int = 0
    print: str = "none"
    shades: dict[str, tuple[float, float, float]] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Portrait:
    """One drawn person: what can be named, and what makes this person this person."""

    attributes: Attributes = Attributes()
    identity: Identity = Identity()

    def with_(self, **changes: str) -> Portrait:
        """The same person with some attributes changed, e.g. `with_(age="old")`."""
        return replace(self, attributes=replace(self.attributes, **changes))


def held_out(attributes: Attributes) -> bool:
    """Whether this combination of colours is kept for evaluation: one in ten is."""
    key = f"{attributes.hair_color}|{attributes.clothing_color}|{attributes.background}"
    return zlib.crc32(key.encode()) % 10 == 0


def draws(split: str, seed: int = 0) -> Iterator[Portrait]:
    """Endless random portraits of a split; "train" and "eval" share no seed and no combination."""
    if split not in ("train", "eval"):
        raise ValueError(f"a split is 'train' or 'eval', not {split!r}")
    rng = random.Random(f"{split} {seed}")
    while True:
        portrait = sample(rng)
        if held_out(portrait.attributes) == (split == "eval"):
            yield portrait


def sample(rng: random.Random, *, wander: float = 1.0) -> Portrait:
    """Draw a random portrait; `wander` in [0, 1] scales how far identities stray."""
    attributes = {name: rng.choice(values) for name, values in VALUES.items()}
    attributes["age"] = "old" if rng.random() < 0.35 else "young"
    for name, share in _WORN.items():
        if rng.random() > share:
            attributes[name] = VALUES[name][0]
    if attributes["gender"] == "woman":
        attributes["facial_hair"] = "none"
    if attributes["hair"] == "bald" and rng.random() < 0.5:
        attributes["hair"] = rng.choice(VALUES["hair"])
    if attributes["eyewear_color"] != "black" and rng.random() < 0.5:
        attributes["eyewear_color"] = "black"
    return Portrait(Attributes(**attributes), _someone(rng, wander))


_WORN = {
    "headwear": 0.5,
    "eyewear": 0.45,
    "facial_hair": 0.5,
    "earrings": 0.6,
    "neckwear": 0.5,
    "pattern": 0.6,
}
"""How often what may be absent is not made absent at once."""


def _someone(rng: random.Random, wander: float) -> Identity:
    shades = {
        part: (
            rng.uniform(-wander, wander) * 0.015,
            rng.uniform(-wander, wander) * 0.11,
            rng.uniform(-wander, wander) * 0.09,
        )
        for part in ("hair", "skin", "clothing", "headwear", "eyewear", "neckwear", "background")
    }
    return Identity(
        shift=(rng.uniform(-0.05, 0.05) * wander, rng.uniform(-0.01, 0.05) * wander),
        scale=1 + rng.uniform(-0.07, 0.08) * wander,
        tilt=rng.uniform(-5, 5) * wander,
        mirrored=rng.random() < 0.5 * wander,
        eyes=rng.choice(EYES),
        brows=rng.choice(BROWS),
        mole=rng.choice(MOLES),
        freckles=rng.random() < 0.3,
        cut=rng.choice(CUTS),
        print=rng.choice(PRINTS),
        shades=shades,
    )


def draw(portrait: Portrait, size: int = SIZE) -> Image.Image:
    """Draw a portrait as an RGB picture of `size` x `size` pixels."""
    return render(OURS, _options(portrait), size)


def change_mask(before: Portrait, after: Portrait, size: int = SIZE) -> NDArray[np.bool_]:
    """Pixels (size, size) that differ between two exact drawings by more than 8 of 255."""
    a, b = (np.asarray(draw(p, size), dtype=np.int16) for p in (before, after))
    return np.asarray(np.abs(a - b).max(axis=2) > 8)


def _options(portrait: Portrait) -> dict[str, Any]:
    """The drawing library's options for a portrait; every choice is made, none left to chance."""
    a, identity = portrait.attributes, portrait.identity
    mouth, eyes, brows = EXPRESSIONS[a.expression]
    facial_hair = _cut(VARIANTS["facial_hair"][a.facial_hair], identity)
    printed = a.clothing == "t-shirt" and a.pattern == "plain" and identity.print != "none"
    parts: dict[str, str | None] = {
        "scene": a.background if a.background in SCENES else None,
        "top": _cut(VARIANTS["hair"][a.hair], identity),
        "headwear": VARIANTS["headwear"].get(a.headwear),
        "accessories": VARIANTS["eyewear"].get(a.eyewear),
        "facialHair": facial_hair if a.facial_hair == "beard" else None,
        "moustache": facial_hair if a.facial_hair == "moustache" else None,
        "mouth": mouth + ("Painted" if a.gender == "woman" else ""),
        "clothes": VARIANTS["clothing"][a.clothing] + a.pattern.title(),
        "graphic": identity.print if printed else None,
        "eyes": eyes or identity.eyes,
        "eyebrows": brows or identity.brows,
        "nose": "default",
        "lashes": "default" if a.gender == "woman" else None,
        "stubble": "default" if a.gender == "man" else None,
        "wrinkles": "default" if a.age == "old" else None,
        "freckles": "default" if identity.freckles else None,
        "mole": identity.mole if identity.mole != "none" else None,
        "earrings": "default" if a.earrings != "none" else None,
        "neckwear": a.neckwear if a.neckwear != "none" else None,
    }
    options: dict[str, Any] = {"seed": "palimpsest", "scale": identity.scale}
    for part, variant in parts.items():
        options[f"{part}Probability"] = 0 if variant is None else 100
        if variant is not None:
            options[f"{part}Variant"] = variant
    options |= {
        **_colors(a, identity.shades),
        "flip": "horizontal" if identity.mirrored else "none",
        "rotate": identity.tilt,
        "translateX": 100 * identity.shift[0],
        "translateY": 100 * identity.shift[1],
    }
    return options


def _colors(a: Attributes, shades: dict[str, tuple[float, float, float]]) -> dict[str, list[str]]:
    hair = shade(HAIR[a.hair_color], shades.get("hair"))
    return {
        "hairColor": [hair],
        "facialHairColor": [hair],
        "skinColor": [shade(SKIN[a.skin], shades.get("skin"))],
        "hatColor": [shade(PAINT[a.headwear_color], shades.get("headwear"))],
        "clothesColor": [shade(PAINT[a.clothing_color], shades.get("clothing"))],
        "accessoriesColor": [shade(PAINT[a.eyewear_color], shades.get("eyewear"))],
        "inkColor": ["#2b2d33" if a.clothing_color == "white" else "#ffffff"],
        "scarfColor": [shade(PAINT[a.neckwear_color], shades.get("neckwear"))],
        "backgroundColor": [shade(BACKDROP[a.background], shades.get("background"))],
    }


def _cut(variants: tuple[str, ...], identity: Identity) -> str | None:
    return variants[identity.cut % len(variants)] if variants else None
