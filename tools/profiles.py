"""Colour profiles: what a file's numbers mean, turned into sRGB, which is what models know."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

BROKEN = "its colour profile cannot be used and was left out"
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
        profile = _opened(held)
        mode = MODES[profile.profile.xcolor_space.strip()]
        if (mode == "CMYK") != (image.mode == "CMYK"):
            raise ValueError("the profile is another file's")
        if mode == "RGB" and _is_srgb(profile):
            return image, ""
        made = _converted(image.convert(mode), profile)
        name = name_of(held)
    except (ImageCms.PyCMSError, OSError, ValueError, KeyError):
        return image, BROKEN
    if image.has_transparency_data:
        made.putalpha(image.convert("RGBA").getchannel("A"))
    return made, f"its colours were converted from {name} to sRGB"


def from_srgb(image: Image.Image, held: bytes) -> Image.Image:
    """Convert an "RGB" picture from sRGB to the colours of a profile; empty is sRGB.

    Raises:
        PyCMSError: No colour can be converted to that profile.
    """
    if not held:
        return image
    return ImageCms.applyTransform(image, _way_back(held)) or image


@lru_cache(maxsize=4)
def _way_back(held: bytes) -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"),
        _opened(held),
        "RGB",
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


def usable(held: bytes) -> bool:
    """Say whether colours can be converted to a profile, and from it."""
    try:
        white = Image.new("RGB", (1, 1), "white")
        from_srgb(white, held)
        _converted(white, _opened(held))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return False
    return True


def is_srgb(held: bytes) -> bool:
    """Say whether a profile is that of sRGB, whoever made it; none at all is."""
    if not held:
        return True
    try:
        profile = _opened(held)
        return profile.profile.xcolor_space.strip() == "RGB" and _is_srgb(profile)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return False


def is_broken(held: bytes) -> bool:
    """Say whether a profile cannot even be read."""
    try:
        _opened(held)
    except (ImageCms.PyCMSError, OSError):
        return True
    return False


def name_of(held: bytes) -> str:
    """Return what a profile is called."""
    name: str = ImageCms.getProfileDescription(_opened(held)).strip()
    return name or "a profile without a name"


def _opened(held: bytes) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(io.BytesIO(held))


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
