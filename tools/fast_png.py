"""PNG packed fast, in bands of rows that all processors share, of 8 and 16 bits a channel.

Pillow writes none of 16 bits, and of 8 it tries five filters for each row, which takes most of its
time. Here each byte is told as the difference to the one above (W3C PNG, third edition; RFC 1950
and 1951), and Intel's ISA-L compresses in a third of zlib's time. Any program reads such a file.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

Deep = NDArray[np.uint8] | NDArray[np.uint16]
Rows = NDArray[np.uint8]
"""Rows of bytes as a PNG has them, (rows, bytes)."""

COLORS = {1: 0, 3: 2, 4: 6}  # PNG's colour type for each count of channels
MODES = ("L", "RGB", "RGBA")  # of Pillow's pictures that are written here
SHALLOW, DEEP = 8, 16  # bits a channel
UP = 2  # PNG's filter that tells each byte as the difference to the one above
SIGNATURE = b"\x89PNG\r\n\x1a\n"
FAST = 1  # level of ISA-L; none is smaller and none much faster
BLOCK = 1 << 22  # bytes that one processor compresses at a time
ZLIB_HEADER = b"\x78\x01"  # a window of 32 KB, packed fast
MODULUS = 65521  # of Adler-32, RFC 1950


def png_bytes(
    pixels: Deep | Image.Image,
    profile: bytes = b"",
    told: PngImagePlugin.PngInfo | None = None,
    exif: bytes = b"",
) -> bytes:
    """Return a PNG, the same bytes whatever the number of processors.

    Args:
        pixels: (height, width, 3 or 4) of 8 or 16 bits, or a picture of one of ``MODES``.
        profile: ICC profile; empty for none.
        told: Its texts.
        exif: To be told, without a header.
    """
    if isinstance(pixels, Image.Image):
        pixels.load()  # once, before threads share it
        (width, height), bands, bits = pixels.size, len(pixels.getbands()), SHALLOW
    else:
        height, width, bands = pixels.shape
        bits = SHALLOW if pixels.dtype == np.uint8 else DEEP
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, COLORS[bands], 0, 0, 0))]
    if profile:
        chunks.append((b"iCCP", b"ICC profile\0\0" + isal_zlib.compress(profile)))
    chunks += [(kind, data) for kind, data, *_ in (told.chunks if told else ())]
    chunks += [(b"eXIf", exif)] if exif else []
    step = max(BLOCK // (width * bands * bits // SHALLOW), 1)
    tops = range(0, height, step)

    def packed(top: int) -> tuple[bytes, int, int]:
        last = top + step >= height
        return _packed(_filtered(pixels, top, min(top + step, height)), last=last)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        chunks += [(b"IDAT", part) for part in _stream(pool.map(packed, tops))]
    return b"".join([SIGNATURE, *_pieces([*chunks, (b"IEND", b"")])])


def deflated(data: NDArray[Any]) -> bytes:
    """Compress as zlib does (RFC 1950), in blocks that all processors share.

    The result is the same whatever their number.
    """
    held = np.ascontiguousarray(data).data.cast("B")
    starts = range(0, max(len(held), 1), BLOCK)

    def packed(at: int) -> tuple[bytes, int, int]:
        return _packed(held[at : at + BLOCK], last=at + BLOCK >= len(held))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return b"".join(_stream(pool.map(packed, starts)))


def _filtered(pixels: Deep | Image.Image, top: int, bottom: int) -> Rows:
    """Return some rows, each after the number of its filter."""
    above = max(top - 1, 0)
    rows = _rows(pixels, above, bottom)
    made = np.empty((bottom - top, rows.shape[1] + 1), np.uint8)
    made[:, 0] = UP
    if top == 0:
        made[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=made[top == 0 :, 1:])
    return made


def _rows(pixels: Deep | Image.Image, top: int, bottom: int) -> Rows:
    if isinstance(pixels, Image.Image):
        part = np.asarray(pixels.crop((0, top, pixels.width, bottom)))
    else:
        part = pixels[top:bottom]
    big_endian = np.ascontiguousarray(part, part.dtype.newbyteorder(">"))
    return big_endian.view(np.uint8).reshape(bottom - top, -1)


def _packed(data: Any, *, last: bool) -> tuple[bytes, int, int]:
    """Return a block of a deflated stream, the Adler-32 of what is in it, and its length."""
    packer = isal_zlib.compressobj(FAST, isal_zlib.DEFLATED, -isal_zlib.MAX_WBITS)
    ended = isal_zlib.Z_FINISH if last else isal_zlib.Z_FULL_FLUSH
    held = memoryview(data).cast("B")
    return packer.compress(held) + packer.flush(ended), isal_zlib.adler32(held), len(held)


def _stream(blocks: Iterator[tuple[bytes, int, int]]) -> Iterator[bytes]:
    """Return the parts of a zlib stream made of blocks: its header, they, and its checksum."""
    checksum = 1
    yield ZLIB_HEADER
    for part, own, size in blocks:
        yield part
        checksum = _adler_after(checksum, own, size)
    yield struct.pack(">I", checksum)


def _adler_after(first: int, second: int, size: int) -> int:
    """Return the Adler-32 of two stretches of bytes by theirs, the second of so many bytes."""
    a, b = first & 0xFFFF, first >> 16
    c, d = second & 0xFFFF, second >> 16
    return (a + c - 1) % MODULUS | (b + d + size * (a - 1)) % MODULUS << 16


def own_png(content: bytes) -> tuple[Deep, bytes] | None:
    """Read what ``png_bytes`` wrote of 16 bits without texts; None for any other file.

    Returns:
        The samples, (height, width, 3 or 4), and the ICC profile.
    """
    chunks: dict[bytes, list[bytes]] = {}
    for kind, data in _chunks(content):
        chunks.setdefault(kind, []).append(data)
    if set(chunks) - {b"IHDR", b"iCCP", b"IDAT", b"IEND"}:
        return None
    width, height, bits, kind_of_color, *_ = struct.unpack(">IIBBBBB", chunks[b"IHDR"][0])
    bands = next((bands for bands, color in COLORS.items() if color == kind_of_color), 0)
    if bits != DEEP or not bands:
        return None
    filtered = np.frombuffer(isal_zlib.decompress(b"".join(chunks[b"IDAT"])), np.uint8)
    if filtered.size != height * (1 + 2 * bands * width):
        return None
    rows = filtered.reshape(height, -1)
    if (rows[:, 0] != UP).any():
        return None
    bytes_ = rows[:, 1:].copy()
    for above, row in pairwise(bytes_):
        row += above
    name, _, packed = chunks.get(b"iCCP", [b""])[0].partition(b"\0\0")
    samples = bytes_.view(">u2").reshape(height, width, bands).astype(np.uint16)
    return samples, isal_zlib.decompress(packed) if name else b""


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Return the chunks of a PNG: type and data."""
    at = len(SIGNATURE)
    while at < len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        yield kind, content[at + 8 : at + 8 + size]
        at += 12 + size


def _pieces(chunks: list[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """Return chunks as a file has them: length, type, data and checksum."""
    for kind, data in chunks:
        yield struct.pack(">I", len(data)) + kind
        yield data
        yield struct.pack(">I", isal_zlib.crc32(data, isal_zlib.crc32(kind)))
