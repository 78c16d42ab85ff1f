"""Where edits may act, in words: a box, a thing by its name, and how either is corrected.

A region is written as ``BASE; CORRECTION; …``. The base is a box in pixels ("40,0,200,120"), words
for a thing ("the man on the left"), or the mask of an edit by its hash ("#3f…"). A correction is
"larger", "smaller", "left", "right", "up", "down", "other", "not WORDS" or "and WORDS", of which
the first six may be "slightly" or "much". ``tools.find_region`` turns it into a mask.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from tools.arguments import short
from tools.operations import QUARTER, AdjustmentError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EVERYWHERE = "off"
CHOSEN = "auto"
"""The close-up that is chosen by the region of an edit."""
MASK = "#"
"""What the hash of a mask begins with."""
LONGEST_WORDS = 80  # characters
MOST_CORRECTIONS = 20
MOVED = ("larger", "smaller", "left", "right", "up", "down")
AMOUNTS = {"slightly": 0.5, "": 1.0, "much": 3.0}
"""How far a correction goes, in steps."""

Box = tuple[int, int, int, int]
"""Left, top, width and height, in pixels."""
Size = tuple[int, int]
Matrix: TypeAlias = "NDArray[np.float64]"

_NUMBERS = re.compile(r"(\d{1,6})[ ,]+(\d{1,6})[ ,]+(\d{1,6})[ ,]+(\d{1,6})")
_HASH = re.compile(rf"{MASK}[0-9a-f]{{64}}")
_LITTLE = r"(?:a )?(?:tiny |little )?(?:bit|little|touch|slightly|somewhat)"
_MUCH = r"much|a lot|far|way|lots"
_AMOUNT = rf"(?:(?P<little>{_LITTLE})|(?P<much>{_MUCH}))? ?(?:more |further |too )?"
_START = (
    r"(?:(?:please |no,? |but |and |now )*)"
    r"(?:(?:make|move|shift|push|keep) (?:it|that|this|the (?:mask|region|area|box)) )?"
    r"(?:(?:it|that|this|the (?:mask|region|area|box)) (?:should be|must be|needs to be) )?"
)
_END = r"(?:,? (?:please|then|now))?[ .!]*"
_SAID = {
    "larger": r"larger|bigger|wider|broader|grow(?: it)?|expand(?: it)?|extend(?: it)?|enlarge",
    "smaller": r"smaller|tighter|narrower|shrink(?: it)?|reduce(?: it)?",
    "left": r"(?:to the )?left(?:wards?)?",
    "right": r"(?:to the )?right(?:wards?)?",
    "up": r"(?:up(?:wards?)?|higher)",
    "down": r"(?:down(?:wards?)?|lower)",
}
_SAID_OF_SIZE = re.compile(rf"{_START}(?:too (?:small|large|big))")
_OTHER = re.compile(rf"{_START}(?:the )?other(?: (?:one|side|way(?: round)?))?(?: instead)?{_END}")
_NOT = re.compile(
    rf"(?:please |no,? |but )*(?:not|without|except|minus|leave out|exclude|but not)"
    rf" (?P<words>[\w' -]+?){_END}"
)
_AND = re.compile(
    rf"(?:please |no,? |but )*(?:(?:and|also|plus|with|include|including|add)(?: also)?"
    rf" (?P<words>(?:the|her|his|its|their) [\w' -]+?)(?:,? (?:too|as well))?"
    rf"|(?P<too>(?:the|her|his|its|their) [\w' -]+?),? (?:too|as well)){_END}"
)


@dataclass(frozen=True)
class Correction:
    """How a region is corrected.

    Attributes:
        kind: One of ``MOVED``, "other", "not" or "and".
        amount: "slightly", "" or "much", of ``MOVED``.
        words: Of "not" and "and".
    """

    kind: str
    amount: str = ""
    words: str = ""

    def __str__(self) -> str:
        """Write it as it is written everywhere."""
        return " ".join(filter(None, (self.amount, self.kind, self.words)))


def region(text: str) -> str:
    """Return where edits may act, as it is written everywhere; "off" is everywhere.

    Raises:
        AdjustmentError: It is neither box nor words.
    """
    base, *corrections = (" ".join(part.split()) for part in text.strip().lower().split(";"))
    if base == EVERYWHERE and not corrections:
        return base
    read = [correction(said) for said in corrections]
    if None in read or len(read) > MOST_CORRECTIONS:
        raise AdjustmentError(f'A region is not corrected by "{short("; ".join(corrections))}".')
    return "; ".join([_base(base), *map(str, read)])


def close_up(text: str) -> str:
    """Return what of a picture a model is shown: "auto", "off" (all of it), or a box in pixels.

    Raises:
        AdjustmentError: It is none of these.
    """
    said = " ".join(text.lower().split())
    if said in (CHOSEN, EVERYWHERE):
        return said
    if _NUMBERS.fullmatch(said):
        return _base(said)
    raise AdjustmentError(
        f'A close-up is auto, off, or LEFT,TOP,WIDTH,HEIGHT in pixels, not "{short(text)}".'
    )


def is_close_up(text: str) -> bool:
    """Say whether that is what of a picture a model may be shown."""
    try:
        return bool(close_up(text))
    except AdjustmentError:
        return False


def _base(text: str) -> str:
    if box := _NUMBERS.fullmatch(text):
        left, top, width, height = map(int, box.groups())
        if width and height:
            return f"{left},{top},{width},{height}"
    elif _HASH.fullmatch(text) or (_is_name(text) and text != EVERYWHERE):
        return text
    raise AdjustmentError(
        "A region is LEFT,TOP,WIDTH,HEIGHT in pixels, words for a thing in the picture, or off, "
        f'not "{short(text)}".'
    )


def _is_name(text: str) -> bool:
    return len(text) <= LONGEST_WORDS and re.fullmatch(r"[^\W\d_][^\d;#@/\\]*", text) is not None


def is_region(text: str) -> bool:
    """Say whether that is a region."""
    try:
        return bool(region(text))
    except AdjustmentError:
        return False


def correction(text: str) -> Correction | None:
    """Read how a region is corrected, as people say it: "a bit to the left"; None for the rest."""
    text = " ".join(text.lower().split())
    if said := _SAID_OF_SIZE.fullmatch(text.strip(" .!")):
        return Correction("larger" if said[0].endswith("small") else "smaller")
    for kind, words in _SAID.items():
        pattern = rf"{_START}{_AMOUNT}(?:{words})(?: (?P<after>{_LITTLE}))?{_END}"
        if said := re.fullmatch(pattern, text):
            little = said["little"] or said["after"]
            return Correction(kind, "slightly" if little else "much" if said["much"] else "")
    if _OTHER.fullmatch(text):
        return Correction("other")
    if said := _NOT.fullmatch(text):
        return Correction("not", words=said["words"])
    if said := _AND.fullmatch(text):
        return Correction("and", words=said["words"] or said["too"])
    return None


def parts_of(value: str) -> tuple[str, tuple[Correction, ...]]:
    """Return the base of a region and its corrections."""
    base, *said = value.split("; ")
    return base, tuple(read for one in said if (read := correction(one)) is not None)


def corrected(value: str, how: Correction) -> str:
    """Return a region with one more correction."""
    return f"{value}; {how}"


def box_of(value: str) -> Box | None:
    """Return a region's box, if its base is one."""
    numbers = _NUMBERS.fullmatch(parts_of(value)[0])
    if numbers is None:
        return None
    left, top, width, height = map(int, numbers.groups())
    return left, top, width, height


def shares(box: Box, size: Size) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of a box in shares of a picture.

    Raises:
        AdjustmentError: It does not lie inside the picture.
    """
    (wide, high), (left, top, width, height) = size, box
    if left + width > wide or top + height > high:
        raise AdjustmentError(
            f"The region {written(box)} does not lie inside the picture, which is {wide}x{high}; "
            "choose another, or off"
        )
    return left / wide, top / high, (left + width) / wide, (top + height) / high


def written(box: Iterable[int]) -> str:
    """Write a box as it is written everywhere."""
    return ",".join(map(str, box))


@dataclass(frozen=True)
class Move:
    """A plain operation that moved pixels, with the sizes of the picture before and after."""

    name: str
    value: str
    before: Size
    after: Size

    @property
    def matrix(self) -> Matrix:
        """Where a point (x, y, 1) of the picture before is in the picture after. Shape: (3, 3)."""
        import numpy as np

        (wide, high), (width, height) = self.before, self.after
        match self.name:
            case "crop":
                left, top = (wide - width) // 2, (high - height) // 2
                if ":" not in self.value:
                    left, top, *_ = map(int, self.value.split(","))
                return _shifted(-left, -top)
            case "resize":
                return np.diag([width / wide, height / high, 1.0])
            case "flip" if self.value == "horizontal":
                return _shifted(wide, 0) @ np.diag([-1.0, 1.0, 1.0])
            case "flip":
                return _shifted(0, high) @ np.diag([1.0, -1.0, 1.0])
        around = _shifted(-wide / 2, -high / 2)
        return _shifted(width / 2, height / 2) @ _turned(float(self.value)) @ around


def _shifted(x: float, y: float) -> Matrix:
    import numpy as np

    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def _turned(degrees: float) -> Matrix:
    """Turn clockwise, where y points down; by quarters exactly."""
    import numpy as np

    angle = np.deg2rad(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    if degrees % QUARTER == 0:
        cos, sin = np.round(cos), np.round(sin)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def moved(box: Box, way: Matrix, size: Size) -> Box | None:
    """Return where a box of one picture is in another: the smallest box around it.

    Args:
        box: In the one.
        way: From points of the one to points of the other.
        size: Of the other.

    Returns:
        None if nothing of it lies there.
    """
    import numpy as np

    left, top, width, height = box
    corners = np.array([[x, y, 1.0] for x in (left, left + width) for y in (top, top + height)])
    there = (way @ corners.T)[:2].round(6)
    low = np.clip(np.floor(there.min(axis=1)), 0, size).astype(int)
    high = np.clip(np.ceil(there.max(axis=1)), 0, size).astype(int)
    wide, tall = (high - low).tolist()
    return (int(low[0]), int(low[1]), wide, tall) if wide > 0 and tall > 0 else None
