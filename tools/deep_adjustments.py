"""Plain operations on a person's own pixels: by Pillow in 8 bits, by the same formulas in 16."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tools.adjustments import LUMA, adjusted, warmth_gains
from tools.operations import MOVING, leaves_corners
from tools.own_pixels import DEEP, OwnPixels, Samples

MOST = 65535.0  # level of a 16-bit sample
NEAR = ((1, 1, 1), (1, 5, 1), (1, 1, 1))  # Pillow's kernel SMOOTH, before it is divided by its sum

Floats = NDArray[np.float32]


def own_adjusted(own: OwnPixels, name: str, value: str, mask: Image.Image | None) -> OwnPixels:
    """Return own pixels after one operation; see `tools.adjustments.adjusted`.

    Corners that a rotation leaves empty are transparent.

    Raises:
        AdjustmentError: The result would be too small or too large.
    """
    if leaves_corners(name, value) and own.samples.shape[2] == len("RGB"):
        opaque = np.full_like(own.samples[..., :1], np.iinfo(own.samples.dtype).max)
        own = replace(own, samples=_stacked(own.samples, opaque))
    if name in MOVING:
        return replace(own, samples=_moved(own, name, value))
    colors, alpha = own.samples[..., :3], own.samples[..., 3:]
    if name == "blur" or own.bits != DEEP:
        image = own.eight_bits.convert("RGB")
        made: Samples = np.asarray(adjusted(image, name, value, mask))
        if own.bits == DEEP:  # Pillow blurs 8 bits only, and no eye sees more in a blur
            made = _blurred(colors, made.astype(np.uint16) * 257, np.asarray(image), mask)
        return replace(own, samples=_stacked(made, alpha))
    toned = np.clip(_toned(colors.astype(np.float32), name, value).round(), 0, MOST)
    return replace(own, samples=_stacked(toned.astype(np.uint16), alpha))


def _stacked(colors: Samples, alpha: Samples) -> Samples:
    return cast("Samples", np.concatenate([colors, alpha], axis=2))


def _moved(own: OwnPixels, name: str, value: str) -> Samples:
    """Move pixels; where they are mixed, colours count as much as they are opaque."""
    if own.bits != DEEP:
        return np.asarray(adjusted(own.eight_bits, name, value))
    if name in ("crop", "flip", "rotate") and not leaves_corners(name, value):
        bands = (Image.fromarray(plane) for plane in np.moveaxis(own.samples, 2, 0).copy())
        return np.stack([np.asarray(adjusted(band, name, value)) for band in bands], axis=2)
    planes = [own.samples[..., band].astype(np.float32) for band in range(own.samples.shape[2])]
    if len(planes) > len("RGB"):
        planes = [*(plane * planes[3] / MOST for plane in planes[:3]), planes[3]]
    moved = [np.asarray(adjusted(Image.fromarray(plane), name, value)) for plane in planes]
    if len(moved) > len("RGB"):
        share = np.maximum(moved[3], 1) / MOST
        moved = [*(plane / share for plane in moved[:3]), moved[3]]
    made: NDArray[np.float32] = np.clip(np.stack(moved, axis=2).round(), 0, MOST)
    return made.astype(np.uint16)


def _blurred(own: Samples, blurred: Samples, shown: Samples, mask: Image.Image | None) -> Samples:
    """Take the blurred pixels where they differ from what was shown, all others as they were."""
    same = (blurred // 257 == shown).all(axis=2, keepdims=True)
    if mask is not None:
        same |= np.asarray(mask.convert("L").resize((own.shape[1], own.shape[0])))[..., None] == 0
    return np.where(same, own, blurred)


def _toned(colors: Floats, name: str, value: str) -> Floats:
    """Do what Pillow's enhancers do: mix a picture with a plainer one, in floats."""
    amount = 1 + int(value or 0) / 100
    if name == "warmth":
        return colors * np.array(warmth_gains(value), np.float32)
    plain: dict[str, Callable[[Floats], Floats]] = {
        "brightness": np.zeros_like,
        "contrast": lambda held: np.full_like(held, _luma(held).mean()),
        "saturation": _luma,
        "sharpness": _smoothed,
        "grayscale": _luma,
    }
    from_here = plain[name](colors)
    share = 0.0 if name == "grayscale" else amount
    mixed: Floats = from_here + np.float32(share) * (colors - from_here)
    return mixed


def _luma(colors: Floats) -> Floats:
    luma = (colors @ np.array(LUMA, np.float32))[..., None]
    return np.repeat(luma, 3, axis=2)


def _smoothed(colors: Floats) -> Floats:
    """Mix each pixel with its eight neighbours; those of the border stay, as Pillow leaves them."""
    height, width = colors.shape[0] - 2, colors.shape[1] - 2
    total = np.zeros_like(colors[1:-1, 1:-1])
    for down, row in enumerate(NEAR):
        for right, share in enumerate(row):
            total += share * colors[down : down + height, right : right + width]
    made = colors.copy()
    made[1:-1, 1:-1] = total / sum(map(sum, NEAR))
    return made
