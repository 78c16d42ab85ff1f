"""Looking at pictures: name what is shown, and measure what an edit did and left alone."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from editing_core import measure
from editing_core.portraits import captions, world

VALUES = world.VALUES
COLORS = world.COLORS
COLOR_OF = captions.COLOR_OF
REMOVABLE = captions.REMOVABLE
kind_of = captions.kind_of
caption = captions.caption
parse = captions.parse
psnr = measure.psnr

WINDOW = 7  # pixels; the usual side of SSIM's window
TOUCHED = 24.0  # of 255; a smoothed mean difference above this counts as changed
MARGIN = 4  # pixels around a change that belong to it
MOST = 0.9  # of the picture; when more than this changed, nothing is left to call outside

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Differences:
    """What lies between two pictures of one size."""

    outside_ssim: float
    """Structural similarity outside the change, 1 = identical."""
    drift: float
    """Shift of mean colour outside the change, in 8-bit levels, the worst channel."""
    shift: float
    """How far the picture outside the change moved, in pixels, by phase correlation."""
    mean: float
    """Mean absolute difference of the whole, in 8-bit levels."""
    changed: float
    """Share of the picture that changed clearly, 0 to 1."""
    changed_inside: float
    """The same of what was meant to change."""
    outside_psnr: float
    """Peak signal-to-noise ratio outside the change, in dB; `measure.IDENTICAL` at most."""


def differences(
    before: Image.Image, after: Image.Image, mask: Image.Image | None = None
) -> Differences:
    """Measure what an edit changed and what it should have left alone.

    Args:
        before: RGB picture.
        after: RGB picture of the same size.
        mask: "L" picture, white where the edit was meant to act; without it the clearly changed
            region counts as meant.

    Raises:
        ValueError: The sizes differ.
    """
    if before.size != after.size:
        raise ValueError(f"sizes differ: {before.size} and {after.size}")
    a = np.asarray(before.convert("RGB"), dtype=np.float64)  # (height, width, 3)
    b = np.asarray(after.convert("RGB"), dtype=np.float64)
    touched = _box(np.abs(a - b).mean(axis=2)) > TOUCHED
    inside = touched if mask is None else _meant(mask, before.size)
    inside = _box(inside.astype(np.float64), 2 * MARGIN + 1) > 1e-9
    outside = ~inside if inside.mean() <= MOST else np.ones_like(inside)
    gray_a, gray_b = a.mean(axis=2), b.mean(axis=2)
    alike = _ssim(gray_a, gray_b)
    if mask is not None:
        gray_a, gray_b = _blanked(gray_a, inside), _blanked(gray_b, inside)
    tint = (b[outside] - a[outside]).mean(axis=0)
    return Differences(
        outside_ssim=float(alike[outside].mean()),
        drift=float(np.abs(tint).max()),
        shift=_shift(gray_a, gray_b),
        mean=float(np.abs(a - b).mean()),
        changed=float(touched.mean()),
        changed_inside=float(touched[inside].mean()) if inside.any() else 0.0,
        outside_psnr=measure.psnr_of(a[outside], b[outside]),
    )


class PortraitEyes:
    """Eyes for the shipped world: the reader's."""

    def describe(self, image: Image.Image) -> str | None:
        """Return the canonical caption of a portrait, or None for any other picture."""
        attributes = self.attributes(image, {})
        return captions.caption(attributes) if attributes else None

    def attributes(self, image: Image.Image, expected: Mapping[str, str]) -> dict[str, str]:
        """Name the attributes a portrait shows; nothing for any other picture."""
        from editing_core.portraits.reader import reader  # torch comes with it

        seen = reader().read(image)
        return seen.attributes if seen.is_portrait else {}

    def happened(self, before: Image.Image, after: Image.Image, source: str, target: str) -> None:
        """Leave it to the attributes."""


def sample_person(seed: int = 7) -> world.Portrait:
    """Return the young woman a chat begins with when no picture is given."""
    return world.Portrait(world.Attributes(), world.sample(random.Random(seed)).identity)


def sample_portrait() -> tuple[Image.Image, str]:
    """Draw her, and caption her fully."""
    return portrait_of({})


def portrait_of(attributes: Mapping[str, str], *, person: int = 7) -> tuple[Image.Image, str]:
    """Draw somebody with some attributes of their own, and caption them fully.

    Args:
        attributes: What differs from the sample's.
        person: Seed of the identity.
    """
    portrait = sample_person(person).with_(**attributes)
    return world.draw(portrait), captions.caption(asdict(portrait.attributes))


def _meant(mask: Image.Image, size: tuple[int, int]) -> Bools:
    resized = mask.convert("L").resize(size, Image.Resampling.NEAREST)
    return np.asarray(resized) > 127


def _box(values: Floats, side: int = WINDOW) -> Floats:
    """Return the mean over a side x side window at every pixel, edges replicated."""
    half = side // 2
    padded = np.pad(values, ((half + 1, half), (half + 1, half)), mode="edge")
    total = padded.cumsum(axis=0).cumsum(axis=1)
    window = total[side:, side:] - total[:-side, side:] - total[side:, :-side]
    result: Floats = (window + total[:-side, :-side]) / side**2
    return result


def _ssim(a: Floats, b: Floats) -> Floats:
    """Structural similarity at every pixel (Wang et al. 2004, uniform window)."""
    mean_a, mean_b = _box(a), _box(b)
    var_a, var_b = _box(a * a) - mean_a**2, _box(b * b) - mean_b**2
    both = _box(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    above = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    result: Floats = above / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return result


def _blanked(gray: Floats, inside: Bools) -> Floats:
    """Fill what may differ with the mean of the rest, so that it moves nothing."""
    if inside.all():
        return gray
    filled: Floats = np.where(inside, gray[~inside].mean(), gray)
    return filled


def _shift(a: Floats, b: Floats) -> float:
    """Phase correlation of two gray pictures, in whole pixels; borders fade out (Hann)."""
    fade = np.outer(np.hanning(a.shape[0]), np.hanning(a.shape[1]))
    spectrum_a = np.fft.fft2((a - a.mean()) * fade)
    spectrum_b = np.fft.fft2((b - b.mean()) * fade)
    cross = spectrum_a * np.conj(spectrum_b)
    if not np.abs(cross).max() > 1e-6:
        return 0.0
    peak = np.fft.ifft2(cross / np.maximum(np.abs(cross), 1e-9)).real
    row, column = (int(i) for i in np.unravel_index(int(peak.argmax()), peak.shape))
    rows, columns = peak.shape
    return float(np.hypot(min(row, rows - row), min(column, columns - column)))
