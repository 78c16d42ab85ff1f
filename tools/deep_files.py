"""16 bits a channel, which Pillow decodes to 8: read whole from PNG, TIFF and HEIC, and written so.

Pillow's decoders unpack each 16-bit sample to its high byte. Told that the samples are in the other
byte order they unpack the low bytes, so a file that is decoded twice is known whole. Pillow writes
no such pictures; a PNG is put together in `tools.fast_png`, a TIFF of the tags that Pillow packs
and one strip (TIFF 6.0). A HEIC has 10 or 12 bits, which become 16, and is written with 10. The
library for JPEG XL gives 8 bits of colours, and Pillow's for AVIF, too.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ImageFile, ImageOps, TiffImagePlugin, TiffTags

from tools.fast_png import Deep, deflated
from tools.formats import SHALLOW, open_image

SWAPPED = {
    ";16B": ";16L",
    ";16L": ";16B",
    ";16N": ";16B" if sys.byteorder == "little" else ";16L",
}
KINDS = ("RGB", "RGBA", "RGBX")
EXTRA_SAMPLES = {3: (), 4: (2,)}  # of TIFF, for each count of channels
KINDS_OF_HEIF = {3: "RGB;16", 4: "RGBA;16"}

DEFLATE = 8  # TIFF's number of it
RGB = 2  # TIFF's photometric interpretation
PROFILE_TAG = 34675


def read_deep(path: Path, max_megapixels: float) -> Deep | None:
    """Return the samples of a 16-bit file, upright: (height, width, 3 or 4); None for any other.

    Grey is told three times.
    """
    with open_image(path, max_megapixels=max_megapixels) as image:
        if image.format == "HEIF" and image.info.get("bit_depth", SHALLOW) > SHALLOW:
            return _read_heif(path, image.info["bit_depth"])
        if image.format not in ("PNG", "TIFF") or not isinstance(image, ImageFile.ImageFile):
            return None
        if image.mode.startswith("I;16"):
            grey = ImageOps.exif_transpose(image)
            return np.repeat(np.asarray(grey).astype(np.uint16)[..., None], 3, axis=2)
        raw = {_raw(tile.args) for tile in image.tile}
        if not raw or not all(_kind(words) in KINDS for words in raw):
            return None
        high = np.asarray(ImageOps.exif_transpose(image)).astype(np.uint16)
    with open_image(path, max_megapixels=max_megapixels) as image:
        assert isinstance(image, ImageFile.ImageFile)
        image.tile = [tile._replace(args=_swapped(tile.args)) for tile in image.tile]
        low = np.asarray(ImageOps.exif_transpose(image))
    deep: Deep = (high << 8) | low
    return deep


def _read_heif(path: Path, bits: int) -> Deep | None:
    """Return the samples of a HEIC, whose bits are repeated down to 16, so that white is white."""
    import pillow_heif

    opened = pillow_heif.open_heif(path, convert_hdr_to_8bit=False, hdr_to_16bit=True)
    if opened.mode not in ("RGB;16", "RGBA;16", "I;16", "L;16"):
        return None
    samples = np.array(opened)
    if samples.ndim == 2:  # noqa: PLR2004
        samples = np.repeat(samples[..., None], 3, axis=2)
    deep: Deep = samples | (samples >> bits)
    return deep


def _raw(args: Any) -> str:
    """Return how a tile's samples lie in the file, as Pillow calls it."""
    return str(args if isinstance(args, str) else args[0])


def _kind(raw: str) -> str:
    kind, depth = raw[:-4], raw[-4:]
    return kind if depth in SWAPPED else ""


def _swapped(args: Any) -> Any:
    raw = _raw(args)
    other = raw[:-4] + SWAPPED[raw[-4:]]
    return other if isinstance(args, str) else (other, *args[1:])


def heif_bytes(pixels: Deep, options: dict[str, Any]) -> bytes:
    """Return a HEIC of 10 bits a channel.

    Args:
        pixels: (height, width, 3 or 4).
        options: As its plugin for Pillow takes them.
    """
    import pillow_heif

    height, width, bands = pixels.shape
    held = io.BytesIO()
    samples = np.ascontiguousarray(pixels, "<u2").tobytes()
    pillow_heif.encode(KINDS_OF_HEIF[bands], (width, height), samples, held, **options)
    return held.getvalue()


def tiff_bytes(
    pixels: Deep, profile: bytes, told: TiffImagePlugin.ImageFileDirectory_v2 | None = None
) -> bytes:
    """Return a TIFF, deflated; see ``png_bytes``."""
    height, width, bands = pixels.shape
    strip = deflated(np.ascontiguousarray(pixels, "<u2"))
    tags = told or TiffImagePlugin.ImageFileDirectory_v2()
    tags[TiffImagePlugin.IMAGEWIDTH], tags[TiffImagePlugin.IMAGELENGTH] = width, height
    tags[TiffImagePlugin.BITSPERSAMPLE] = (16,) * bands
    tags[TiffImagePlugin.COMPRESSION] = DEFLATE
    tags[TiffImagePlugin.PHOTOMETRIC_INTERPRETATION] = RGB
    tags[TiffImagePlugin.SAMPLESPERPIXEL] = bands
    tags[TiffImagePlugin.ROWSPERSTRIP] = height
    tags[TiffImagePlugin.STRIPBYTECOUNTS] = len(strip)
    tags[TiffImagePlugin.STRIPOFFSETS] = 0  # counted from the end of the tags
    tags.tagtype[TiffImagePlugin.STRIPOFFSETS] = TiffTags.LONG
    if extra := EXTRA_SAMPLES[bands]:
        tags[TiffImagePlugin.EXTRASAMPLES] = extra
    if profile:
        tags.tagtype[PROFILE_TAG] = TiffTags.UNDEFINED
        tags[PROFILE_TAG] = profile
    buffer = io.BytesIO()
    tags.save(buffer)
    return buffer.getvalue() + strip
