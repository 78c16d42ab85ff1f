"""What a picture file tells besides its pixels, and what of that a saved file tells again."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, TiffImagePlugin

from tools.formats import endings

SUFFIXES = {
    "JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif",
    "AVIF": ".avif", "BMP": ".bmp", "JPEG2000": ".jp2", "HEIF": ".heic", "JXL": ".jxl",
}  # fmt: skip
"""Formats of full colour that can be written; what came as any other is saved as PNG."""
UPRIGHT = SRGB = 1
UNCALIBRATED = 0xFFFF
MOST_EXIF = 60_000  # bytes; a JPEG segment holds 65 535
TOLD = {
    "DocumentName", "ImageDescription", "Make", "Model", "Software", "DateTime", "Artist",
    "HostComputer", "Rating", "RatingPercent", "Copyright", "XPTitle", "XPComment", "XPAuthor",
    "XPKeywords", "XPSubject",
}  # fmt: skip
"""Main tags that are kept. Small previews are not: they show the picture before its edits."""
NOT_TOLD = {"MakerNote", "ExifInteroperabilityOffset"}
"""Camera tags left out: notes in a maker's own form may hold previews, and break if moved."""


@dataclass(frozen=True)
class Source:
    """The file that a picture was opened from."""

    suffix: str = ".png"
    """Ending of the format that it is saved in again."""
    exif: bytes = b""
    """EXIF to write again: author, camera, exposure, place; upright and sRGB."""

    alpha: bytes = b""
    """How transparent it was, as `tools.alpha.packed` has it; empty for not at all."""

    def text(self) -> str:
        """Return it as JSON."""
        held = {"exif": self.exif, "alpha": self.alpha}
        told = {name: base64.b64encode(value).decode() for name, value in held.items()}
        return json.dumps({"suffix": self.suffix} | told)

    @classmethod
    def read(cls, path: Path) -> Source:
        """Return what ``text`` wrote to a file; the default where nothing can be read."""
        try:
            held = json.loads(path.read_text("utf-8"))
            alpha = base64.b64decode(held.get("alpha", ""))
            return cls(str(held["suffix"]), base64.b64decode(held["exif"]), alpha)
        except (OSError, ValueError, KeyError, TypeError):
            return cls()


def source_of(image: Image.Image, path: Path, size: tuple[int, int]) -> Source:
    """Note what a picture that comes of an opened one should be saved like.

    Args:
        image: As opened.
        path: Its file; the ending is kept if it is one of the format's.
        size: Of the upright picture.
    """
    form = image.format or ""
    suffix, own = SUFFIXES.get(form, ".png"), path.suffix.lower()
    if SUFFIXES.get(endings().get(own, "")) == suffix:
        suffix = own
    return Source(suffix, _exif(image, size))


def _exif(image: Image.Image, size: tuple[int, int]) -> bytes:
    """Return the EXIF worth keeping, without its "Exif" header; empty if it is broken or huge."""
    try:
        old, new = image.getexif(), Image.Exif()
        camera, place = old.get_ifd(ExifTags.IFD.Exif), old.get_ifd(ExifTags.IFD.GPSInfo)
        main = {tag: value for tag, value in old.items() if ExifTags.TAGS.get(tag) in TOLD}
        if not (main or camera or place):
            return b""
        new.update(main | {ExifTags.Base.Orientation: UPRIGHT})
        kept = {tag: v for tag, v in camera.items() if ExifTags.TAGS.get(tag) not in NOT_TOLD}
        new.get_ifd(ExifTags.IFD.Exif).update(kept | _facts(size))
        if place:
            new.get_ifd(ExifTags.IFD.GPSInfo).update(place)
        held = new.tobytes()
    except Exception:  # Pillow raises many kinds; broken EXIF is no reason to refuse a picture
        return b""
    return held if len(held) <= MOST_EXIF else b""


def uncalibrated(exif: bytes) -> bytes:
    """Return EXIF that says that colours are those of a profile, and not sRGB."""
    if not exif:
        return exif
    told = Image.Exif()
    told.load(exif)
    told.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ColorSpace] = UNCALIBRATED
    return told.tobytes()


def of_size(source: Source, size: tuple[int, int]) -> Source:
    """Return what is noted of a source for a picture of another size."""
    if not source.exif:
        return source
    told = Image.Exif()
    told.load(source.exif)
    told.get_ifd(ExifTags.IFD.Exif).update(_facts(size))
    return replace(source, exif=told.tobytes())


def _facts(size: tuple[int, int]) -> dict[int, Any]:
    """What is true of the pixels, whatever the camera wrote."""
    return {
        ExifTags.Base.ColorSpace: SRGB,
        ExifTags.Base.ExifImageWidth: size[0],
        ExifTags.Base.ExifImageHeight: size[1],
    }


def tiff_tags(exif: bytes, tags: TiffImagePlugin.ImageFileDirectory_v2) -> None:
    """Add EXIF to the tags of a TIFF, which has no block of its own for it."""
    held = Image.Exif()
    held.load(exif)
    for tag, value in held.items():
        inner = tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
        tags[tag] = held.get_ifd(tag) if inner else value
