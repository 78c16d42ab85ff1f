"""Whether a picture looks like the drawing of what the classifier names in it.

The classifier learned from drawings, and calls some photographs of people portraits. Drawn again
from what it names, a portrait looks like itself, if the colours are not changed; a photograph does
not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 24  # pixels at which both are compared: where colours lie, not who it is
FAR = 96.0  # of 255; differences beyond count no more, so that one wrong colour does not decide
NEAR = 45.0  # of 255, mean difference: drawn portraits reach 45, photographs lie from 48 to 71
SAME = (
    0.5  # correlation: brighter, darker and harder portraits keep it; photographs have up to 0.47
)

Pixels = NDArray[np.float32]


def alike(picture: Image.Image, drawing: Image.Image) -> bool:
    """Say whether a picture may be another of the same kind as a drawing: near, or correlated.

    Args:
        picture: Of any shape; it is compared stretched to a square, as the classifier sees it.
        drawing: Of what was named in it.
    """
    one, other = (pixels_of(image) for image in (picture, drawing))
    difference = float(np.minimum(np.abs(one - other), FAR).mean())
    return difference <= NEAR or correlation(one, other) >= SAME


def correlation(one: Pixels, other: Pixels) -> float:
    """Return how alike two pictures vary, each channel around its own mean: 1 is the same."""
    a, b = (pixels - pixels.mean(axis=(0, 1)) for pixels in (one, other))
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size else 0.0


def pixels_of(image: Image.Image) -> Pixels:
    """Return a picture of any shape as SIDE x SIDE pixels."""
    small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(small, np.float32)
