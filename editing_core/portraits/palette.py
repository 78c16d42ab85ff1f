"""What the colour words of captions look like, and shades of them."""

from __future__ import annotations

import colorsys

PAINT = {
    "red": "#d9382f",
    "blue": "#3f7fe0",
    "green": "#3fa455",
    "yellow": "#f2cf3a",
    "black": "#2b2d33",
    "white": "#f3f3f1",
    "pink": "#f58cb6",
    "purple": "#8a52c4",
}
BACKDROP = {
    "red": "#f0908a",
    "blue": "#a8d4f5",
    "green": "#abdfb0",
    "yellow": "#f7e6a0",
    "gray": "#b3b7bd",
    "white": "#fafafa",
    "pink": "#f9c9df",
    "purple": "#cbb2ec",
    "beach": "#bfe6fb",
    "city": "#dfe3ea",
    "forest": "#d9edc9",
    "snowy": "#c3d5ea",
    "night": "#232a5c",
}
HAIR = {
    "black": "#28201f",
    "brown": "#7a4a2b",
    "blonde": "#e3bd62",
    "red": "#bf4a1d",
    "gray": "#c9c9cc",
    "pink": "#ef7fb0",
    "blue": "#4166c8",
    "green": "#3f9a63",
}
SKIN = {"light": "#fddcbf", "tan": "#dfa468", "brown": "#a8642f", "dark": "#5f3a22"}


def shade(color: str, offset: tuple[float, float, float] | None) -> str:
    """Move a colour by (hue, saturation, value); hue moves only where there is colour to turn."""
    r, g, b = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    h, s, v = colorsys.rgb_to_hsv(r, g, b)
    dh, ds, dv = offset or (0.0, 0.0, 0.0)
    s = min(1.0, max(0.0, s + ds * min(1.0, 2 * s)))
    v = min(1.0, max(0.0, v + dv))
    rgb = colorsys.hsv_to_rgb((h + dh) % 1.0, s, v)
    return "#" + "".join(f"{round(255 * c):02x}" for c in rgb)
