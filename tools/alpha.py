"""Transparency, which models know nothing of: kept aside when opened, given back when saved."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

OPAQUE = 255
CAN_HOLD = ("PNG", "WEBP", "TIFF", "AVIF", "JPEG2000", "HEIF", "JXL")
"""Formats with room for it; in others the picture stays on white."""


def alpha_of(image: Image.Image) -> Image.Image | None:
    """Return how opaque each pixel is, as an "L" picture; None where all are wholly so."""
    if not image.has_transparency_data:
        return None
    alpha = image.convert("RGBA").getchannel("A")
    return None if alpha.getextrema() == (OPAQUE, OPAQUE) else alpha


def on_white(image: Image.Image, alpha: Image.Image) -> Image.Image:
    """Show a picture as it is seen on white paper."""
    white = Image.new("RGB", image.size, "white")
    return Image.composite(image.convert("RGB"), white, alpha)


def given_back(image: Image.Image, alpha: Image.Image) -> Image.Image:
    """Make a picture transparent again so that on white it looks as it does now.

    The white that was mixed into half transparent edges is taken out of them; where nothing is to
    be seen, colours stay.

    Args:
        image: RGB picture, on white.
        alpha: "L" picture of the same size.
    """
    seen = np.asarray(image, np.float64)
    share = np.asarray(alpha, np.float64)[..., None] / OPAQUE
    own = np.divide(seen - OPAQUE * (1 - share), share, out=seen.copy(), where=share > 0)
    pixels = np.clip(own.round(), 0, OPAQUE).astype(np.uint8)
    made = Image.fromarray(pixels)
    made.putalpha(alpha)
    return made


def packed(alpha: Image.Image | None) -> bytes:
    """Return transparency as the bytes of a PNG; empty for none."""
    if alpha is None:
        return b""
    buffer = io.BytesIO()
    alpha.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def unpacked(held: bytes) -> Image.Image | None:
    """Undo ``packed``; None for what is empty or broken."""
    try:
        with Image.open(io.BytesIO(held)) as image:
            return image.convert("L")
    except Exception:  # decoders raise all kinds
        return None
