"""The drawing style: avataaars, with headwear on top of hair and some strokes of our own.

The library's style is data (components x variants of SVG elements). We derive one from it in
which headwear is a layer of its own over the hair, so that a hat can be put on and taken off
without losing the hair, clothes have patterns, and there is more to wear and to see (`strokes`).
"""

from __future__ import annotations

import copy
import io
import json
from functools import cache
from importlib.resources import files
from typing import Any

from PIL import Image

from editing_core.portraits import strokes

VARIANTS: dict[str, dict[str, Any]] = {
    "hair": {
        "short": ("shortFlat", "shortWaved"),
        "bob": ("bob", "miaWallace"),
        "long": ("straight01", "straight02"),
        "curly": ("curly",),
        "wavy": ("curvy",),
        "bun": ("bun",),
        "quiff": ("frizzle",),
        "dreadlocks": ("dreads",),
        "afro": ("fro",),
        "bald": ("none",),
    },
    "facial_hair": {
        "none": (),
        "beard": ("beardMedium", "beardMajestic"),
        "moustache": ("moustacheMagnum", "moustacheFancy"),
    },
    "headwear": {
        "hat": "hat",
        "beanie": "winterHat03",
        "fur hat": "winterHat1",
        "cap": "cap",
        "crown": "crown",
        "party hat": "partyHat",
    },
    "eyewear": {
        "glasses": "prescription02",
        "round glasses": "round",
        "sunglasses": "sunglasses",
        "eyepatch": "eyepatch",
    },
    "clothing": {
        "t-shirt": "shirtCrewNeck",
        "hoodie": "hoodie",
        "sweater": "collarAndSweater",
        "overalls": "overall",
        "blazer": "blazerAndShirt",
    },
}
"""Our words for the library's variants; where there are several, identity chooses."""

EXPRESSIONS: dict[str, tuple[str, str | None, str | None]] = {
    "smiling": ("smile", None, None),
    "serious": ("serious", None, None),
    "sad": ("sad", None, "sadConcernedNatural"),
    "surprised": ("screamOpen", "surprised", "raisedExcited"),
    "angry": ("grimace", None, "angry"),
    "winking": ("twinkle", "wink", None),
}
"""Mouth, eyes and brows of an expression; None leaves them to the person."""

_LAYERS = {  # our components, and the layer of the original that each is drawn just before
    "scene": None,
    "graphic": "mouth",
    "neckwear": "mouth",
    "lashes": "eyes",
    "wrinkles": "eyes",
    "freckles": "eyes",
    "mole": "eyes",
    "headwear": "facialHair",
    "earrings": "facialHair",
}


def avatar_svg(options: dict[str, Any]) -> str:
    """The SVG text of one avatar; `options` are the drawing library's own."""
    from dicebear import Avatar

    return str(Avatar(_style(), options).to_string())


def rasterised(svg: str, size: int) -> Image.Image:
    """An RGB picture of `size` x `size` pixels; what is transparent becomes white."""
    import resvg_py

    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size))
    drawn = Image.open(io.BytesIO(png)).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", drawn.size, "white"), drawn).convert("RGB")


@cache
def _style() -> Any:
    from dicebear import Style

    definition = json.loads(files("dicebear_styles").joinpath("avataaars.json").read_text("utf-8"))
    return Style(derive(definition))


def derive(definition: dict[str, Any]) -> dict[str, Any]:
    """Our style from the original definition; the original is left as it was."""
    style = copy.deepcopy(definition)
    components, canvas = style["components"], style["canvas"]["elements"]
    style["colors"] |= {"scarf": {"values": ["#d9382f"]}, "ink": {"values": ["#ffffff"]}}

    tops = components["top"]["variants"]
    hats = {name: tops[name] for name in VARIANTS["headwear"].values() if name in tops}
    tops["none"] = {"elements": []}
    graphics = components.pop("clothesGraphic")["variants"]
    del components["clothes"]["variants"]["graphicShirt"]
    components["clothes"]["variants"] = {
        name + pattern.title(): _patterned(components["clothes"]["variants"][name], pattern)
        for name in VARIANTS["clothing"].values()
        for pattern in ("plain", *strokes.PATTERNS)
    }
    ours = strokes.components()
    ours["headwear"] |= {
        name: _group(hat["elements"], "translate(8)") for name, hat in hats.items()
    }
    ours["graphic"] = {
        name: _group(graphic["elements"], strokes.GRAPHIC_AT) for name, graphic in graphics.items()
    }
    for name, before in _LAYERS.items():
        components[name] = _component(ours[name])
        names = [element.get("name") for element in canvas]
        canvas.insert(names.index(before) if before else 0, _layer(name))
    return style


def _patterned(variant: dict[str, Any], pattern: str) -> dict[str, Any]:
    """A garment whose cloth, its first coloured path, is covered with a pattern."""
    elements = variant["elements"]
    if pattern == "plain":
        return variant
    cloth = {"type": "color", "name": "clothes"}
    at = next(i for i, e in enumerate(elements) if e["attributes"].get("fill") == cloth)
    shape = elements[at]["attributes"]["d"]
    return {
        "elements": [*elements[: at + 1], *strokes.pattern(pattern, shape), *elements[at + 1 :]]
    }


def _group(elements: list[dict[str, Any]], transform: str) -> list[dict[str, Any]]:
    return [strokes.element("g", elements, transform=transform)]


def _component(variants: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        "width": 280,
        "height": 280,
        "probability": 0,
        "variants": {name: {"elements": elements} for name, elements in variants.items()},
    }


def _layer(name: str) -> dict[str, Any]:
    return {"name": name, "type": "component", "attributes": {"transform": "translate(0)"}}
