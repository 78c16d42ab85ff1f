"""PNG of 16 bits a channel, written and read whole (W3C PNG, third edition; RFC 1950 and 1951)."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import PngImagePlugin

COLORS = {3: 2, 4: 6}  # PNG's colour type for each count of channels
DEEP = 16  # bits a channel
UP = 2  # PNG's filter that tells each byte as the difference to the one above
SIGNATURE = b"\x89PNG\r\n\x1a\n"
FAST = 1  # level of zlib; more than that takes minutes for 100 megapixels and saves little
BLOCK = 1 << 22  # bytes that one processor compresses at a time
ZLIB_HEADER = b"\x78\x01"  # a window of 32 KB, packed fast

Deep = NDArray[np.uint8] | NDArray[np.uint16]


def png_bytes(
    pixels: Deep,
    profile: bytes,
    told: PngImagePlugin.PngInfo | None = None,
    exif: bytes = b"",
    strategy: int = zlib.Z_DEFAULT_STRATEGY,
) -> bytes:
    """Return a PNG.

    Args:
        pixels: (height, width, 3 or 4).
        profile: ICC profile; empty for none.
        told: Its texts.
        exif: To be told, without a header.
        strategy: Of zlib: Z_RLE takes half the time, and up to half as much room again.
    """
    height, width, bands = pixels.shape
    rows = np.ascontiguousarray(pixels, ">u2").view(np.uint8).reshape(height, -1)
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, DEEP, COLORS[bands], 0, 0, 0))]
    if profile:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(profile)))
    chunks += [(kind, data) for kind, data, *_ in (told.chunks if told else ())]
    chunks += [(b"eXIf", exif)] if exif else []
    chunks += [(b"IDAT", deflated(filtered, strategy)), (b"IEND", b"")]
    return SIGNATURE + b"".join(map(_chunk, *zip(*chunks, strict=True)))


def deflated(data: NDArray[Any], strategy: int = zlib.Z_DEFAULT_STRATEGY) -> bytes:
    """Compress as zlib does (RFC 1950), in blocks that all processors share.

    The result is the same whatever their number.
    """
    held = np.ascontiguousarray(data).data.cast("B")
    blocks = [held[at : at + BLOCK] for at in range(0, len(held), BLOCK)] or [held]

    def packed(number: int) -> bytes:
        packer = zlib.compressobj(FAST, zlib.DEFLATED, -zlib.MAX_WBITS, strategy=strategy)
        last = number == len(blocks) - 1
        ended = zlib.Z_FINISH if last else zlib.Z_FULL_FLUSH
        return packer.compress(blocks[number]) + packer.flush(ended)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = list(pool.map(packed, range(len(blocks))))
    return ZLIB_HEADER + b"".join(parts) + struct.pack(">I", zlib.adler32(held))


def own_png(content: bytes) -> tuple[Deep, bytes] | None:
    """Read what ``png_bytes`` wrote without texts; None for any other file.

    Returns:
        The samples, (height, width, 3 or 4), and the ICC profile.
    """
    chunks = dict(_chunks(content))
    if set(chunks) - {b"IHDR", b"iCCP", b"IDAT", b"IEND"}:
        return None
    width, height, bits, kind, *_ = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    bands = next((bands for bands, color in COLORS.items() if color == kind), 0)
    if bits != DEEP or not bands:
        return None
    filtered = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8)
    if filtered.size != height * (1 + 2 * bands * width):
        return None
    rows = filtered.reshape(height, -1)
    if (rows[:, 0] != UP).any():
        return None
    bytes_ = rows[:, 1:].copy()
    for above, row in pairwise(bytes_):
        row += above
    profile = chunks.get(b"iCCP", b"")
    name, _, packed = profile.partition(b"\0\0")
    samples = bytes_.view(">u2").reshape(height, width, bands).astype(np.uint16)
    return samples, zlib.decompress(packed) if name else b""


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Return the chunks of a PNG: type and data."""
    at = len(SIGNATURE)
    while at < len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        yield kind, content[at + 8 : at + 8 + size]
        at += 12 + size


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
