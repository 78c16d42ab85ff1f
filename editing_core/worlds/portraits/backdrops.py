"""Calm backdrops for a canvas of any shape: plain walls with a soft disc, and five simple scenes.

Lengths are in units of which the shorter side of the canvas has 280; scenes repeat sideways, so
that wide and tall canvases are filled.
"""

from __future__ import annotations

import math
from collections.abc import Callable

UNITS = 280.0
"""Units of the shorter side of a canvas."""


def backdrop(name: str, color: str, width: float, height: float, disc: tuple[float, ...]) -> str:
    """Markup that fills a canvas of `width` x `height` units.

    Args:
        name: the background attribute.
        color: its colour, "#rrggbb".
        width: in units.
        height: in units.
        disc: x, y and radius of the soft disc behind a person; scenes have none.
    """
    wall = f'<rect width="{width:.1f}" height="{height:.1f}" fill="{color}"/>'
    scene = _SCENES.get(name)
    if scene is not None:
        return wall + scene(width, height)
    x, y, radius = disc
    tone = ("#000000", 0.035) if name == "white" else ("#ffffff", 0.22)
    return wall + _dot(x, y, radius, *tone)


def _beach(width: float, height: float) -> str:
    sea, sand = 0.56 * height, 0.8 * height
    waves = "".join(
        _line(f"M{x:.0f} {sea + dy:.0f}h{length}", 3, "#ffffff", 0.5)
        for dy, length, start in ((14, 46, 12), (34, 30, 70), (52, 52, -30))
        for x in _along(width, 120, start)
    )
    return (
        _dot(0.17 * width, 0.17 * height, 26, "#fff1c4", 1)
        + _area(f"M0 {sea:.1f}H{width:.1f}V{height:.1f}H0Z", "#7cc0de")
        + waves
        + _area(_swell(width, height, sand, 6, 260), "#f3dfb4")
    )


def _city(width: float, height: float) -> str:
    far = ((0, 150, 46), (46, 186, 40), (86, 132, 44), (130, 170, 38), (168, 144, 46))
    near = ((-18, 112, 48), (34, 84, 44), (82, 132, 42), (128, 96, 50))
    houses = ""
    for blocks, step, start, color in ((far, 214, -20, "#ccd5e2"), (near, 196, 10, "#b3c0d2")):
        for x in _along(width, step, start):
            for left, top, wide in blocks:
                houses += _block(x + left, height - top, wide, height, color)
                if blocks is near:
                    houses += _windows(x + left, height - top, wide, height)
    return houses


def _block(x: float, y: float, wide: float, height: float, color: str) -> str:
    return _area(f"M{x:.1f} {y:.1f}h{wide}V{height + 1:.1f}h-{wide}z", color)


def _windows(x: float, y: float, wide: float, height: float) -> str:
    rows = "".join(f"M{x + 9:.1f} {row:.1f}h{wide - 16}" for row in _steps(y + 14, height, 22))
    return (
        f'<path d="{rows}" fill="none" stroke="#f4ebcd" stroke-width="7" stroke-dasharray="6 8"/>'
    )


def _forest(width: float, height: float) -> str:
    return (
        _area(_swell(width, height, 0.5 * height, 16, 300), "#b9d9a9")
        + "".join(
            _fir(x, 0.34 * height + dy, 0.3 * height + 40, "#8fc08d")
            for x, dy in zip(_along(width, 54, -6), _UNEVEN * 99, strict=False)
        )
        + _area(_swell(width, height, 0.72 * height, 12, 340), "#7db37a")
        + "".join(
            _fir(x, 0.46 * height + dy, 0.34 * height + 30, "#5d9c69")
            for x, dy in zip(_along(width, 74, 22), _UNEVEN[2:] * 99, strict=False)
        )
        + _area(_swell(width, height, 0.86 * height, 8, 260), "#6aa56b")
    )


def _snowy(width: float, height: float) -> str:
    flakes = "".join(
        _dot(x + dx, y + 9 * (row % 3), 3.4, "#ffffff", 0.95)
        for row, y in enumerate(_steps(16, 0.7 * height, 40))
        for x, dx in zip(_along(width, 62, 31 * (row % 2)), _UNEVEN * 99, strict=False)
    )
    return (
        _area(_swell(width, height, 0.6 * height, 18, 320), "#e6eef7")
        + "".join(
            _fir(x, 0.46 * height + dy, 0.24 * height + 20, "#a9c3d2")
            for x, dy in zip(_along(width, 88, 12), _UNEVEN * 99, strict=False)
        )
        + _area(_swell(width, height, 0.76 * height, 12, 260), "#ffffff")
        + flakes
    )


def _night(width: float, height: float) -> str:
    stars = "".join(
        _dot(x + 2 * dx, y + 7 * (row % 3), 1.3 + 0.9 * (row % 2), "#fff4cf", 0.9)
        for row, y in enumerate(_steps(18, 0.66 * height, 34))
        for x, dx in zip(_along(width, 74, 37 * (row % 2)), _UNEVEN * 99, strict=False)
    )
    x, y = 0.84 * width, 0.16 * height
    moon = f"M{x:.1f} {y - 20:.1f}a20 20 0 1 0 18 29a17 17 0 0 1 -18 -29z"
    return (
        stars
        + _area(moon, "#fff0c2")
        + _area(_swell(width, height, 0.72 * height, 16, 300), "#2b3474")
        + _area(_swell(width, height, 0.84 * height, 10, 240), "#202860")
    )


_SCENES: dict[str, Callable[[float, float], str]] = {
    "beach": _beach,
    "city": _city,
    "forest": _forest,
    "snowy": _snowy,
    "night": _night,
}
_UNEVEN = (0, -14, 8, -6, 14, -20, 4)


def _along(width: float, step: float, start: float) -> list[float]:
    """Places `step` apart that cover the width with one to spare on each side."""
    return [start + step * i for i in range(-1, math.ceil(width / step) + 1)]


def _steps(start: float, end: float, step: float) -> list[float]:
    return [start + step * i for i in range(max(0, math.ceil((end - start) / step)))]


def _swell(width: float, height: float, level: float, rise: float, length: float) -> str:
    """Everything below a gentle wave."""
    waves = "".join(
        f"q{length / 4:.1f} {-rise if i % 2 else rise} {length / 2:.1f} 0"
        for i in range(math.ceil(2 * width / length) + 2)
    )
    return f"M{-length / 4:.1f} {level:.1f}{waves}V{height + 1:.1f}H{-length / 4:.1f}Z"


def _fir(x: float, top: float, tall: float, color: str) -> str:
    third, wide = tall / 3, tall / 7
    layers = "".join(
        f"M{x:.1f} {top + i * third * 0.72:.1f}"
        f"l{wide * (1 + 0.3 * i):.1f} {third * 1.25:.1f}h{-2 * wide * (1 + 0.3 * i):.1f}z"
        for i in range(3)
    )
    return _area(layers, color)


def _area(path: str, color: str) -> str:
    return f'<path d="{path}" fill="{color}"/>'


def _dot(x: float, y: float, radius: float, color: str, opacity: float) -> str:
    where = f'cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"'
    return f'<circle {where} fill="{color}" fill-opacity="{opacity}"/>'


def _line(path: str, width: float, color: str, opacity: float) -> str:
    return (
        f'<path d="{path}" fill="none" stroke="{color}" stroke-width="{width}" '
        f'stroke-opacity="{opacity}" stroke-linecap="round"/>'
    )
