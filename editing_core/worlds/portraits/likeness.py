"""Whether a picture looks like the drawing of what the classifier names in it, wherever that is.

The classifier learned from drawings, and calls some photographs of people portraits. Drawn again
from what it names, at the place on the canvas that suits best, a portrait looks like itself; a
photograph does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from PIL import Image

from editing_core.portraits.likeness import SAME, correlation, pixels_of
from editing_core.portraits.schema import Attributes, Identity, Portrait
from editing_core.worlds.portraits.drawing import Place, draw

SIDE = 48  # pixels of the shorter side at which places are tried
PLACES = tuple(
    Place(scale, x, y)
    for scale, x, y in product((1.0, 0.8, 0.6), (0.0, -0.8, -0.4, 0.4, 0.8), (0.0, 0.5, 1.0))
    if scale < 1 or not y
)
"""Where a person may be, those who fill the picture first."""


def placed(image: Image.Image, attributes: Mapping[str, str]) -> bool:
    """Say whether a picture may show a portrait with some attributes, at any of ``PLACES``.

    Args:
        image: Of any size.
        attributes: What is seen in it; what is not there is as in ``Attributes``.
    """
    portrait = Portrait(Attributes(**attributes), Identity())
    scale = SIDE / min(image.size)
    size = (max(1, round(scale * image.width)), max(1, round(scale * image.height)))
    seen = pixels_of(image)
    drawings = (pixels_of(draw(portrait, size, place)) for place in PLACES)
    return any(correlation(seen, drawn) >= SAME for drawn in drawings)
