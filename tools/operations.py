"""The plain operations and their values: what "crop 16:9" and "brightness +20" may say.

An operation is a name and a value in words, which is how people, LLMs, scripts and recipes write
it. ``tools.adjustments`` does them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from tools.arguments import InputError, short

Name = Literal["crop", "resize", "rotate", "straighten", "flip", "brightness", "contrast",
               "saturation", "warmth", "sharpness", "grayscale", "blur"]  # fmt: skip
NAMES: tuple[str, ...] = get_args(Name)
MOVING = ("crop", "resize", "rotate", "straighten", "flip")
"""Those that move pixels, so that transparency and masks have to go with them."""
QUARTER = 90  # degrees; by other turns a picture grows, and its corners are empty
AMOUNTS = ("brightness", "contrast", "saturation", "warmth", "sharpness")
"""Those whose value is a signed number of per cent."""

LEAST, MOST = -100, 200  # per cent of an amount: 0 leaves the picture as it is
MOST_TILT = 45.0  # degrees that a picture is straightened by; beyond, its sides change places
MOST_BLUR = 200.0  # pixels of a Gaussian's radius
USUAL_BLUR = "8"


class AdjustmentError(InputError):
    """An operation cannot be done; the message is one sentence for the person."""


@dataclass(frozen=True)
class Operation:
    """What the value of an operation may be.

    Attributes:
        takes: It in words.
        read: Returns a value as it is written everywhere; raises ValueError for any other.
    """

    takes: str
    read: Callable[[str], str]


def normal(name: str, value: str) -> str:
    """Return the value of an operation as it is written everywhere: "square" of a crop is "1:1".

    Raises:
        AdjustmentError: There is no such operation, or it does not take that value.
    """
    if name not in OPERATIONS:
        raise AdjustmentError(f"There is no operation {short(name)}; there are {', '.join(NAMES)}.")
    operation = OPERATIONS[name]
    try:
        return operation.read(" ".join(value.lower().replace("\N{MINUS SIGN}", "-").split()))
    except ValueError:
        said = f', not "{short(value)}"' if value.strip() else ""
        raise AdjustmentError(f"{name} takes {operation.takes}{said}.") from None


def leaves_corners(name: str, value: str) -> bool:
    """Say whether an operation leaves corners of the picture empty."""
    return name == "rotate" and float(value) % QUARTER != 0


def _crop_value(text: str) -> str:
    if text == "square":
        return "1:1"
    ratio = re.fullmatch(r"(\d{1,4}) ?(?::|/|x|to|by) ?(\d{1,4})", text)
    if ratio and int(ratio[1]) and int(ratio[2]):
        return f"{int(ratio[1])}:{int(ratio[2])}"
    box = re.fullmatch(r"(\d{1,6})[ ,]+(\d{1,6})[ ,]+(\d{1,6})[ ,]+(\d{1,6})", text)
    if not box:
        raise ValueError(text)
    return ",".join(str(int(number)) for number in box.groups())


def _resize_value(text: str) -> str:
    if share := re.fullmatch(r"(\d{1,4}(?:\.\d{1,3})?) ?(?:%|per ?cent)", text):
        return f"{float(share[1]):g}%"
    if both := re.fullmatch(r"(\d{1,6}) ?(?:x|×|by) ?(\d{1,6})", text):
        return f"{int(both[1])}x{int(both[2])}"
    return str(int(text))


def _angle_value(text: str) -> str:
    text = {"left": "-90", "right": "90"}.get(text, text)
    degrees = float(re.sub(r" ?(?:°|deg|degrees?)$", "", text))
    if not abs(degrees) <= 360:
        raise ValueError(text)
    return f"{round(degrees, 2):g}"


def _tilt_value(text: str) -> str:
    value = _angle_value(text)
    if abs(float(value)) > MOST_TILT:
        raise ValueError(text)
    return value


def _flip_value(text: str) -> str:
    text = {"": "horizontal", "horizontally": "horizontal", "vertically": "vertical"}.get(
        text, text
    )
    if text not in ("horizontal", "vertical"):
        raise ValueError(text)
    return text


def _amount(text: str) -> str:
    """Read a signed number of per cent."""
    number = int(text.removesuffix("%").strip())
    if not LEAST <= number <= MOST:
        raise ValueError(text)
    return f"{number:+d}"


def _nothing(text: str) -> str:
    if text:
        raise ValueError(text)
    return ""


def _radius(text: str) -> str:
    number = float(re.sub(r" ?(?:px|pixels?)$", "", text or USUAL_BLUR))
    if not 0 < number <= MOST_BLUR:
        raise ValueError(text)
    return f"{round(number, 2):g}"


_AMOUNT = Operation(f"a number from {LEAST} to {MOST}, such as +20", _amount)
OPERATIONS: Mapping[str, Operation] = {
    "crop": Operation('a ratio such as 16:9, "square", or LEFT,TOP,WIDTH,HEIGHT', _crop_value),
    "resize": Operation("a share such as 50%, WIDTHxHEIGHT, or the longer side", _resize_value),
    "rotate": Operation("left, right, or degrees clockwise, such as 90 or -12.5", _angle_value),
    "straighten": Operation(f"degrees clockwise, at most {MOST_TILT:g}, such as 2.5", _tilt_value),
    "flip": Operation("horizontal or vertical", _flip_value),
    **dict.fromkeys(AMOUNTS, _AMOUNT),
    "grayscale": Operation("no value", _nothing),
    "blur": Operation(f"a radius in pixels, at most {MOST_BLUR:g}, such as 8", _radius),
}
"""All operations by name; "blur" blurs the background, which a mask has to show."""
