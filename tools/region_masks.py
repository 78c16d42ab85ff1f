"""Regions as masks: a small picture laid over a box, as recipes hold it, and its corrections."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tools.arguments import InputError
from tools.mask_shapes import grown, shrunk
from tools.provenance import Recipe
from tools.regions import AMOUNTS, Correction

if TYPE_CHECKING:
    from editing_core.methods.context import GivenRegion
    from editing_core.settings import Bounds

SIDE = 256  # pixels of the longer side of a mask, at most
LONGEST = 200_000  # characters of a mask inside a recipe; those made here have some thousand
INSIDE = 128  # of 255; what is as white belongs to a region
STEP = 0.15  # of the side of a square as large, by which a correction moves the edge, or all of it
SEAM = (64, 3)  # pixels of the longer side of a box's mask, and of the ramp at its edges
LEAST = 4  # pixels of a mask that a region keeps across, however often it is made smaller

Pixels = tuple[int, int, int, int]
"""Left, top, right and bottom, in pixels."""


@dataclass(frozen=True, eq=False)
class RegionMask:
    """Where an edit may act.

    Attributes:
        bounds: The box around it, in shares of the picture.
        mask: "L", laid over that box; None for all of it.
        whole: Whether all of it changes, instead of what of it the prompts disagree about.
        words: The region as the person gave it.
        by: What found it: "box", "clipseg", "prompts" or "mask".
    """

    bounds: Bounds
    mask: Image.Image | None = None
    whole: bool = False
    words: str = ""
    by: str = "box"

    def given(self) -> GivenRegion | None:
        """Return it as the core takes it, beside the box of the settings."""
        from editing_core.methods.context import GivenRegion

        if self.mask is None and not self.whole:
            return None
        return GivenRegion(self.mask or Image.new("L", (1, 1), 255), self.whole)

    def laid_over(self, size: tuple[int, int]) -> Image.Image:
        """Return it as an "L" picture of a size: 0 outside, and smooth at its edge."""
        box = _pixels(self.bounds, size)
        inside = (box[2] - box[0], box[3] - box[1])
        mask = Image.new("L", inside, 255)
        if self.mask is not None:
            mask = self.mask.resize(inside, Image.Resampling.BILINEAR)
        if inside == size:
            return mask
        laid = Image.new("L", size, 0)
        laid.paste(mask, box)
        return laid

    def recipe(self) -> Recipe:
        """Return it as data, which ``read`` reads."""
        held = None
        if self.mask is not None:
            buffer = io.BytesIO()
            self.mask.save(buffer, "PNG", optimize=True)
            held = base64.b64encode(buffer.getvalue()).decode()
        return {"words": self.words, "by": self.by, "whole": self.whole, "mask": held}


class RegionRecipe(BaseModel):
    """A region inside a recipe; its box stands among the settings."""

    model_config = ConfigDict(frozen=True)

    words: str = ""
    by: str = ""
    whole: bool = False
    mask: str | None = Field(default=None, max_length=LONGEST)

    def over(self, bounds: Bounds | None) -> RegionMask:
        """Return the region.

        Raises:
            InputError: It is none.
        """
        try:
            if bounds is None:
                raise ValueError("it has no box")
            mask = None if self.mask is None else _decoded(self.mask)
        except (ValueError, OSError, SyntaxError) as error:
            raise InputError(f"the region of a recipe cannot be read ({error})") from None
        return RegionMask(bounds, mask, self.whole, self.words, self.by)


def _decoded(text: str) -> Image.Image:
    held = base64.b64decode(text, validate=True)
    with Image.open(io.BytesIO(held), formats=["PNG"]) as image:
        if max(image.size) > SIDE or image.mode != "L":
            raise ValueError(f"it is {image.mode}, {image.width}x{image.height}")
        image.load()
        return image.copy()


def words_in(recipe: Recipe) -> str:
    """Return the words of the region that a recipe has, if any."""
    try:
        return RegionRecipe.model_validate(recipe.get("region") or {}).words
    except ValidationError:
        return ""


def around(mask: Image.Image, *, words: str, by: str, whole: bool = False) -> RegionMask | None:
    """Return the region that a mask of the whole picture shows; None if it shows nothing.

    Args:
        mask: "L", of the picture's shape and any size.
        words: See ``RegionMask``, as for the others.
        by: Likewise.
        whole: Likewise.
    """
    found = mask.getbbox()
    if found is None:
        return None
    box = tuple(edge / side for edge, side in zip(found, (*mask.size, *mask.size), strict=True))
    part = mask.crop(found)
    part.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    left, top, right, bottom = box
    return RegionMask((left, top, right, bottom), part, whole, words, by)


def corrected(region: RegionMask, how: Correction, size: tuple[int, int]) -> RegionMask | None:
    """Return a region larger, smaller or elsewhere; all of it is then to change.

    Args:
        region: The region.
        how: One of ``regions.MOVED``.
        size: Of the picture, in pixels.

    Returns:
        None if nothing is left of it.
    """
    if region.mask is None:
        return replace(region, bounds=_moved_box(region.bounds, how), whole=True)
    mask, side = _at_work(region, size)
    step = max(round(AMOUNTS[how.amount] * STEP * side), 1)
    match how.kind:
        case "larger":
            mask = _grown(mask, step)
        case "smaller":
            left, top, right, bottom = mask.getbbox() or (0, 0, 0, 0)
            most = (min(right - left, bottom - top) - LEAST) // 2
            mask = _shrunk(mask, min(step, max(most, 0)))
        case _:
            across = {"left": -step, "right": step}.get(how.kind, 0)
            down = {"up": -step, "down": step}.get(how.kind, 0)
            mask = _shifted(mask, across, down)
    return around(mask, words=region.words, by=region.by, whole=True)


def feathered(region: RegionMask) -> RegionMask:
    """Return a box with a ramp inside its edges, so that no seam shows; a mask as it is.

    Edges along the picture's own have none.
    """
    if region.mask is not None:
        return region
    left, top, right, bottom = region.bounds
    longer, ramp = SEAM
    scale = longer / max(right - left, bottom - top)
    across = _ramp(max(round((right - left) * scale), 4 * ramp), ramp, left > 0, right < 1)
    down = _ramp(max(round((bottom - top) * scale), 4 * ramp), ramp, top > 0, bottom < 1)
    levels = np.minimum(down[:, None], across[None, :])
    return replace(region, mask=Image.fromarray((levels * 255).round().astype(np.uint8)))


def _ramp(length: int, ramp: int, at_start: bool, at_end: bool) -> NDArray[np.float64]:
    """Return a line of ones that falls to 0 at its ends."""
    line = np.ones(length)
    rising = np.arange(ramp) / ramp
    if at_start:
        line[:ramp] = rising
    if at_end:
        line[-ramp:] = rising[::-1]
    return line


def with_margin(region: RegionMask, share: float, size: tuple[int, int]) -> RegionMask:
    """Return a region with a margin around it, a share of its mean side wide."""
    mask, side = _at_work(region, size)
    made = around(_grown(mask, round(share * side)), words=region.words, by=region.by)
    return made or region


def _moved_box(bounds: Bounds, how: Correction) -> Bounds:
    """Return a box with its edges moved outwards or inwards, or elsewhere."""
    left, top, right, bottom = bounds
    step = AMOUNTS[how.amount] * STEP
    x, y = step * (right - left), step * (bottom - top)
    match how.kind:
        case "larger":
            left, top, right, bottom = left - x, top - y, right + x, bottom + y
        case "smaller":
            x, y = min(x, 0.4 * (right - left)), min(y, 0.4 * (bottom - top))
            left, top, right, bottom = left + x, top + y, right - x, bottom - y
        case "left" | "right":
            x = -min(x, left) if how.kind == "left" else min(x, 1 - right)
            left, right = left + x, right + x
        case _:
            y = -min(y, top) if how.kind == "up" else min(y, 1 - bottom)
            top, bottom = top + y, bottom + y
    return max(left, 0.0), max(top, 0.0), min(right, 1.0), min(bottom, 1.0)


def combined(region: RegionMask, other: RegionMask, *, keep: bool) -> RegionMask | None:
    """Return a region with another one added, or taken away from it.

    Args:
        region: The one.
        other: The other.
        keep: Whether it is added.
    """
    shape = (4 * SIDE, 4 * SIDE)
    one, two = (np.asarray(r.laid_over(shape)) for r in (region, other))
    both = np.maximum(one, two) if keep else np.minimum(one, 255 - two)
    return around(Image.fromarray(both), words=region.words, by=region.by, whole=True)


def mirrored(region: RegionMask) -> RegionMask:
    """Return what a region would be on the other side of the picture."""
    left, top, right, bottom = region.bounds
    mask = None if region.mask is None else region.mask.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return replace(region, bounds=(1 - right, top, 1 - left, bottom), mask=mask, whole=True)


def _pixels(bounds: Bounds, size: tuple[int, int]) -> Pixels:
    """Return a box in pixels, of which there is at least one."""
    left, top, right, bottom = (
        round(share * side) for share, side in zip(bounds, (*size, *size), strict=True)
    )
    left, top = min(left, size[0] - 1), min(top, size[1] - 1)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _at_work(region: RegionMask, size: tuple[int, int]) -> tuple[Image.Image, float]:
    """Return a region over the whole picture, made smaller, and the side of a square as large."""
    mask = region.laid_over(_work_size(region.bounds, size))
    return mask, float((np.asarray(mask) >= INSIDE).sum() ** 0.5)


def _work_size(bounds: Bounds, size: tuple[int, int]) -> tuple[int, int]:
    """Return a size of the picture at which a region has about as many pixels as its mask."""
    share = max(bounds[2] - bounds[0], bounds[3] - bounds[1])
    scale = min(SIDE / (share * max(size)), 4 * SIDE / max(size), 1.0)
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def _grown(mask: Image.Image, step: int) -> Image.Image:
    """Move a mask's edge outwards by so many pixels; its smooth edge stays where it is."""
    levels = np.asarray(mask)
    return Image.fromarray(np.where(grown(levels >= INSIDE, step), 255, levels).astype(np.uint8))


def _shrunk(mask: Image.Image, step: int) -> Image.Image:
    return _as_image(shrunk(np.asarray(mask) >= INSIDE, step))


def _as_image(mask: NDArray[np.bool_]) -> Image.Image:
    return Image.fromarray(np.where(mask, 255, 0).astype(np.uint8))


def _shifted(mask: Image.Image, across: int, down: int) -> Image.Image:
    moved = Image.new("L", mask.size, 0)
    moved.paste(mask, (across, down))
    return moved
