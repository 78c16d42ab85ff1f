"""How far two pictures of one size are apart: noise, structure, place, colour."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

IDENTICAL = 99.0  # dB; what is said of equal pictures
WINDOW = 7  # pixels; the usual side of SSIM's window

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def pixels_of(image: Image.Image) -> Floats:
    """Return the 8-bit levels of a picture. Shape: (height, width, 3)."""
    return np.asarray(image.convert("RGB"), dtype=np.float64)


def psnr(a: Image.Image, b: Image.Image) -> float:
    """Return the peak signal-to-noise ratio of two pictures in dB, `IDENTICAL` at most."""
    return psnr_of(pixels_of(a), pixels_of(b))


def psnr_of(a: Floats, b: Floats) -> float:
    """Return the same of arrays of 8-bit levels of one shape."""
    error = float(((a - b) ** 2).mean())
    return min(IDENTICAL, 10 * math.log10(255**2 / error)) if error else IDENTICAL


def ssim_map(a: Floats, b: Floats) -> Floats:
    """Structural similarity at every pixel (Wang et al. 2004, uniform window).

    Args:
        a: Gray levels, 0 to 255. Shape: (height, width).
        b: The same of the other picture.

    Returns:
        Shape: (height, width), at most 1.
    """
    mean_a, mean_b = box_mean(a), box_mean(b)
    var_a, var_b = box_mean(a * a) - mean_a**2, box_mean(b * b) - mean_b**2
    both = box_mean(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    above = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    result: Floats = above / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return result


def box_mean(values: Floats, side: int = WINDOW) -> Floats:
    """Return the mean over a side x side window at every pixel, edges replicated."""
    half = side // 2
    padded = np.pad(values, ((half + 1, half), (half + 1, half)), mode="edge")
    total = padded.cumsum(axis=0).cumsum(axis=1)
    window = total[side:, side:] - total[:-side, side:] - total[side:, :-side]
    result: Floats = (window + total[:-side, :-side]) / side**2
    return result


def widened(mask: Bools, by: int) -> Bools:
    """Return a mask grown by some pixels on every side."""
    grown: Bools = box_mean(mask.astype(np.float64), 2 * by + 1) > 1e-9
    return grown


def shift(a: Floats, b: Floats, but: Bools | None = None) -> float:
    """Return how far ``b`` is moved against ``a``, in whole pixels, by phase correlation.

    Args:
        a: Gray levels. Shape: (height, width).
        b: The same of the other picture.
        but: Where they may differ for another reason; filled with the mean of the rest.
    """
    if but is not None and not but.all():
        a, b = (np.where(but, gray[~but].mean(), gray) for gray in (a, b))
    fade = np.outer(np.hanning(a.shape[0]), np.hanning(a.shape[1]))  # borders fade out
    spectrum_a = np.fft.fft2((a - a.mean()) * fade)
    spectrum_b = np.fft.fft2((b - b.mean()) * fade)
    cross = spectrum_a * np.conj(spectrum_b)
    if not np.abs(cross).max() > 1e-6:
        return 0.0
    peak = np.fft.ifft2(cross / np.maximum(np.abs(cross), 1e-9)).real
    row, column = (int(i) for i in np.unravel_index(int(peak.argmax()), peak.shape))
    rows, columns = peak.shape
    return float(np.hypot(min(row, rows - row), min(column, columns - column)))


def color_difference(a: Floats, b: Floats) -> float:
    """Return CIE 1976's difference Delta E of the mean colours of two sets of sRGB pixels.

    Args:
        a: 8-bit levels. Shape: (..., 3).
        b: The same of the other picture.
    """
    means = (_lab(levels.reshape(-1, 3)).mean(axis=0) for levels in (a, b))
    return float(np.linalg.norm(np.subtract(*means)))


def _lab(levels: Floats) -> Floats:
    """CIE L*a*b* (D65) of sRGB levels, (n, 3), by IEC 61966-2-1 and CIE 15."""
    s = levels / 255
    linear = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _XYZ_OF_RGB.T / _XYZ_OF_RGB.sum(axis=1)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


_XYZ_OF_RGB = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)
