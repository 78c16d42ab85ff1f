"""Pictures of any size: the model works at the size it is good at, the person's picture stays.

An edit at working size is carried up into the full picture. Where the mask of the edit is zero the
full picture stays as it is to the last bit. Elsewhere it gets what the model drew, enlarged, and
keeps its own fine detail as far as the model left it alone: with ``b`` and ``a`` the working
pictures before and after, ``E`` for enlarging, ``f`` the full picture, ``m`` the mask and ``w`` how
much was changed (0 to 1), the result is ``f + m (E a - E b - w (f - E b))``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from editing_core.editor import Picture
    from editing_core.models.base import ModelSpec

BAND = 256  # rows of the full picture that are worked on at a time, so that memory stays small
FAINT, CLEAR = 8.0, 40.0  # of 255; changes below keep all of the detail, changes above none

Floats = NDArray[np.float32]
Box = tuple[float, float, float, float]


def working_size(spec: ModelSpec, size: tuple[int, int]) -> tuple[int, int]:
    """Return the size, in pixels, at which a model edits a picture of some size.

    It is the picture's own where the model is good at that. Otherwise the longer side is brought
    into its range, then the shorter, which may change the aspect ratio of very long pictures and
    of all that a model for squares edits.
    """
    least, most = spec.sizes
    if least <= min(size) and max(size) <= most:
        return size
    scale = min(most / max(size), 1.0)
    scale = max(scale, least / min(size))
    width, height = (_fitted(side * scale, least, most, spec.token_side) for side in size)
    return width, height


def _fitted(side: float, least: int, most: int, step: int) -> int:
    return min(max(round(side / step) * step, least), most)


def at_working_size(picture: Picture, size: tuple[int, int], tokens: int) -> Picture:
    """Return a picture at working size.

    Args:
        picture: At full size; its latents, if it has any, are of the size they were made at.
        size: Width and height in pixels.
        tokens: How many image tokens the model has at that size; other latents are left out.
    """
    from editing_core.editor import Picture

    image, latents = picture.image, picture.latents
    if image.size != size:
        image = image.convert("RGB").resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return Picture(image, latents if latents is not None and latents.shape[1] == tokens else None)


def carried_up(
    full: Image.Image, before: Image.Image, after: Image.Image, mask: Image.Image | None
) -> Image.Image:
    """Carry an edit up into the full picture; see the module.

    Args:
        full: RGB picture.
        before: It at working size.
        after: What the edit made of that.
        mask: "L", of the working size: where the edit may act; None for everywhere.
    """
    made = np.array(full.convert("RGB"))
    mask = mask.convert("L") if mask is not None else Image.new("L", before.size, 255)
    for top in range(0, full.height, BAND):
        rows = slice(top, min(top + BAND, full.height))
        share = _enlarged(mask, full.size, rows) / 255
        if not share.any():
            continue
        was, now = (_enlarged(picture, full.size, rows) for picture in (before, after))
        own = made[rows].astype(np.float32)
        weight = how_changed(np.abs(now - was).max(axis=2, keepdims=True))
        moved = own + share * (now - was - weight * (own - was))
        made[rows] = np.where(share > 0, np.clip(moved.round(), 0, 255), own).astype(np.uint8)
    return Image.fromarray(made)


def how_changed(difference: NDArray[Any]) -> NDArray[Any]:
    """Return how much was changed, from 0 to 1, by differences of levels from 0 to 255."""
    weight: NDArray[Any] = np.clip((difference - FAINT) / (CLEAR - FAINT), 0, 1)
    return weight


def _enlarged(small: Image.Image, size: tuple[int, int], rows: slice) -> Floats:
    """Enlarge some rows of a picture to their place in a size: (rows, width, channels)."""
    scale = small.height / size[1]
    box: Box = (0.0, rows.start * scale, float(small.width), min(rows.stop * scale, small.height))
    how = Image.Resampling.BILINEAR if small.mode == "L" else Image.Resampling.BICUBIC
    bands = [band.convert("F") for band in small.split()]  # 8 bits would be clipped on the way
    made = [band.resize((size[0], rows.stop - rows.start), how, box) for band in bands]
    return np.stack([np.asarray(band, np.float32) for band in made], axis=2)
