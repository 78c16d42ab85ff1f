"""The formats that pictures are read and written in: Pillow's own, HEIC and JPEG XL."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import BinaryIO

from PIL import Image

NOT_READ = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"}
"""EPS is a program that Ghostscript would run; of the others, Pillow only knows the names."""
SIGNED = (
    "AVIF", "BMP", "GIF", "HEIF", "ICNS", "JPEG", "JPEG2000", "JXL", "PNG", "PSD", "QOI", "TIFF",
    "WEBP",
)  # fmt: skip
"""Formats whose first bytes no other file has: one of these that cannot be read is damaged."""
AVIF_HEAD, JXL_HEAD = 65_536, 40  # bytes of a file in which the headers lie
SHALLOW = 8  # bits a channel
SIGNATURE = 16  # bytes; Pillow knows formats by as many
JXL_CODESTREAM = b"\xff\x0a"
JXL_BITS = (9, 13, 18, 30)  # how long a side may be written, ISO/IEC 18181-1, SizeHeader
JXL_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))  # width to height


@cache
def readable() -> tuple[str, ...]:
    """Let Pillow know of all formats, once, and return the names of those that are read."""
    import pillow_heif
    import pillow_jxl  # noqa: F401

    Image.init()
    pillow_heif.register_heif_opener(thumbnails=False)
    return tuple(sorted(Image.OPEN.keys() - NOT_READ))


def endings() -> dict[str, str]:
    """Return Pillow's names of formats by the endings of files."""
    readable()
    return Image.registered_extensions()


def open_image(path: Path, *, max_megapixels: float | None = None) -> Image.Image:
    """Open a picture file, as ``Image.open`` does, in any format that is read here.

    Whatever a decoder raises is passed on.

    Args:
        path: A regular file.
        max_megapixels: Millions of pixels allowed of a JPEG XL, which is decoded right away.

    Raises:
        DecompressionBombError: It is a JPEG XL of too many pixels.
    """
    formats = readable()
    with path.open("rb") as file:
        width, height = jxl_size(file) or (0, 0)
    most = 2 * (Image.MAX_IMAGE_PIXELS or sys.maxsize)  # as Pillow has it for all others
    if width * height > most or (max_megapixels and width * height > max_megapixels * 1e6):
        raise Image.DecompressionBombError
    return Image.open(path, formats=formats)


def is_signed(path: Path) -> bool:
    """Say whether a file begins as one of a known format does."""
    readable()
    with path.open("rb") as file:
        begin = file.read(SIGNATURE)
    accepts = (Image.OPEN[form][1] for form in SIGNED if form in Image.OPEN)
    return any(accept(begin) is True for accept in accepts if accept)


def boxes(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Walk the outermost boxes of a file in the base media format (HEIC, AVIF, JPEG XL).

    Yields:
        The type of a box, where its content begins, and how many bytes that has.
    """
    end = file.seek(0, 2)
    at = 0
    while at + 8 <= end:
        file.seek(at)
        size, kind = struct.unpack(">I4s", file.read(8))
        head = 8
        if size == 1:  # the size is a long one, after the type
            held = file.read(8)
            size, head = (struct.unpack(">Q", held)[0] if len(held) == 8 else 0), 16
        elif size == 0:  # up to the end
            size = end - at
        if size < head:
            return
        yield kind, at + head, min(size, end - at) - head
        at += size


def jxl_size(file: BinaryIO) -> tuple[int, int] | None:
    """Read width and height of a JPEG XL, undecoded; None for any other file."""
    header = _jxl_header(file)
    return None if header is None else _size_header(_Bits(header))


def bits_in(path: Path, form: str) -> int:
    """Return how many bits a channel a file has whose decoder gives 8; 8 where none can tell.

    Args:
        path: The file.
        form: Pillow's name of its format.
    """
    with path.open("rb") as file:
        if form == "AVIF":
            return _avif_bits(file.read(AVIF_HEAD))
        header = _jxl_header(file) if form == "JXL" else None
        return SHALLOW if header is None else _jxl_bits(_Bits(header))


def _avif_bits(begin: bytes) -> int:
    """Read how deep AV1 is: AV1 in ISOBMFF 1.2, the record av1C."""
    at = begin.find(b"av1C")
    told = begin[at + 6] if 0 <= at < len(begin) - 6 else 0
    return SHALLOW if not told & 0x40 else 12 if told & 0x20 else 10


def _jxl_header(file: BinaryIO) -> bytes | None:
    """Return the first bytes of a JPEG XL's codestream after its signature, undecoded."""
    file.seek(0)
    begin = file.read(JXL_HEAD)
    if begin.startswith(JXL_CODESTREAM):
        return begin[2:]
    if begin[4:8] != b"JXL ":
        return None
    for kind, at, _ in boxes(file):
        if kind in (b"jxlc", b"jxlp"):  # the latter begins with a number
            file.seek(at + (4 if kind == b"jxlp" else 0))
            codestream = file.read(JXL_HEAD)
            if codestream.startswith(JXL_CODESTREAM):
                return codestream[2:]
    return None


def jxl_xmp(file: BinaryIO) -> bytes | None:
    """Return the XMP packet of a JPEG XL, which its plugin for Pillow does not."""
    for kind, at, size in boxes(file):
        if kind == b"xml ":
            file.seek(at)
            return file.read(size)
    return None


class _Bits:
    """Takes bits, the lowest of each byte first."""

    def __init__(self, held: bytes) -> None:
        self._left = int.from_bytes(held, "little")

    def take(self, count: int = 1) -> int:
        value = self._left & ((1 << count) - 1)
        self._left >>= count
        return value


def _size_header(bits: _Bits) -> tuple[int, int]:
    small = bits.take()

    def side() -> int:
        return (bits.take(5) + 1) * 8 if small else bits.take(JXL_BITS[bits.take(2)]) + 1

    height = side()
    ratio = bits.take(3)
    if not ratio:
        return side(), height
    wide, high = JXL_RATIOS[ratio - 1]
    return height * wide // high, height


def _jxl_bits(bits: _Bits) -> int:
    """Read how deep a JPEG XL is, ISO/IEC 18181-1, ImageMetadata and BitDepth."""
    _size_header(bits)
    if bits.take():  # all is as usual
        return SHALLOW
    if bits.take():  # there are rarer fields
        bits.take(3)  # orientation
        if bits.take():
            _size_header(bits)  # that it is meant to be shown at
        if bits.take(2):  # a preview or an animation, which are not read here
            return SHALLOW
    usual = (32, 16, 24) if bits.take() else (8, 10, 12)  # floats, or whole numbers
    choice = bits.take(2)
    return usual[choice] if choice < len(usual) else bits.take(6) + 1
