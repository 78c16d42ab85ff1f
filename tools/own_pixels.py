"""A person's own pixels, beside the 8-bit sRGB that models see: 16 bits, colour profile, alpha.

A model sees ``shown``. What it changes there is carried over to the own pixels: with ``b`` and
``a`` what was shown before and after, ``T`` from sRGB to the own colours, ``f`` the own pixels and
``w`` how much was changed (0 to 1, as in `tools.full_size`), they become
``f + T a - T b - w (f - T b)``. Where nothing changed they stay as they are to the last bit.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tools import deep_files
from tools.alpha import OPAQUE, alpha_of, given_back, on_white
from tools.fast_png import Deep, own_png, png_bytes
from tools.full_size import BAND, how_changed
from tools.profiles import from_srgb, is_broken, is_srgb, name_of, to_srgb, usable

Samples = NDArray[np.uint8] | NDArray[np.uint16]
DEEP, SHALLOW = 16, 8  # bits a channel


@dataclass(frozen=True, eq=False)
class OwnPixels:
    """Pixels as a file has them, upright.

    Attributes:
        samples: (height, width, 3 or 4), of 8 or 16 bits; the fourth is how opaque a pixel is.
        profile: ICC profile that tells what they mean; empty for sRGB.
    """

    samples: Samples
    profile: bytes = b""

    @property
    def bits(self) -> int:
        """Bits a channel."""
        return DEEP if self.samples.dtype == np.uint16 else SHALLOW

    @property
    def eight_bits(self) -> Image.Image:
        """The same in 8 bits, "RGB" or "RGBA", in its own colours."""
        held = self.samples if self.bits == SHALLOW else self.samples >> SHALLOW
        return Image.fromarray(held.astype(np.uint8))

    @property
    def alpha(self) -> Image.Image | None:
        """How opaque each pixel is, as an "L" picture; None where all are wholly so."""
        if self.samples.shape[2] == len("RGB"):
            return None
        alpha = self.eight_bits.getchannel("A")
        return None if alpha.getextrema() == (OPAQUE, OPAQUE) else alpha

    def shown(self) -> Image.Image:
        """Return what a model sees: 8-bit sRGB, on white."""
        image = to_srgb(self.eight_bits, self.profile)[0]
        alpha = self.alpha
        return on_white(image, alpha) if alpha else image.convert("RGB")

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of all of it."""
        told = f"{self.samples.shape} {self.samples.dtype} {len(self.profile)}\n".encode()
        digest = hashlib.sha256(told + self.profile)
        digest.update(np.ascontiguousarray(self.samples).data)
        return digest.digest()

    def told(self, bits: int) -> str:
        """Say what is kept, in words for the person.

        Args:
            bits: A channel in the file, of which a HEIC has fewer than 16.
        """
        kept = [f"its {bits} bits a channel"] if self.bits == DEEP else []
        kept += [f"its colours in {name_of(self.profile)}"] if self.profile else []
        return " and ".join(kept)

    def png(self) -> bytes:
        """Return them as a PNG, which ``read`` reads."""
        return png_bytes(self.samples, self.profile)

    def changed(self, before: Image.Image, after: Image.Image) -> OwnPixels:
        """Carry over what was changed in what is shown; see the module.

        Args:
            before: What ``shown`` returns.
            after: "RGB", of the same size.
        """
        made = self.samples.copy()
        for top in range(0, before.height, BAND):
            box = (0, top, before.width, min(top + BAND, before.height))
            was, now = before.crop(box), after.crop(box)
            if was.tobytes() != now.tobytes():
                made[top : box[3]] = _carried(made[top : box[3]], self.profile, was, now)
        return replace(self, samples=made)


def _carried(own: Samples, profile: bytes, was: Image.Image, now: Image.Image) -> Samples:
    gap = np.abs(np.asarray(now, np.float32) - np.asarray(was, np.float32)).max(axis=2)
    gap = gap[..., None]
    weight = how_changed(gap)
    touched = gap > 0
    scale = np.iinfo(own.dtype).max // 255  # 257 for 16 bits
    if own.shape[2] == 4:
        opaque = (own[..., 3] // scale).astype(np.uint8)
        seen = Image.fromarray(opaque)
        was, now = (given_back(image, seen).convert("RGB") for image in (was, now))
        touched &= opaque[..., None] > 0
    old, new = (np.asarray(from_srgb(image, profile), np.float32) * scale for image in (was, now))
    colors = own[..., :3].astype(np.float32)
    moved = colors + new - old - weight * (colors - old)
    made = own.copy()
    made[..., :3] = np.where(touched, np.clip(moved.round(), 0, 255 * scale), colors)
    return made


def own_pixels(image: Image.Image, profile: bytes, deep: Deep | None) -> OwnPixels | None:
    """Return a picture's own pixels if they are more than 8-bit sRGB, and can be kept.

    Kept are 16 bits a channel of PNG and TIFF, 10 and 12 of HEIC, colour profiles of RGB, and
    transparency.

    Args:
        image: Upright, as decoded.
        profile: ICC profile of its file; empty for none.
        deep: Its samples, if they have 16 bits.
    """
    grey = image.mode.startswith(("I", "F", "L"))
    profile = b"" if is_srgb(profile) or is_broken(profile) else profile
    if image.mode in ("CMYK", "LAB", "HSV", "RGBa") or (profile and (grey or not usable(profile))):
        return None
    if deep is not None:
        return OwnPixels(deep, profile)
    alpha = alpha_of(image)
    if image.mode.startswith(("I", "F")) or not (profile or alpha):
        return None
    return OwnPixels(np.asarray(image.convert("RGBA" if alpha else "RGB")), profile)


def read(path: Path) -> OwnPixels | None:
    """Return what ``OwnPixels.png`` wrote to a file; None where nothing can be read."""
    try:
        if (held := own_png(path.read_bytes())) is not None:
            return OwnPixels(*held)
        deep = deep_files.read_deep(path, np.inf)
        with Image.open(path) as image:
            profile = image.info.get("icc_profile") or b""
            return OwnPixels(np.asarray(image) if deep is None else deep, profile)
    except Exception:  # decoders raise all kinds
        return None
