"""Judges of edits that are no network: they compare with exact drawings.

The judge of what a picture shows is then not the classifier, which also checks edits in a chat.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image

from editing_core.metrics import Bools, Floats, pixels_of
from editing_core.portraits.schema import VALUES, Portrait
from editing_core.worlds.portraits.drawing import FILLING, Place, draw, face_mask


def distances(picture: Image.Image, drawings: Mapping[str, Image.Image]) -> dict[str, float]:
    """How far a picture is from each drawing, in pixels, where the drawings differ."""
    shown = {name: pixels_of(drawing) for name, drawing in drawings.items()}
    stacked = np.stack(list(shown.values()))
    region = np.ptp(stacked, axis=0).max(axis=-1) > 8
    seen = pixels_of(picture)
    return {name: float(np.abs(seen - drawn)[region].sum()) for name, drawn in shown.items()}


def agrees(picture: Image.Image, truth: Portrait, attribute: str, place: Place = FILLING) -> bool:
    """Whether no other value of an attribute has a drawing that is nearer than the exact one.

    Values that look alike (hair colours in old age) do not matter.
    """
    drawings = {
        value: draw(truth.with_(**{attribute: value}), picture.size, place)
        for value in VALUES[attribute]
    }
    found = distances(picture, drawings)
    return found[getattr(truth.attributes, attribute)] <= min(found.values())


def sharpness(picture: Image.Image, truth: Image.Image, region: Bools) -> float:
    """Gradient energy of a picture in a region, as a share of the exact drawing's."""
    return gradient_energy(pixels_of(picture), region) / gradient_energy(pixels_of(truth), region)


def gradient_energy(image: Floats, region: Bools) -> float:
    """Mean squared difference of neighbouring pixels (H, W, 3) within a region (H, W)."""
    across = (np.diff(image, axis=1) ** 2).sum(-1)[region[:, 1:] & region[:, :-1]]
    down = (np.diff(image, axis=0) ** 2).sum(-1)[region[1:] & region[:-1]]
    return float(np.concatenate([across, down]).mean()) if across.size + down.size else 0.0


def face_error(picture: Image.Image, truth: Portrait, place: Place = FILLING) -> float:
    """Mean absolute difference (0 to 255) to the exact drawing within the face."""
    exact = pixels_of(draw(truth, picture.size, place))
    error = np.abs(pixels_of(picture) - exact)[face_mask(truth, picture.size, place)]
    return float(error.mean())
