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
WORTHWHILE = 0.7  # of the picture's side; a larger crop shows the model hardly more

Box = tuple[int, int, int, int]
"""Left, top, right and bottom, in pixels of the full picture."""


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
    width, height = right - left, bottom - top
    margin = MARGIN * max(width, height)
    sides = [max(side + 2 * margin, least) for side in (width, height)]
    if least == most:  # it knows squares only
        sides = [max(sides)] * 2
    if max(side / full for side, full in zip(sides, size, strict=True)) > WORTHWHILE:
        return whole
    x, y = (
        _start((low + high) / 2, side, full)
        for low, high, side, full in (
            (left, right, sides[0], size[0]), (top, bottom, sides[1], size[1]),
        )
    )  # fmt: skip
    return x, y, x + round(sides[0]), y + round(sides[1])


def _start(middle: float, side: float, full: int) -> int:
    """Where a stretch of so many pixels around a middle begins, inside a side."""
    return min(max(round(middle - side / 2), 0), full - round(side))


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
