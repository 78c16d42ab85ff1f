"""What a picture file holds beside its picture, which is left out: gain map, depth, video."""

from __future__ import annotations

import mmap
import re
import struct
from pathlib import Path

from PIL import ExifTags, Image

from tools.formats import boxes

GAIN_MAP = "its gain map, which makes it brighter on HDR screens, is left out"
DEPTH = "its depth map is left out"
VIDEO = "its moving part is left out"
LIVE = "the moving part of its Live Photo is left out"
SCANNED = ("JPEG", "MPO", "HEIF", "AVIF")
TOLD_BY = {
    GAIN_MAP: re.compile(
        rb"ns\.adobe\.com/hdr-gain-map/|:aux:hdrgainmap|urn:iso:std:iso:ts:21496:-1"
        rb"|infe\x02.{7}tmap|infe\x03.{9}tmap",  # an item "tone-mapped", ISO/IEC 23008-12
        re.DOTALL,
    ),
    DEPTH: re.compile(rb"hevc:2015:auxid:2\0|auxiliary:depth\0|/photos/1\.0/depthmap/"),
    VIDEO: re.compile(rb"(?:MotionPhoto|MicroVideo)(?:=[\"']|>)1|MotionPhoto_Data"),
}
"""What the bytes of a file have that holds one: namespaces of XMP, and types of items."""
APPLE = b"Apple iOS\0\0\x01MM"  # how Apple's notes in EXIF begin; a directory of tags follows
APPLE_TAG = struct.Struct(">HHII")
CONTENT_IDENTIFIER = 17  # Apple's tag of what a photo and a video have in common


def left_out(image: Image.Image, path: Path) -> list[str]:
    """Say what of a picture file is not in the picture that was made of it.

    Args:
        image: As opened from the file.
        path: The file.
    """
    with path.open("rb") as file:
        scanned = image.format in SCANNED
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
            said = [what for what, told in TOLD_BY.items() if scanned and told.search(held)]
        kinds = {kind for kind, _, _ in boxes(file)} if image.format in ("HEIF", "JXL") else set()
    if b"jhgm" in kinds:
        said.append(GAIN_MAP)
    if b"mpvd" in kinds and VIDEO not in said:
        said.append(VIDEO)
    if _is_live(image):
        said.append(LIVE)
    return said + _frames(image, 2 if GAIN_MAP in said and image.format == "MPO" else 1)


def _frames(image: Image.Image, usual: int) -> list[str]:
    """Say that a file has more frames than usual; `image` stays at the one that is used."""
    frames = getattr(image, "n_frames", 1)
    if frames <= usual:
        return []
    if image.format == "HEIF":
        return [f"the main one of its {frames} pictures is used"]
    return [f"the first of {frames} frames is used"]


def _is_live(image: Image.Image) -> bool:
    """Say whether a photo is the still of a Live Photo, whose video lies in a file of its own."""
    try:
        notes = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.MakerNote)
    except Exception:  # Pillow raises many kinds; broken EXIF is no reason to refuse a picture
        return False
    if not isinstance(notes, bytes) or not notes.startswith(APPLE):
        return False
    tags = notes[len(APPLE) + 2 :]
    count = int.from_bytes(notes[len(APPLE) : len(APPLE) + 2])
    whole = tags[: min(count * APPLE_TAG.size, len(tags) // APPLE_TAG.size * APPLE_TAG.size)]
    return any(tag == CONTENT_IDENTIFIER for tag, *_ in APPLE_TAG.iter_unpack(whole))
