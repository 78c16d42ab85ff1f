"""Close-ups: where a region is small in a large picture, the model works on a crop around it.

The crop is edited at the size the model is best at, carried up into its full size, and pasted back;
outside it no pixel changes. Latents that come out of it are of the crop, and serve only a next edit
of the same crop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from tools import provenance
from tools.full_size import at_working_size, working_size
from tools.pictures import PictureStore

if TYPE_CHECKING:
    from editing_core.editor import Picture
    from editing_core.models.base import Model, ModelSpec
    from editing_core.models.canvas import Canvas
    from editing_core.settings import Bounds

MARGIN = 1 / 4  # of the region's longer side, on each side: what surrounds the change
WORTHWHILE = 0.7  # of the picture's longer side; a larger crop shows the model hardly more

Box = tuple[int, int, int, int]
"""Left, top, right and bottom, in pixels of the full picture."""
Sides = tuple[float, float]
"""Width and height, in pixels of the full picture."""


def close_up(spec: ModelSpec, size: tuple[int, int], bounds: Bounds | None) -> Box:
    """Return the crop that a model should see of a picture; all of it where that is no worse.

    Args:
        spec: The model.
        size: Width and height of the picture, in pixels.
        bounds: The region, in shares of the picture; None for everywhere.
    """
    whole = (0, 0, *size)
    least, most = spec.sizes
    if bounds is None or max(size) <= most:  # it sees all pixels as they are
        return whole
    left, top, right, bottom = (
        share * side for share, side in zip(bounds, (*size, *size), strict=True)
    )
    sides = _sides((right - left, bottom - top), size, spec.sizes)
    if max(sides) > WORTHWHILE * max(size):
        return whole
    x = _start((left + right) / 2, sides[0], size[0])
    y = _start((top + bottom) / 2, sides[1], size[1])
    return x, y, x + sides[0], y + sides[1]


def _sides(region: Sides, size: tuple[int, int], good: tuple[int, int]) -> tuple[int, int]:
    """Return width and height of a crop that shows a region and what surrounds it.

    For a model that knows squares only it is one, if the region has room in such.
    """
    least, most = good
    margin = MARGIN * max(region)
    wanted = [max(side + 2 * margin, least) for side in region]
    if least == most:
        wanted = [min(max(wanted), max(min(size), *region))] * 2
    width, height = (min(round(side), full) for side, full in zip(wanted, size, strict=True))
    return width, height


def _start(middle: float, side: int, full: int) -> int:
    """Where a stretch of so many pixels around a middle begins, inside a side."""
    return min(max(round(middle - side / 2), 0), full - side)


@dataclass(frozen=True, eq=False)
class Seen:
    """What the model sees of the pictures of a chain: a crop, at the size it works at.

    Attributes:
        store: Where they lie.
        box: The crop.
        canvas: The size at which the model works.
    """

    store: PictureStore
    box: Box
    canvas: Canvas

    def named(self, name: str, picture: Picture) -> Picture:
        """Return a stored picture, with its latents if they are of the same crop."""
        recipe = provenance.read(self.store.path(name)) if picture.latents is not None else None
        made_in = (recipe or {}).get("crop") or (0, 0, *picture.image.size)
        return self.picture(picture, tuple(made_in))

    def picture(self, picture: Picture, made_in: tuple[int, ...] | None = None) -> Picture:
        """Return a picture.

        Args:
            picture: At full size.
            made_in: The crop that its latents are of; all of it if left out.
        """
        from editing_core.editor import Picture

        whole = (0, 0, *picture.image.size)
        image = picture.image if self.box == whole else picture.image.crop(self.box)
        latents = picture.latents if self.box == (made_in or whole) else None
        size = (self.canvas.width, self.canvas.height)
        return at_working_size(Picture(image, latents), size, self.canvas.tokens)


@dataclass(frozen=True)
class Framing:
    """How much of a picture the model is shown, and how large.

    Attributes:
        working: Width and height in pixels at which the model works; None chooses.
        crop: What it sees of the picture; None chooses.
        close_ups: Whether a crop may be chosen; else it is all of the picture.
    """

    working: tuple[int, int] | None = None
    crop: Box | None = None
    close_ups: bool = True

    def of(
        self, store: PictureStore, model: Model, size: tuple[int, int], bounds: Bounds | None
    ) -> Seen:
        """Return what a model is shown of pictures of some size, of which a region may change."""
        box = self.crop or close_up(model.spec, size, bounds if self.close_ups else None)
        working = self.working or working_size(model.spec, (box[2] - box[0], box[3] - box[1]))
        return Seen(store, box, model.canvas(*working))


CHOSEN = Framing()


def bounds_in(box: Box, size: tuple[int, int], bounds: Bounds | None) -> Bounds | None:
    """Return a region in shares of a crop instead of the picture's."""
    if bounds is None or box == (0, 0, *size):
        return bounds
    left, top, right, bottom = box
    x, y = (
        tuple(min(max((share * full - low) / (high - low), 0.0), 1.0) for share in shares)
        for shares, full, low, high in (
            (bounds[0::2], size[0], left, right), (bounds[1::2], size[1], top, bottom),
        )
    )  # fmt: skip
    return x[0], y[0], x[1], y[1]


def pasted(full: Image.Image, made: Image.Image, box: Box) -> Image.Image:
    """Return the full picture with a crop of it in place."""
    if made.size == full.size:
        return made
    whole = full.convert("RGB")
    whole.paste(made, box)
    return whole


def mask_in(size: tuple[int, int], mask: Image.Image, box: Box) -> Image.Image:
    """Return a crop's mask as one of the whole picture: 0 outside."""
    if box == (0, 0, *size):
        return mask
    whole = Image.new("L", size, 0)
    crop = (box[2] - box[0], box[3] - box[1])
    whole.paste(mask.convert("L").resize(crop, Image.Resampling.BILINEAR), box)
    return whole
