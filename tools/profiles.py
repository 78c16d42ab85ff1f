"""Colour profiles: what a file's numbers mean, turned into sRGB, which is what models know."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

ALIKE = 2  # of 255: sRGB profiles of different makers differ by rounding
MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # of pixels, for a profile's colour space
CUBE = 6  # colours a side of the cube that profiles are compared by


def to_srgb(image: Image.Image, held: bytes | None) -> tuple[Image.Image, str]:
    """Convert a picture's colours to sRGB where its file has a profile that says otherwise.

    Args:
        image: Of any mode of 8 bits.
        held: The file's ICC profile.

    Returns:
        The picture, and what was done in words for the person; empty for nothing.
    """
    if not held:
        return image, ""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(held))
        mode = MODES[profile.profile.xcolor_space.strip()]
        if (mode == "CMYK") != (image.mode == "CMYK"):
            raise ValueError("the profile is another file's")
        if mode == "RGB" and _is_srgb(profile):
            return image, ""
        made = _converted(image.convert(mode), profile)
        name = ImageCms.getProfileDescription(profile).strip() or "a profile without a name"
    except (ImageCms.PyCMSError, OSError, ValueError, KeyError):
        return image, "its colour profile cannot be used and was left out"
    if image.has_transparency_data:
        made.putalpha(image.convert("RGBA").getchannel("A"))
    return made, f"its colours were converted from {name} to sRGB"


def _converted(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    made = ImageCms.profileToProfile(
        image,
        profile,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert made is not None  # it is only for a conversion in place
    return made


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Say whether a profile leaves a cube of colours where it is."""
    levels = np.linspace(0, 255, CUBE).astype(np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(CUBE, -1, 3)
    seen = np.asarray(_converted(Image.fromarray(cube), profile))
    return bool(np.abs(seen.astype(int) - cube).max() <= ALIKE)
