"""A stored picture becomes a file for a person: whole or not at all, with metadata or bare."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image, ImageCms, TiffImagePlugin

from tools import provenance
from tools.alpha import CAN_HOLD, given_back, on_white, unpacked
from tools.deep_files import heif_bytes, tiff_bytes
from tools.fast_png import png_bytes
from tools.formats import endings
from tools.metadata import tiff_tags, uncalibrated
from tools.own_pixels import DEEP, OwnPixels
from tools.pictures import LARGE, PictureError
from tools.provenance import Recipe

QUALITY: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0, "optimize": True},  # 0 is 4:4:4
    "WEBP": {"quality": 95, "method": 6},
    "AVIF": {"quality": 90, "subsampling": "4:4:4"},
    "HEIF": {"quality": 90},  # 4:2:0, which is all that many phones show
    "JXL": {"quality": 95, "use_container": True},
}
"""How formats that lose something are written: as much as eyes can tell is kept."""
WITH_EXIF = ("JPEG", "WEBP", "AVIF", "PNG", "HEIF", "JXL")
TOLD_SRGB = ("JPEG", "WEBP", "PNG", "TIFF")
"""Formats that tell by a profile that colours are sRGB; AVIF, HEIC and others always tell."""
WITH_PROFILE = (*TOLD_SRGB, "AVIF", "HEIF")
"""Formats that have room for a person's own profile."""
WITH_DEEP = ("PNG", "TIFF", "HEIF")
"""Formats that are written here with more than 8 bits a channel; HEIC with 10."""
MADE_AT = slice(24, 36)  # when a profile was made, ICC.1:2022, 7.2.8

Sign = Callable[[Path, str, Recipe], None]
"""Signs a file that was written: its path, Pillow's name of its format, and its recipe."""


def save_picture(
    image: Image.Image,
    target: Path,
    *,
    recipe: Recipe | None = None,
    exif: bytes = b"",
    alpha: bytes = b"",
    sign: Sign | None = None,
    own: OwnPixels | None = None,
) -> None:
    """Write a picture in the format that the ending names.

    Args:
        image: RGB picture.
        target: The file; what is there is replaced once the new one is whole.
        recipe: What made the picture; in the file, or beside it where the format has no room.
        exif: To be told again, as ``metadata.Source`` has it.
        alpha: How transparent it is to be, likewise; left out where the format has no room for it.
        own: Its own pixels, in whose bits and colours it is written where the format can.
        sign: Adds Content Credentials; only what was made here is signed.

    Raises:
        PictureError: The ending names no format, or this one cannot be signed.
        OSError: The file cannot be written; nothing is left of it.
    """
    form = format_of(target)
    image = _as_written(image, form, alpha, own)
    packed = provenance.packed(recipe, form) if recipe else {}
    exif = uncalibrated(exif) if own is not None and own.profile else exif
    options = _options(image, form, own) | _told(exif, form, packed or {})

    def write(passing: Path) -> None:
        if own is not None and own.bits == DEEP and form in WITH_DEEP:
            passing.write_bytes(_deep(own, form, options))
        else:
            image.save(passing, **options)
        if sign and recipe:
            sign(passing, form, recipe)

    side = _put_beside(target, recipe if packed is None else None)
    try:
        write_whole(target, write)
    except BaseException:
        side.unlink(missing_ok=True)
        raise


def _options(image: Image.Image, form: str, own: OwnPixels | None) -> dict[str, Any]:
    """What Pillow is told beside the notes: format, quality and colour profile."""
    options: dict[str, Any] = {"format": form} | QUALITY.get(form, {})
    if form == "JPEG" and image.width * image.height > LARGE:
        options["optimize"] = False  # a third of the time, and some percent more room
    if own is not None and own.profile and form in WITH_PROFILE:
        options["icc_profile"] = own.profile
    elif form in TOLD_SRGB:
        options["icc_profile"] = _srgb()
    return options


def _as_written(image: Image.Image, form: str, alpha: bytes, own: OwnPixels | None) -> Image.Image:
    """Return a picture as a format takes it: transparent if it can, in its own colours if it can.

    Its notes are left out, since some formats would write what the stored file told.
    """
    if own is not None and form in WITH_PROFILE:
        seen = own.alpha
        if seen is None or form not in CAN_HOLD:
            return on_white(own.eight_bits, seen) if seen else own.eight_bits.convert("RGB")
        return own.eight_bits
    if form in CAN_HOLD and (seen := unpacked(alpha)) and seen.size == image.size:
        image = given_back(image.convert("RGB"), seen)
    image = image.copy()
    image.info = {}
    return image


def _deep(own: OwnPixels, form: str, options: dict[str, Any]) -> bytes:
    """Return own pixels of 16 bits as a file."""
    if form == "HEIF":
        return heif_bytes(own.samples, {n: v for n, v in options.items() if n != "format"})
    profile = options["icc_profile"]
    if form == "TIFF":
        return tiff_bytes(own.samples, profile, options.get("tiffinfo"))
    return png_bytes(own.samples, profile, options.get("pnginfo"), options.get("exif", b""))


def _put_beside(target: Path, recipe: Recipe | None) -> Path:
    """Write a recipe beside a file, or see that none of a replaced file is left; return where."""
    side = provenance.beside(target)
    side.unlink(missing_ok=True)
    if recipe:
        words = provenance.text(recipe) + "\n"
        write_whole(side, lambda passing: passing.write_text(words, "utf-8"))
    return side


def _told(exif: bytes, form: str, packed: dict[str, Any]) -> dict[str, Any]:
    """Return arguments of ``image.save`` for EXIF beside those for the recipe."""
    if exif and form == "TIFF":
        tags = packed.get("tiffinfo") or TiffImagePlugin.ImageFileDirectory_v2()
        tiff_tags(exif, tags)
        return packed | {"tiffinfo": tags}
    return packed | {"exif": exif} if exif and form in WITH_EXIF else packed


@cache
def _srgb() -> bytes:
    """Return the profile of sRGB, the same bytes whenever it is made."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[MADE_AT] = bytes(MADE_AT.stop - MADE_AT.start)
    return bytes(profile)


def format_of(target: Path) -> str:
    """Return Pillow's name of the format that a file's ending names.

    Raises:
        PictureError: It names none that can be written.
    """
    form = endings().get(target.suffix.lower())
    if form not in Image.SAVE:
        raise PictureError(f"{target.suffix} is no picture format known here; try .png or .jpg.")
    return form


def write_whole(target: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a passing name and move it into place, so that none is ever half."""
    passing = target.with_name(f".{secrets.token_hex(4)}{target.suffix}")
    try:
        write(passing)
        os.replace(passing, target)
    finally:
        passing.unlink(missing_ok=True)
