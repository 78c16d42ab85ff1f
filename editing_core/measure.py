"""How far two pictures are apart."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

IDENTICAL = 99.0  # dB; what is said of equal pictures


def psnr(a: Image.Image, b: Image.Image) -> float:
    """Return the peak signal-to-noise ratio of two pictures of one size, in dB."""
    x, y = (np.asarray(image.convert("RGB"), dtype=np.float64) for image in (a, b))
    return psnr_of(x, y)


def psnr_of(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    """Return the same of arrays of 8-bit levels, `IDENTICAL` at most."""
    error = float(((a - b) ** 2).mean())
    return min(IDENTICAL, 10 * math.log10(255**2 / error)) if error else IDENTICAL
