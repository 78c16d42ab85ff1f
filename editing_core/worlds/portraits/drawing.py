"""Draw portraits at any size, on canvases of any shape, wherever in them.

`draw` places a person (`figure`) before a backdrop (`backdrops`). Where and how large, a `Place`
says; it is part of what no caption names, like pose and shades. The same person at the same place
with one attribute changed differs only where that attribute shows.
"""

from __future__ import annotations

import io
import random
from dataclasses import dataclass

import numpy as np
import resvg_py
from numpy.typing import NDArray
from PIL import Image

from editing_core.portraits.palette import BACKDROP, shade
from editing_core.portraits.schema import Portrait
from editing_core.worlds.portraits.backdrops import UNITS, backdrop
from editing_core.worlds.portraits.figure import person

SIZE = 256  # pixels of a side, unless asked for otherwise
WINDOW = 258.0  # units of a person that fill the shorter side at scale 1
TOP = -9.0  # the unit at the window's upper edge
STAND = 262.0  # the unit at the canvas's lower edge of a small portrait


@dataclass(frozen=True)
class Place:
    """Where on a canvas a person is.

    Attributes:
        scale: of the person; at 1 a head and shoulders fill the shorter side.
        x: from -1 (at the left edge) over 0 (centred) to 1.
        y: 0 stands at the bottom edge, 1 is as high as the shoulders allow.
    """

    scale: float = 1.0
    x: float = 0.0
    y: float = 0.0


FILLING = Place()
"""In the middle, and as large as the canvas allows."""


def draw(
    portrait: Portrait, size: int | tuple[int, int] = SIZE, place: Place = FILLING
) -> Image.Image:
    """Draw a portrait as an RGB picture.

    Args:
        portrait: who, and what they wear.
        size: pixels of both sides, or (width, height).
        place: where in the picture.
    """
    width, height = (size, size) if isinstance(size, int) else size
    png = bytes(
        resvg_py.svg_to_bytes(
            svg_string=markup(portrait, width, height, place), width=width, height=height
        )
    )
    return Image.open(io.BytesIO(png)).convert("RGB")


def markup(portrait: Portrait, width: int, height: int, place: Place = FILLING) -> str:
    """The picture as SVG."""
    a, identity = portrait.attributes, portrait.identity
    wide, tall = _units(width, height)
    x, y, factor = _standing(portrait, width, height, place)
    color = shade(BACKDROP[a.background], identity.shades.get("background"))
    behind = backdrop(a.background, color, wide, tall, (x, y - 14 * factor, 112 * factor))
    if identity.mirrored and a.background in _SCENES:
        behind = f'<g transform="translate({wide:.1f} 0) scale(-1 1)">{behind}</g>'
    return _framed(portrait, width, height, place, behind, person(portrait))


def _framed(
    portrait: Portrait, width: int, height: int, place: Place, behind: str, person: str
) -> str:
    """What is on the canvas, and in front of it what moves with a person."""
    wide, tall = _units(width, height)
    x, y, factor = _standing(portrait, width, height, place)
    side = -1 if portrait.identity.mirrored else 1
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {wide:.2f} {tall:.2f}" preserveAspectRatio="none">{behind}'
        f'<g transform="translate({x:.2f} {y:.2f}) scale({side * factor:.4f} {factor:.4f}) '
        f'rotate({portrait.identity.tilt:.2f}) translate(-140 -140)">{person}</g></svg>'
    )


def _units(width: int, height: int) -> tuple[float, float]:
    short = min(width, height)
    return UNITS * width / short, UNITS * height / short


def _standing(
    portrait: Portrait, width: int, height: int, place: Place
) -> tuple[float, float, float]:
    """Where a person's middle is on the canvas, and how large the person is."""
    identity = portrait.identity
    wide, tall = _units(width, height)
    factor = UNITS / WINDOW * place.scale * identity.scale
    x, y = _middle(wide, tall, factor, place)
    x += identity.shift[0] * UNITS * place.scale
    y += (identity.shift[1] - 0.02) * UNITS * place.scale
    return x, y, factor


_SCENES = ("beach", "city", "forest", "snowy", "night")


def _middle(wide: float, tall: float, factor: float, place: Place) -> tuple[float, float]:
    """Where on the canvas a person's middle, the unit (140, 140), is."""
    room = max(0.0, wide - 200 * factor) / 2
    x = wide / 2 + place.x * room
    lowest = tall - (STAND - 140) * factor
    framed = (140 - TOP) * factor  # all of the head, headwear included
    if framed >= lowest:
        return x, framed
    highest = max(framed, tall - 225 * factor)
    return x, lowest + place.y * (highest - lowest)


def random_place(rng: random.Random, width: int, height: int) -> Place:
    """A random place: most people fill the canvas, a third are smaller and off centre."""
    longer = max(width, height) / min(width, height)
    if rng.random() < 0.62:
        scale = rng.uniform(0.95, 1.05) * (1 + 0.1 * (longer - 1) * (height > width))
        return Place(scale, rng.uniform(-1, 1) if width > height else 0.0, rng.random() * 0.4)
    return Place(rng.uniform(0.5, 0.9), rng.uniform(-0.9, 0.9), rng.random())


def change_mask(
    before: Portrait,
    after: Portrait,
    size: int | tuple[int, int] = SIZE,
    place: Place = FILLING,
) -> NDArray[np.bool_]:
    """Pixels (height, width) that differ between two exact drawings by more than 8 of 255."""
    a, b = (np.asarray(draw(p, size, place), dtype=np.int16) for p in (before, after))
    return np.asarray(np.abs(a - b).max(axis=2) > 8)


def face_mask(
    portrait: Portrait, size: int | tuple[int, int] = SIZE, place: Place = FILLING
) -> NDArray[np.bool_]:
    """Pixels (height, width) of the face: an oval from the brows to the chin, without hair."""
    width, height = (size, size) if isinstance(size, int) else size
    oval = '<ellipse cx="140" cy="133" rx="46" ry="47" fill="black"/>'
    svg = _framed(portrait, width, height, place, "", oval)
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=width, height=height))
    return np.asarray(np.asarray(Image.open(io.BytesIO(png)))[..., 3] > 127)
