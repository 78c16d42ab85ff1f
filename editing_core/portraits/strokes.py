"""What we draw ourselves, as elements of the style's 280 x 280 canvas (data, no code to speak of).

Lashes, wrinkles, freckles and moles; earrings, scarf and necklace; cap, crown and party hat;
striped and dotted cloth; and simple scenes to stand in front of.
"""

from __future__ import annotations

from typing import Any

Element = dict[str, Any]

SCENES = ("beach", "city", "forest", "snowy", "night")
GRAPHIC_AT = "translate(85 227)"
_HAT = {"type": "color", "name": "hat"}
_SCARF = {"type": "color", "name": "scarf"}
_INK = {"type": "color", "name": "ink"}
_SKIN = {"type": "color", "name": "skin"}


def components() -> dict[str, dict[str, list[Element]]]:
    """Our components: name -> variant -> elements."""
    return {
        "scene": {
            "beach": _beach(),
            "city": _city(),
            "forest": _forest(),
            "snowy": _snowy(),
            "night": _night(),
        },
        "lashes": {"default": [_line(_LASHES, 5, opacity=".85"), *_blush()]},
        "stubble": {"default": [_shape(_STUBBLE, "black", ".13")]},
        "wrinkles": {"default": [_line(path, width, opacity=".6") for path, width in _WRINKLES]},
        "freckles": {"default": [_dot(x, y, 2.6, "#8a4b22", ".7") for x, y in _FRECKLES]},
        "mole": {
            "left": [_dot(116, 150, 3.5, "black", ".6")],
            "right": [_dot(164, 150, 3.5, "black", ".6")],
            "chin": [_dot(152, 179, 3.5, "black", ".6")],
        },
        "earrings": {"default": [_ring(78, 143), _ring(202, 143)]},
        "neckwear": _neckwear(),
        "headwear": _headwear(),
    }


def _neckwear() -> dict[str, list[Element]]:
    return {
        "scarf": [
            _shape("M104 176q36 24 72 0l8 22q-44 30 -88 0z", _SCARF),
            _shape("M150 200l22 -6l10 62l-30 4z", _SCARF),
            _shape("M104 176q36 24 72 0l2 6q-38 26 -76 0z", "black", ".14"),
            _line("M152 214l22 -6 M154 234l23 -5 M156 250l24 -4", 3, opacity=".25"),
        ],
        "necklace": [
            _line("M112 190q28 44 56 0", 5, "#e8b52a", "1"),
            _dot(140, 216, 11, "#e8b52a", "1"),
            _dot(140, 216, 7, "#c2342c", "1"),
        ],
    }  # fmt: skip


def _headwear() -> dict[str, list[Element]]:
    return {
        "cap": [
            _shape("M82 88q-2 -60 58 -60t58 60z", _HAT),
            _dot(140, 28, 6, "black", ".3"),
            _line("M140 30v52 M112 38q-12 20 -12 46 M168 38q12 20 12 46", 2.5, opacity=".18"),
            _shape("M70 92q4 -16 22 -16h96q18 0 22 16q-70 -14 -140 0z", _HAT),
            _shape("M70 92q4 -16 22 -16h96q18 0 22 16q-70 -14 -140 0z", "black", ".28"),
        ],
        "crown": [
            _shape("M92 70l-8 -52l28 24l28 -34l28 34l28 -24l-8 52q-48 -14 -96 0z", _HAT),
            _line("M92 66q48 -14 96 0", 6, opacity=".2"),
            *(_dot(x, y, 5, "#ffffff", ".85") for x, y in ((84, 18), (140, 8), (196, 18))),
            *(_dot(x, y, 4.5, "black", ".35") for x, y in ((116, 52), (140, 48), (164, 52))),
        ],
        "partyHat": [
            _shape("M140 6l40 64q-40 -16 -80 0z", _HAT),
            *(_dot(x, y, 5.5, "#ffffff", ".8") for x, y in _PARTY_DOTS),
            _dot(140, 10, 10, "#ffffff", "1"),
            _dot(140, 10, 10, "black", ".08"),
        ],
    }  # fmt: skip


def on_cloth(name: str, drawn: list[Element], shape: str) -> list[Element]:
    """What is drawn within the cloth of outline `shape` (a path's data)."""
    clip = f"cloth-{name}"
    return [
        element("defs", [element("clipPath", [_shape(shape, "black")], id=clip)]),
        element("g", drawn, clip_path=f"url(#{clip})"),
    ]


def element(
    name: str, children: list[Element] | None = None, /, **attributes: str | Element
) -> Element:
    """One SVG element as the drawing library writes it; ``_`` in names stands for ``-``."""
    named = {key.replace("_", "-"): value for key, value in attributes.items()}
    made: Element = {"type": "element", "name": name, "attributes": named}
    return made | ({"children": children} if children is not None else {})


_LASHES = "M95 102l-8-9 M91 108l-10-5 M185 102l8-9 M189 108l10-5"
_STUBBLE = "M85 132q12 0 24 4q31 -10 62 0q12 -4 24 -4a56 56 0 0 1 -110 0z"
_WRINKLES = (
    ("M108 62q32 -8 64 0 M112 73q28 -6 56 0", 4.6),
    ("M98 111l-10 -6 M98 118l-11 2 M182 111l10 -6 M182 118l11 2", 3.6),
    ("M101 124q11 9 24 2 M179 124q-11 9 -24 2", 4.6),
    ("M113 137q-12 10 -11 25 M167 137q12 10 11 25", 5.2),
)
_FRECKLES = ((100, 132), (107, 138), (113, 131), (180, 132), (173, 138), (167, 131))
_PARTY_DOTS = ((140, 32), (128, 46), (152, 46), (118, 60), (140, 56), (162, 60))


def _beach() -> list[Element]:
    return [
        _dot(42, 44, 24, "#ffd95a", "1"),
        _shape("M-90 150h460v90h-460z", "#3f9ed6"),
        _line("M-20 172h60 M20 196h50 M214 176h70 M232 200h60", 4, "white", ".6"),
        _shape("M-90 222q90 -18 180 0t280 -4v150h-460z", "#ecd596"),
    ]


def _city() -> list[Element]:
    houses = [
        *((-40, 120, 60), (14, 70, 42), (52, 136, 30)),
        *((196, 90, 44), (236, 40, 40), (274, 130, 60)),
    ]  # left, top, width
    windows = " ".join(
        f"M{x + 9} {y + dy}h{w - 18}" for x, y, w in houses for dy in range(14, 280 - y, 24)
    )
    return [
        *(_shape(f"M{x} {y}h{w}v{370 - y}h-{w}z", "#7d8ca6") for x, y, w in houses),
        _line(windows, 8, "#f7e7a6", ".9", dash="7 6"),
    ]


def _forest() -> list[Element]:
    trees = [(-10, 60), (34, 24), (70, 84), (210, 76), (246, 20), (290, 56)]
    return [
        _shape("M-90 226h460v150h-460z", "#7fb35c"),
        *(_shape(f"M{x - 5} 214h10v50h-10z", "#7a5233") for x, _ in trees),
        *(_shape(f"M{x} {y}l38 190h-76z", "#2f7d4a") for x, y in trees),
    ]


def _snowy() -> list[Element]:
    flakes = [(18, 30), (52, 74), (30, 128), (66, 22), (222, 34), (256, 80), (236, 132), (268, 20)]
    return [
        _shape("M-90 206q100 -40 220 -8t250 -14v190h-470z", "#ffffff"),
        *(_dot(x, y, 6.5, "#ffffff", "1") for x, y in flakes),
    ]


def _night() -> list[Element]:
    stars = [(20, 96), (58, 40), (44, 150), (74, 100), (212, 26), (262, 120), (230, 160), (14, 20)]
    return [
        _dot(240, 62, 24, "#fbf3c4", "1"),
        _dot(250, 55, 20, "#232a5c", "1"),
        *(_dot(x, y, 4.5, "#fdf6d0", "1") for x, y in stars),
    ]


def _blush() -> list[Element]:
    return [
        element("ellipse", cx=x, cy="137", rx="12", ry="8", fill="#f0506e", fill_opacity=".45")
        for x in ("104", "176")
    ]


def _ring(x: int, y: int) -> Element:
    return element(
        "circle", cx=str(x), cy=str(y), r="8", stroke="#e8b52a", stroke_width="5", fill="none"
    )


def _shape(path: str, fill: str | Element, opacity: str = "1") -> Element:
    return element("path", d=path, fill=fill, fill_opacity=opacity)


def _dot(x: float, y: float, radius: float, fill: str | Element, opacity: str) -> Element:
    return element("circle", cx=str(x), cy=str(y), r=str(radius), fill=fill, fill_opacity=opacity)


def _line(
    path: str,
    width: float,
    color: str | Element = "black",
    opacity: str = ".75",
    dash: str | None = None,
) -> Element:
    end = {"stroke_linecap": "round"} if dash is None else {"stroke_dasharray": dash}
    return element(
        "path", d=path, fill="none", stroke=color, stroke_width=str(width),
        stroke_opacity=opacity, **end,
    )  # fmt: skip


PATTERNS: dict[str, list[Element]] = {
    "striped": [_line(" ".join(f"M-10 {y}h220" for y in range(6, 100, 18)), 7, _INK, ".72")],
    "dotted": [
        _dot(x + (10 if row % 2 else 0), 8 + 15 * row, 4.6, _INK, ".85")
        for row in range(6)
        for x in range(4, 200, 20)
    ],
}
"""What is printed on the cloth."""

DETAILS: dict[str, list[Element]] = {
    "shirtCrewNeck": [
        _shape("M-4 56l46 16v30h-46z M204 56l-46 16v30h46z", _SKIN),
        _line("M-4 56l46 16v30 M204 56l-46 16v30", 3, opacity=".18"),
    ],
    "hoodie": [_line("M100 54v50", 5, _INK, ".8")],
}
"""What tells garments of one outline apart: a t-shirt's bare arms, a hoodie's zip."""
