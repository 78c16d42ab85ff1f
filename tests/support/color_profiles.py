"""Colour profiles for tests: one with red and green in each other's place, and Display P3."""

from __future__ import annotations

import struct
from functools import cache

from PIL import ImageCms

P3 = {b"rXYZ": (0.5151, 0.2412, -0.0011), b"gXYZ": (0.2920, 0.6922, 0.0419),
      b"bXYZ": (0.1571, 0.0666, 0.7841)}  # fmt: skip
"""Its colorants, adapted to D50."""
TAGS = 132  # where the table of tags begins, ICC.1:2022, 7.3


@cache
def srgb() -> bytes:
    """The profile of sRGB; it tells when it was made, so it is made once."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped() -> bytes:
    """A profile that calls itself sRGB and has red and green change places."""
    held = srgb()
    return (
        held.replace(b"rXYZ", b"?XYZ", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"?XYZ", b"gXYZ", 1)
    )


def display_p3() -> bytes:
    """Display P3: sRGB's curve with wider colours."""
    held = bytearray(srgb())
    (count,) = struct.unpack_from(">I", held, TAGS - 4)
    for entry in range(count):
        name, at, _ = struct.unpack_from(">4sII", held, TAGS + 12 * entry)
        if name in P3:
            struct.pack_into(">3i", held, at + 8, *(round(x * 65536) for x in P3[name]))
    return bytes(held)
