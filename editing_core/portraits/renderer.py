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

Elements = list[dict[str, Any]]

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
    "winking": ("tongue", "wink", None),
}
"""Mouth, eyes and brows of an expression; None leaves them to the person."""

_LAYERS = {  # our components, and the layer of the original that each is drawn just before
    "scene": None,
    "graphic": "nose",
    "neckwear": "nose",
    "stubble": "nose",
    "lashes": "eyes",
    "wrinkles": "eyes",
    "freckles": "eyes",
    "mole": "eyes",
    "headwear": "facialHair",
    "earrings": "facialHair",
    "moustache": "accessories",
}


_LARGER = {"eyes": (1.3, 140, 114), "eyebrows": (1.25, 140, 102), "accessories": (1.06, 140, 112)}
"""Layers drawn larger than in the original, so that small pictures show them: factor, centre."""

_MOUTHS = {
    **{"serious": 1.5, "sad": 1.5},
    **{"smile": 1.3, "tongue": 1.2, "grimace": 1.15, "screamOpen": 1.1},
}
"""The mouths of our expressions, and how much larger than in the original they are drawn."""


OURS = "avataaars"
"""The library's style that ours is derived from."""


def render(style: str, options: dict[str, Any], size: int) -> Image.Image:
    """Draw one avatar as an RGB picture of `size` x `size` pixels; what is transparent gets white.

    Args:
        style: `OURS`, or the name of any other style of the library.
        options: The drawing library's own.
        size: Pixels of a side.
    """
    import resvg_py
    from dicebear import Avatar

    svg = Avatar(_style(style), options).to_string()
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size))
    avatar = Image.open(io.BytesIO(png)).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", avatar.size, "white"), avatar).convert("RGB")


@cache
def _style(name: str) -> Any:
    from dicebear import Style

    file = files("dicebear_styles").joinpath(f"{name}.json")
    definition = json.loads(file.read_text("utf-8"))
    return Style(derive(definition) if name == OURS else definition)


def derive(definition: dict[str, Any]) -> dict[str, Any]:
    """Our style from the original definition; the original is left as it was."""
    style = copy.deepcopy(definition)
    components, canvas = style["components"], style["canvas"]["elements"]
    style["colors"] |= {"scarf": {"values": ["#d9382f"]}, "ink": {"values": ["#ffffff"]}}
    ours = strokes.components() | {"graphic": _graphics(components)}
    ours["headwear"] |= _hats(components["top"]["variants"])
    ours["moustache"] = _moustaches(components["facialHair"]["variants"])
    _dress(components["clothes"])
    _enlarge(components, canvas)
    for name, before in _LAYERS.items():
        components[name] = _component(ours[name])
        names = [element.get("name") for element in canvas]
        canvas.insert(names.index(before) if before else 0, _layer(name))
    return style


def _hats(tops: dict[str, Any]) -> dict[str, Elements]:
    """Hats, taken out of what may be on a head, which now may be nothing."""
    tops["none"] = {"elements": []}
    names = [name for name in VARIANTS["headwear"].values() if name in tops]
    return {name: _group(tops[name]["elements"], "translate(8)") for name in names}


def _moustaches(beards: dict[str, Any]) -> dict[str, Elements]:
    """Moustaches, which unlike beards are drawn over the mouth, close to the nose."""
    outline = {"stroke": "black", "stroke_opacity": ".4", "stroke_width": "2"}
    return {
        name: _group(beards[name]["elements"], "translate(81 93)", **outline)
        for name in VARIANTS["facial_hair"]["moustache"]
    }


def _graphics(components: dict[str, Any]) -> dict[str, Elements]:
    """Prints, taken off the one shirt that had them."""
    graphics = components.pop("clothesGraphic")["variants"]
    return {name: _group(g["elements"], strokes.GRAPHIC_AT) for name, g in graphics.items()}


def _dress(clothes: dict[str, Any]) -> None:
    """Leave only our garments, each plain and in every pattern."""
    clothes["variants"] = {
        name + pattern.title(): _sewn(clothes["variants"][name], name, pattern)
        for name in VARIANTS["clothing"].values()
        for pattern in ("plain", *strokes.PATTERNS)
    }


def _enlarge(components: dict[str, Any], canvas: Elements) -> None:
    """Draw eyes, brows, glasses and mouths larger, and mouths over beards."""
    mouths = components["mouth"]["variants"]
    components["mouth"]["variants"] = {
        name + painted: _mouth(mouths[name]["elements"], factor, painted)
        for name, factor in _MOUTHS.items()
        for painted in ("", "Painted")
    }
    for rim in components["accessories"]["variants"]["round"]["elements"][1:]:
        rim["attributes"] |= {"stroke": rim["attributes"]["fill"], "stroke-width": "3"}
    layers = {layer["name"]: layer for layer in canvas}
    for name, (factor, x, y) in _LARGER.items():
        about = f"translate({x} {y}) scale({factor}) translate({-x} {-y})"
        placed = layers[name]["attributes"]
        placed["transform"] = f"{about} {placed['transform']}"
    canvas.remove(layers["mouth"])
    canvas.insert(canvas.index(layers["facialHair"]) + 1, layers["mouth"])


def _mouth(elements: Elements, factor: float, painted: str) -> dict[str, Any]:
    """A mouth, larger, with painted lips or without."""
    lips = {"stroke": "#d22f56", "stroke-width": "4.5", "stroke-linejoin": "round"}
    behind = [elements[0] | {"attributes": elements[0]["attributes"] | lips}] if painted else []
    about = f"translate(46 14) scale({factor}) translate(-46 -14)"
    return {"elements": _group([*behind, *elements], about)}


def _sewn(variant: dict[str, Any], name: str, pattern: str) -> dict[str, Any]:
    """A garment with a pattern on its cloth, its first coloured path, and with its own details."""
    elements = variant["elements"]
    cloth = {"type": "color", "name": "clothes"}
    at = next(i for i, e in enumerate(elements) if e["attributes"].get("fill") == cloth)
    shape = elements[at]["attributes"]["d"]
    printed = (
        [] if pattern == "plain" else strokes.on_cloth(pattern, strokes.PATTERNS[pattern], shape)
    )
    details = strokes.DETAILS.get(name, [])
    cut = strokes.on_cloth(name, details, shape) if details else []
    return {"elements": [*elements[: at + 1], *printed, *elements[at + 1 :], *cut]}


def _group(elements: Elements, transform: str, **attributes: str) -> Elements:
    return [strokes.element("g", elements, transform=transform, **attributes)]


def _component(variants: dict[str, Elements]) -> dict[str, Any]:
    return {
        "width": 280,
        "height": 280,
        "probability": 0,
        "variants": {name: {"elements": elements} for name, elements in variants.items()},
    }


def _layer(name: str) -> dict[str, Any]:
    return {"name": name, "type": "component", "attributes": {"transform": "translate(0)"}}
