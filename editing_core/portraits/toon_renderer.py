"""The same people in another style, "toon-head" by Johan Melin (CC BY 4.0), never trained on.

It shows how much of what the shipped model does is editing, and how much is knowing the drawings.
"""

from __future__ import annotations

from typing import Any

from PIL import Image

from editing_core.portraits.palette import BACKDROP, HAIR, PAINT, SKIN, shade
from editing_core.portraits.renderer import render
from editing_core.portraits.schema import SIZE, Portrait

SHOWN = {
    "hair": ("short", "bob", "long", "wavy", "bun", "quiff"),
    "hair_color": tuple(HAIR),
    "skin": tuple(SKIN),
    "facial_hair": ("none", "beard", "moustache"),
    "expression": ("smiling", "sad", "surprised", "angry", "winking"),
    "clothing": ("t-shirt", "sweater", "blazer"),
    "clothing_color": tuple(PAINT),
    "background": tuple(name for name in BACKDROP if name in (*PAINT, "gray")),
}
"""The attributes that this style can show, and which of their values."""

_HAIR = {
    "short": ("undercut", None),
    "bob": ("sideComed", "shoulderHigh"),
    "long": ("sideComed", "longStraight"),
    "wavy": ("sideComed", "longWavy"),
    "bun": ("bun", None),
    "quiff": ("spiky", None),
}
_FACE = {
    "smiling": ("smile", "happy", "wide"),
    "sad": ("sad", "sad", "humble"),
    "surprised": ("agape", "raised", "wide"),
    "angry": ("angry", "angry", "wide"),
    "winking": ("smile", "happy", "wink"),
}
_BEARD = {"none": None, "beard": "fullBeard", "moustache": "moustacheTwirl"}
_CLOTHES = {"t-shirt": "tShirt", "sweater": "turtleNeck", "blazer": "openJacket"}


def draw_toon(portrait: Portrait, size: int = SIZE) -> Image.Image:
    """Draw a portrait whose attributes are all in `SHOWN`, as an RGB picture of `size` pixels."""
    a, identity = portrait.attributes, portrait.identity
    front, rear = _HAIR[a.hair]
    mouth, brows, eyes = _FACE[a.expression]
    parts = {
        "hair": front,
        "rearHair": rear,
        "beard": _BEARD[a.facial_hair],
        "mouth": mouth,
        "eyebrows": brows,
        "eyes": eyes,
        "clothes": _CLOTHES[a.clothing],
    }
    shades = identity.shades
    options: dict[str, Any] = {
        "seed": "palimpsest",
        "hairColor": [shade(HAIR[a.hair_color], shades.get("hair"))],
        "skinColor": [shade(SKIN[a.skin], shades.get("skin"))],
        "clothesColor": [shade(PAINT[a.clothing_color], shades.get("clothing"))],
        "backgroundColor": [shade(BACKDROP[a.background], shades.get("background"))],
        "flip": "horizontal" if identity.mirrored else "none",
    }
    for part, variant in parts.items():
        options[f"{part}Probability"] = 0 if variant is None else 100
        options |= {f"{part}Variant": variant} if variant else {}
    return render("toon-head", options, size)
