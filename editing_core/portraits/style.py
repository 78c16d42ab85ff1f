"""The drawing style: avataaars, with headwear on top of hair and a few strokes of our own.

The library's style is data (components x variants of SVG elements). We derive one from it in
which headwear is a layer of its own over the hair, so that a hat can be put on and taken off
without losing the hair, and add lashes, wrinkles and moles, which the original lacks.
"""

from __future__ import annotations

import copy
import json
from functools import cache
from importlib.resources import files
from typing import Any

VARIANTS: dict[str, dict[str, str]] = {
    "hair": {
        "short": "shortFlat",
        "bob": "bob",
        "long": "straight01",
        "curly": "curly",
        "bun": "bun",
        "afro": "fro",
        "bald": "none",
    },
    "headwear": {"hat": "hat", "beanie": "winterHat03", "fur hat": "winterHat1"},
    "eyewear": {"glasses": "prescription02", "sunglasses": "sunglasses", "eyepatch": "eyepatch"},
    "facial_hair": {"beard": "beardMedium", "moustache": "moustacheMagnum"},
    "expression": {
        "smiling": "smile",
        "serious": "serious",
        "sad": "sad",
        "surprised": "screamOpen",
    },
    "clothing": {
        "t-shirt": "shirtCrewNeck",
        "hoodie": "hoodie",
        "sweater": "collarAndSweater",
        "overalls": "overall",
        "blazer": "blazerAndShirt",
    },
}
"""Our words for the library's variants."""


def avatar_svg(options: dict[str, Any]) -> str:
    """The SVG text of one avatar; `options` are the drawing library's own."""
    from dicebear import Avatar

    return str(Avatar(_style(), options).to_string())


@cache
def _style() -> Any:
    from dicebear import Style

    definition = json.loads(files("dicebear_styles").joinpath("avataaars.json").read_text("utf-8"))
    return Style(derive(definition))


def derive(definition: dict[str, Any]) -> dict[str, Any]:
    """Our style from the original definition; the original is left as it was."""
    style = copy.deepcopy(definition)
    components, canvas = style["components"], style["canvas"]["elements"]

    hats = {name: components["top"]["variants"][name] for name in VARIANTS["headwear"].values()}
    components["headwear"] = {**components["top"], "variants": hats}
    components["top"]["variants"]["none"] = {"elements": []}
    components["lashes"] = _component({"default": [_stroke(_LASHES, 3), *_BLUSH]})
    components["wrinkles"] = _component({"default": [_stroke(_WRINKLES, 3, opacity=".35")]})
    components["mole"] = _component({name: [_dot(*at)] for name, at in _MOLE_AT.items()})

    names = [element.get("name") for element in canvas]
    canvas.insert(names.index("top") + 1, _layer("headwear", "translate(8)"))
    for name in ("lashes", "wrinkles", "mole"):
        canvas.insert(names.index("eyes"), _layer(name))
    return style


_LASHES = "M105 107l-7-4 M107 103l-5-6 M175 107l7-4 M173 103l5-6"
_WRINKLES = "M112 66q28 -5 56 0 M117 75q23 -4 46 0 M103 121q11 6 20 1 M177 121q-11 6 -20 1"
_BLUSH = [
    {
        "type": "element",
        "name": "ellipse",
        "attributes": {"cx": x, "cy": "134", "rx": "10", "ry": "7", "fill": "#f0506e"}
        | {"fill-opacity": ".35"},
    }
    for x in ("104", "176")
]
_MOLE_AT = {"left": (116, 150), "right": (164, 150), "chin": (152, 179)}


def _component(variants: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        "width": 280,
        "height": 280,
        "probability": 0,
        "variants": {name: {"elements": elements} for name, elements in variants.items()},
    }


def _layer(name: str, transform: str = "translate(0)") -> dict[str, Any]:
    return {"name": name, "type": "component", "attributes": {"transform": transform}}


def _stroke(path: str, width: float, opacity: str = ".75") -> dict[str, Any]:
    attributes = {
        "d": path,
        "fill": "none",
        "stroke": "black",
        "stroke-width": str(width),
        "stroke-linecap": "round",
        "stroke-opacity": opacity,
    }
    return {"name": "path", "type": "element", "attributes": attributes}


def _dot(x: int, y: int) -> dict[str, Any]:
    attributes = {"cx": str(x), "cy": str(y), "r": "3.5", "fill": "black", "fill-opacity": ".6"}
    return {"name": "circle", "type": "element", "attributes": attributes}
