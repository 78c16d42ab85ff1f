"""What people wear: headwear that sits on hair, eyewear, earrings, neckwear and clothes."""

from __future__ import annotations

from editing_core.portraits.schema import Attributes, Identity
from editing_core.worlds.portraits.avataaars import elements, outline, part


def _area(path: str, fill: str, opacity: float = 1) -> str:
    return f'<path d="{path}" fill="{fill}" fill-opacity="{opacity}"/>'


def _line(path: str, width: float, stroke: str = "black", opacity: float = 1) -> str:
    return (
        f'<path d="{path}" fill="none" stroke="{stroke}" stroke-width="{width}" '
        f'stroke-opacity="{opacity}" stroke-linecap="round" stroke-linejoin="round"/>'
    )


def _dot(x: float, y: float, radius: float, fill: str, opacity: float = 1) -> str:
    return f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{fill}" fill-opacity="{opacity}"/>'


def _clipped(name: str, path: str, markup: str) -> str:
    return (
        f'<defs><clipPath id="{name}"><path d="{path}"/></clipPath></defs>'
        f'<g clip-path="url(#{name})">{markup}</g>'
    )


def _hair_below(line: str, edge: float, y: float) -> str:
    """The region of hair below a hat: below `line`, and round at its sides from (edge, y) on."""
    left, right = 140 - edge, 140 + edge
    return (
        f"M-60 420V{y + 110}H{left - 62}C{left - 46} {y + 42} {left - 20} {y + 6} {left} {y}"
        f"{line}{right} {y}C{right + 20} {y + 6} {right + 46} {y + 42} {right + 62} {y + 110}"
        "H340V420z"
    )


HAIR_BELOW = {
    "hat": _hair_below("Q80 78 90 70Q140 52 190 70Q200 78 ", 74, 96),
    "beanie": _hair_below("L", 67, 84),
    "fur hat": _hair_below("L", 68, 72),
    "cap": _hair_below("Q82 76 140 74Q198 76 ", 61, 82),
}
"""Path data of where hair shows below headwear that covers it; other headwear sits on the hair."""

_BRIM_UP = "M-20 -40H300V84H205Q196 70 184 66Q140 56 96 66Q84 70 75 84H-20z"  # above the forehead


def _hat() -> str:
    return f'<g transform="translate(8 4)">{"".join(elements("top", "hat"))}</g>'


_BAND = (
    "M93.5 44.500Q140 31 186.500 44.500L190.500 61.500Q140 45.500 89.500 61.500z"  # a hat's ribbon
)

HEADWEAR_BEHIND = {"hat": _hat()}
"""The part of headwear that is behind head and hair: a wide brim."""

_CAP_DOME = "M78 92C76 46 104 22 140 22s64 24 62 70q-62 -18 -124 0z"
_CAP_VISOR = "M76 90Q86 74 140 72Q194 74 204 90Q214 100 206 105Q140 78 74 105Q66 100 76 90z"
_CROWN = (
    "M92 66L82 24q-.5 -2 1.500 -1L112 40L138.500 11q1.500 -1.500 3 0"
    "L168 40L196.500 23q2 -1 1.500 1L188 66Q140 54 92 66z"
)
_CONE = "M137.500 -2q2.500 -4 5 0L178 58Q140 44 102 58z"

HEADWEAR = {
    "hat": _clipped("crown-of-hat", _BRIM_UP, _hat() + _area(_BAND, "black", 0.22)),
    "beanie": part("top", "winterHat03")
    + _line("M84 66.500v26M98 60v30M112 56v31M126 54v30M140 53v29M154 54v30M168 56v31M182 60v30"
            "M196 66.500v26", 2, "black", 0.05),
    "fur hat": part("top", "winterHat1")
    + _line("M90 56v24M102 56v24M114 56v24M126 56v24M138 56v24M150 56v24M162 56v24M174 56v24"
            "M186 56v24", 2, "black", 0.05),
    "cap": _area(_CAP_DOME, "{hat}")
    + _line("M140 24v50M110 31q-15 18 -16 50M170 31q15 18 16 50", 2, "black", 0.13)
    + '<ellipse cx="140" cy="22.500" rx="7" ry="3.500" fill="{hat}"/>'
    + '<ellipse cx="140" cy="22.500" rx="7" ry="3.500" fill="black" fill-opacity=".2"/>'
    + _area("M84 92Q140 74 196 92L196 100Q140 80 84 100z", "black", 0.12)
    + _area(_CAP_VISOR, "{hat}")
    + _area(_CAP_VISOR, "black", 0.2),
    "crown": _area(_CROWN, "{hat}")
    + _area("M89.600 56Q140 44 190.400 56L188 66Q140 54 92 66z", "black", 0.14)
    + "".join(_dot(x, y, 4, "#ffffff", 0.9) for x, y in ((83, 22), (140, 11), (197, 22)))
    + "".join(_dot(x, y, 3, "#ffffff", 0.75) for x, y in ((112, 55.500), (140, 53), (168, 55.500))),
    "party hat": _area(_CONE, "{hat}")
    + _clipped("cone", _CONE,
               _line("M96 44L150 4M104 66L176 14M140 74L196 34", 7, "{trim}", 0.6))
    + _dot(140, -2, 9, "#ffffff") + _dot(142, 0, 7, "black", 0.05)
    + _area("M102 58Q140 44 178 58L180 62Q140 48 100 62z", "#ffffff", 0.85),
}  # fmt: skip
"""Headwear as seen from the front, over hair; colours stand as ``{hat}``."""

_LENSES = (
    "M87 100q-1 -4 3 -4h38q4.500 0 4 5q-2 27 -22 27q-20 0 -23 -28z"
    "M193 100q1 -4 -3 -4h-38q-4.500 0 -4 5q2 27 22 27q20 0 23 -28z"
)
_FRAME = (
    "M76 97q0 -4 4 -4.500q34 -4 54 1.500q6 1.600 12 0q20 -5.500 54 -1.500q4 .5 4 4.500q0 3 -3 3.500"
    "l-3 .5q-4 32 -27 32q-24 0 -26 -27"
    "q-5 -3 -10 0q-2 27 -26 27q-23 0 -27 -32l-3 -.5q-3 -.5 -3 -3.500z"
)
_PATCH = "M96 100q18 -7 36 -1q4 14 -4 23q-8 8 -15 7q-16 -3 -17 -29z"
_HEAD = "M140 36a56 56 0 0 0 -56 56v38a56 56 0 0 0 112 0v-38a56 56 0 0 0 -56 -56z"

EYEWEAR = {
    "glasses": part("accessories", "prescription02"),
    "round glasses": f'<g stroke="{{accessories}}" stroke-width="1.2">'
    f'{part("accessories", "round")}</g>',
    "sunglasses": _area(_FRAME, "black", 0.1).replace("<path", '<path transform="translate(0 3)"')
    + _area(_FRAME, "{accessories}")
    + _area(_LENSES, "#22272e")
    + _clipped("lenses", _LENSES, _area("M100 90h14l-22 44h-14zM164 90h14l-22 44h-14z",
                                        "#ffffff", 0.13)),
    "eyepatch": _clipped("on-head", _HEAD, _line("M70 112L98 106M128 98L200 38", 3.6,
                                                  "{accessories}"))
    + _area(_PATCH, "{accessories}")
    + _line("M101 104q13 -4 26 -.5", 1.8, "#ffffff", 0.22),
}  # fmt: skip
"""Eyewear; colours stand as ``{accessories}``."""

NECKWEAR = {
    "scarf": _area("M152 206q14 -2 24 -8l9 54q-12 7 -25 6z", "{scarf}")
    + _area("M152 206q14 -2 24 -8l9 54q-12 7 -25 6z", "black", 0.12)
    + _area("M109 176Q140 202 171 176Q188 184 187 203Q140 236 93 203Q92 184 109 176z", "{scarf}")
    + _area("M109 176Q140 202 171 176Q174 177 176.500 179Q140 212 103.500 179Q106 177 109 176z",
            "black", 0.14)
    + _line("M98 194q22 20 50 21M184 190q-14 13 -30 17", 2, "black", 0.1)
    + _line("M161 258l1 7M167.500 258l1.500 7M174 257l1.500 7M180 255l2 7", 2.4, "{scarf}"),
    "necklace": _line("M115.500 190Q119 219 140 223Q161 219 164.500 190", 2.8, "#d9a520")
    + _dot(140, 227, 6.500, "#d9a520") + _dot(140, 227, 3.600, "#b8283a")
    + _dot(138.600, 225.600, 1.200, "#ffffff", 0.8),
}  # fmt: skip
"""Neckwear; colours stand as ``{scarf}``."""


def earrings() -> str:
    """Golden hoops at both ear lobes."""
    return "".join(
        f'<circle cx="{x}" cy="142" r="6" fill="none" stroke="#d9a520" stroke-width="3"/>'
        f'<circle cx="{x}" cy="135.500" r="2" fill="#f1cf63"/>'
        for x in (77.5, 202.5)
    )


_GARMENTS = {  # for women and men: the style's garment, the element that is its cloth
    "t-shirt": (("shirtScoopNeck", 0), ("shirtCrewNeck", 0)),
    "hoodie": (("hoodie", 0), ("hoodie", 0)),
    "sweater": (("collarAndSweater", 0), ("collarAndSweater", 0)),
    "overalls": (("overall", 0), ("overall", 0)),
    "blazer": (("blazerAndShirt", 2), ("blazerAndShirt", 2)),
}
_DEEPER = 96
"""How far clothes run on below the style's canvas."""


def clothes(a: Attributes, identity: Identity) -> str:
    """A garment with its pattern or print, narrower on a woman."""
    name, cloth = _GARMENTS[a.clothing][0 if a.gender == "woman" else 1]
    shapes = list(elements("clothes", name))
    path = outline("clothes", name, cloth) + _LONGER[a.clothing]
    shapes[cloth] = _area(path, "{clothes}")
    shapes.insert(cloth + 1, _pattern(a.pattern, path))
    under = ""
    if a.clothing == "overalls":
        tee = outline("clothes", "shirtCrewNeck", 0)
        under = _area(tee + _BLOCK, "#f1efe9")
        under += elements("clothes", "shirtCrewNeck")[1]
    if a.clothing == "blazer":
        shapes[0] = _area(outline("clothes", name, 0) + "M58 90h84v110h-84z", "#f1efe9")
    printed = a.clothing == "t-shirt" and a.pattern == "plain" and identity.print != "none"
    graphic = _printed(identity.print) if printed else ""
    cut = _DETAILS.get(a.clothing, "")
    wide = 0.93 if a.gender == "woman" else 1.0
    return (
        f'<g transform="translate({140 - 100 * wide:.1f} 184.700) scale({wide} 1)">'
        f"{under}{''.join(shapes)}{_clipped('cut', path, cut)}{graphic}</g>"
    )


_BLOCK = f"M0 94h200v{_DEEPER}H0z"
_LONGER = {
    "t-shirt": _BLOCK,
    "hoodie": _BLOCK,
    "sweater": _BLOCK,
    "overalls": f"M36 94h128v{_DEEPER}H36z",
    "blazer": f"M0 94h74v{_DEEPER}H0zM126 94h74v{_DEEPER}h-74z",
}
_ARM = "M-4 60L37 73V200H-4zM204 60L163 73V200h41z"
_DETAILS = {
    "t-shirt": _area(_ARM, "{skin}")
    + _area("M-4 60L37 73V79L-4 66zM204 60L163 73V79L204 66zM35 74h3v117h-3zM162 74h3v117h-3z",
            "black", 0.13),
    "hoodie": _line("M36 70v120M164 70v120", 2.2, "black", 0.1),
    "sweater": _line("M34 66q-4 20 -3 120M166 66q4 20 3 120", 2.2, "black", 0.1),
    "overalls": _area("M72 68h56v26q0 6 -6 6h-44q-6 0 -6 -6z", "black", 0.08),
}  # fmt: skip


def _pattern(pattern: str, path: str) -> str:
    if pattern == "plain":
        return ""
    if pattern == "striped":
        rows = "".join(f"M-10 {y}h220" for y in range(8, 200, 17))
        drawn = _line(rows, 6, "{ink}", 0.62)
    else:
        drawn = "".join(
            _dot(x + (9 if row % 2 else 0), 6 + 13 * row, 3.7, "{ink}", 0.72)
            for row in range(15)
            for x in range(1, 205, 18)
        )
    return _clipped("cloth", path, drawn)


def _printed(name: str) -> str:
    shapes = "".join(elements("clothesGraphic", name))
    return f'<g transform="translate(61 40) scale(.72)">{shapes}</g>'
