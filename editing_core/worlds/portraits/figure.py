"""One person as SVG markup, layer over layer, on the 280 x 280 canvas of avataaars.

Faces, hair and clothes are the style's; headwear, neckwear, jewellery, patterns, signs of age and
of gender are ours, in its manner: flat shapes, soft shades of one black, no outlines.
"""

from __future__ import annotations

from collections.abc import Mapping

from editing_core.portraits.palette import HAIR, PAINT, shade
from editing_core.portraits.schema import Attributes, Identity, Portrait
from editing_core.worlds.portraits.avataaars import elements, part
from editing_core.worlds.portraits.wear import (
    EYEWEAR,
    HAIR_BELOW,
    HEADWEAR,
    HEADWEAR_BEHIND,
    NECKWEAR,
    clothes,
    earrings,
)

_HAIR = {
    "short": ("shortFlat", "shortWaved"),
    "bob": ("bob", "miaWallace"),
    "long": ("straight01", "straight02"),
    "curly": ("curly", "curly"),
    "wavy": ("curvy", "curvy"),
    "bun": ("bun", "bun"),
    "quiff": ("frizzle", "frizzle"),
    "dreadlocks": ("dreads", "dreads"),
    "afro": ("fro", "fro"),
}
_BEARDS = {
    "beard": ("beardMedium", "beardMajestic"),
    "moustache": ("moustacheMagnum", "moustacheFancy"),
}
SKIN = {"light": "#fcd9bb", "tan": "#dca36e", "brown": "#a96b3d", "dark": "#6e4731"}
_FULL_HAIR = ("bob", "long", "curly", "wavy", "dreadlocks", "afro")
"""Hair that is also seen behind the jaw."""

_THIN_BROWS = {
    "default": "default",
    "defaultNatural": "defaultNatural",
    "flatNatural": "flatNatural",
    "raisedExcitedNatural": "raisedExcited",
    "upDownNatural": "upDown",
}
_FULL_BROWS = _THIN_BROWS | {
    "raisedExcitedNatural": "raisedExcitedNatural",
    "upDownNatural": "upDownNatural",
}
_FEELING = {  # brows of women, brows of men
    "sad": ("sadConcerned", "sadConcernedNatural"),
    "surprised": ("raisedExcited", "raisedExcited"),
    "angry": ("angry", "angryNatural"),
}
_MOUTHS = {
    "smiling": ("smile", 1.12),
    "serious": ("serious", 1.15),
    "sad": ("sad", 1.2),
    "angry": ("grimace", 0.8),
    "winking": ("tongue", 1.0),
}
_SURPRISE: tuple[str, ...] = (
    '<ellipse cx="46" cy="19" rx="11.5" ry="14" fill="black" fill-opacity=".7"/>',
    '<path d="M37.4 26.5q8.6 -7 17.2 0q-2.6 6.2 -8.6 6.4q-6 -.2 -8.6 -6.4z" fill="#FF4F6D"/>',
)


def person(portrait: Portrait) -> str:
    """Markup of a person, head top at y = 36, chin at 186, shoulders running on below 280."""
    a, identity = portrait.attributes, portrait.identity
    colors = _colors(a, identity)
    layers = (
        HEADWEAR_BEHIND.get(a.headwear, ""),
        _back_hair(a),
        _body(a),
        clothes(a, identity),
        NECKWEAR.get(a.neckwear, ""),
        _mouth(a),
        part("nose", "default"),
        _skin_marks(a, identity),
        _eyes(a, identity),
        _brows(a, identity),
        EYEWEAR["eyepatch"] if a.eyewear == "eyepatch" else "",
        _hair(a, identity),
        _facial_hair(a, identity),
        HEADWEAR.get(a.headwear, ""),
        EYEWEAR.get(a.eyewear, "") if a.eyewear != "eyepatch" else "",
        earrings() if a.earrings != "none" else "",
    )
    return _painted("".join(layers), colors)


def _painted(markup: str, colors: Mapping[str, str]) -> str:
    for name, color in colors.items():
        markup = markup.replace("{" + name + "}", color)
    return markup


def _colors(a: Attributes, identity: Identity) -> dict[str, str]:
    shades = identity.shades
    hair = shade(HAIR[a.hair_color], shades.get("hair"))
    hue, saturation, value = shades.get("skin", (0.0, 0.0, 0.0))
    skin = shade(SKIN[a.skin], (hue, 0.6 * saturation, 0.5 * value))
    white = a.headwear_color == "white"
    return {
        "trim": "#d9a0ae" if white else "#ffffff",
        "hair": hair,
        "facialHair": hair,
        "deepHair": mix(hair, "#000000", 0.28),
        "brows": "#6f6c70" if a.age == "old" else mix(hair, "#1c1210", 0.72),
        "skin": skin,
        "fold": mix(skin, "#4a1d12", 0.3 if a.skin != "dark" else 0.5),
        "lips": mix(skin, "#b8264a", 0.55),
        "hat": shade(PAINT[a.headwear_color], shades.get("headwear")),
        "accessories": shade(PAINT[a.eyewear_color], shades.get("eyewear")),
        "scarf": shade(PAINT[a.neckwear_color], shades.get("neckwear")),
        "clothes": shade(PAINT[a.clothing_color], shades.get("clothing")),
        "ink": "#3b4252" if a.clothing_color in ("white", "yellow") else "#ffffff",
    }


def mix(color: str, other: str, share: float) -> str:
    """Move `color` by `share` towards `other`; both are "#rrggbb"."""
    return "#" + "".join(
        f"{round((1 - share) * int(color[i : i + 2], 16) + share * int(other[i : i + 2], 16)):02x}"
        for i in (1, 3, 5)
    )


_EARS = (
    "M84 98a12 12 0 0 0 -10 12v14a12 12 0 0 0 10.3 11.9z"
    "M196 98a12 12 0 0 1 10 12v14a12 12 0 0 1 -10.3 11.9z"
)


def _head(jaw: float, chin: float) -> str:
    """The outline of a head; larger numbers make the jaw squarer and the chin wider."""
    return (
        f"M140 36a56 56 0 0 0 -56 56v36C84 {jaw} {140 - chin} 186.5 140 186.5"
        f"C{140 + chin} 186.5 196 {jaw} 196 128V92a56 56 0 0 0 -56 -56z"
    )


def _body(a: Attributes) -> str:
    woman = a.gender == "woman"
    head = _head(157, 26) if woman else _head(165, 35)
    half = 22.5 if woman else 25.5
    neck = f"M{140 - half} 150h{2 * half}v56h-{2 * half}z"
    wide = 0.93 if woman else 1.0
    shoulders = (
        f'<path transform="translate({140 - 140 * wide:.1f} 0) scale({wide} 1)" '
        'd="M112 199a72 72 0 0 0 -72 72v140h200v-140a72 72 0 0 0 -72 -72z" fill="{skin}"/>'
    )
    shadow = f"M{140 - half} 172h{2 * half}v17a60 60 0 0 1 -{2 * half} 0z"
    return (
        f'{shoulders}<path d="{neck}" fill="{{skin}}"/>'
        f'<path d="{shadow}" fill="black" fill-opacity=".13"/>'
        f'<path d="{head}{_EARS}" fill="{{skin}}"/>'
        '<path d="M78.5 110q-3 7 1.5 13M201.5 110q3 7 -1.5 13" fill="none" stroke="black" '
        'stroke-opacity=".14" stroke-width="2.4" stroke-linecap="round"/>'
    )


def _back_hair(a: Attributes) -> str:
    if a.hair not in _FULL_HAIR:
        return ""
    return (
        '<path d="M84 96h112v34a56 56 0 0 1 -36 52v17h-40v-17a56 56 0 0 1 -36 -52z" '
        'fill="{deepHair}"/>'
    )


def _hair(a: Attributes, identity: Identity) -> str:
    if a.hair == "bald":
        return ""
    if a.hair == "quiff":
        faded = f'<g opacity=".45">{part("top", "theCaesar")}</g>'
        hair = faded + part("top", "frizzle")
    else:
        hair = part("top", _HAIR[a.hair][identity.cut % 2])
    below = HAIR_BELOW.get(a.headwear)
    if below is None:
        return hair
    return (
        f'<defs><clipPath id="below"><path d="{below}"/></clipPath></defs>'
        f'<g clip-path="url(#below)">{hair}</g>'
    )


def _facial_hair(a: Attributes, identity: Identity) -> str:
    if a.facial_hair == "none":
        return ""
    hair = part("facialHair", _BEARDS[a.facial_hair][identity.cut % 2])
    lift = -3 if a.facial_hair == "moustache" else 0
    return f'<g transform="translate(0 {lift})">{hair}</g>'


def _mouth(a: Attributes) -> str:
    if a.expression == "surprised":
        factor, shapes = 0.95, _SURPRISE
    else:
        name, factor = _MOUTHS[a.expression]
        shapes = elements("mouth", name)
    lips = ""
    if a.gender == "woman":
        lips = (
            '<g stroke="{lips}" stroke-width="4" stroke-linejoin="round">'
            + shapes[0].replace('fill="black"', 'fill="{lips}"').replace("fill-opacity", "data-o")
            + "</g>"
        )
    return (
        f'<g transform="translate(140 155) scale({factor}) translate(-46 -16)">'
        f"{lips}{''.join(shapes)}</g>"
    )


def _eyes(a: Attributes, identity: Identity) -> str:
    if a.expression == "surprised":
        drawn = _about(part("eyes", "surprised"), 140, 112, 0.95)
    elif a.expression == "winking":
        drawn = part("eyes", "wink")
    else:
        drawn = _OWN_EYES.get(identity.eyes) or part("eyes", identity.eyes)
    return _about(drawn, 140, 112, 1.12) + (_LASHES if a.gender == "woman" else "")


def _dots(y: float) -> str:
    return "".join(
        f'<circle cx="{x}" cy="{y}" r="6" fill="black" fill-opacity=".62"/>' for x in (114, 166)
    )


_OWN_EYES = {
    "eyeRoll": _dots(111)
    + "".join(f'<circle cx="{x}" cy="108.6" r="2" fill="white"/>' for x in (116, 168)),
    "closed": _dots(113)
    + '<path d="M105 109q9 -7 18 0M157 109q9 -7 18 0" fill="none" stroke="black" '
    'stroke-opacity=".5" stroke-width="2.6" stroke-linecap="round"/>',
}
_LASHES = (
    '<path d="M101.500 107.500l-6.500 -4.500M100.500 112.500l-7 -1.500M178.500 107.500l6.500 -4.500'
    'M179.500 112.500l7 -1.500" fill="none" stroke="black" stroke-opacity=".62" '
    'stroke-width="2.6" stroke-linecap="round"/>'
)


def _brows(a: Attributes, identity: Identity) -> str:
    woman = a.gender == "woman"
    felt = _FEELING.get(a.expression)
    if felt is not None:
        name = felt[0 if woman else 1]
    else:
        name = (_THIN_BROWS if woman else _FULL_BROWS)[identity.brows]
    drawn = part("eyebrows", name).replace('fill="black"', 'fill="{brows}"')
    drawn = drawn.replace('fill-opacity=".6"', 'fill-opacity=".9"')
    thick = 0.82 if woman and name.endswith("Natural") else 1.0
    weight = "" if woman else ' stroke="{brows}" stroke-width="1.3" stroke-linejoin="round"'
    return (
        f'<g transform="translate(140 93) scale(1.08 {thick}) translate(-140 -94)"{weight}>'
        f"{drawn}</g>"
    )


def _skin_marks(a: Attributes, identity: Identity) -> str:
    marks = ""
    if a.gender == "woman":
        marks += "".join(
            f'<ellipse cx="{x}" cy="137" rx="11" ry="7" fill="#ee5a5f" fill-opacity=".2"/>'
            for x in (101, 179)
        )
    elif a.facial_hair == "none":
        marks += f'<path d="{_STUBBLE}" fill="black" fill-opacity=".06"/>'
    if identity.freckles:
        marks += "".join(
            f'<circle cx="{x}" cy="{y}" r="1.7" fill="{{fold}}" fill-opacity=".75"/>'
            for x, y in _FRECKLES
        )
    if identity.mole != "none":
        x, y = _MOLES[identity.mole]
        marks += f'<circle cx="{x}" cy="{y}" r="2.4" fill="black" fill-opacity=".5"/>'
    if a.age == "old":
        marks += "".join(
            f'<path d="{path}" fill="none" stroke="{{fold}}" stroke-width="{width}" '
            'stroke-linecap="round"/>'
            for path, width in _WRINKLES
        )
    return marks


_STUBBLE = (
    "M85 136q5 12 19 12q14 -7 36 -7t36 7q14 0 19 -12C192 166 174 186.500 140 186.500S88 166 85 136z"
)
_FRECKLES = ((97, 132), (103, 137), (109, 131.5), (183, 132), (177, 137), (171, 131.5))
_MOLES = {"left": (115, 149), "right": (165, 149), "chin": (151, 177)}
_WRINKLES = (
    ("M116 70q24 -5 48 0M112 78.500q28 -5.500 56 0", 1.9),
    ("M97 117l-8 2.500M96.500 121.500l-6.500 5M183 117l8 2.500M183.500 121.500l6.500 5", 1.8),
    ("M105.500 124.500q8.500 5.500 17 .5M174.500 124.500q-8.500 5.500 -17 .5", 2.1),
    ("M119 138q-9 7 -9.500 18M161 138q9 7 9.500 18", 2.3),
    ("M133 178q7 2.500 14 0", 1.7),
)


def _about(markup: str, x: float, y: float, factor: float) -> str:
    return f'<g transform="translate({x} {y}) scale({factor}) translate({-x} {-y})">{markup}</g>'
