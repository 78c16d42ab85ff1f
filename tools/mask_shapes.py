"""Shapes of masks: grown and shrunk by a disk, and taken apart into what hangs together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]


def grown(mask: Bools, radius: int) -> Bools:
    """Return a mask (h, w) with all that lies within a radius, in pixels: dilation by a disk."""
    made = mask.copy()
    for down in range(-radius, radius + 1):
        reach = int((radius * radius - down * down) ** 0.5)
        row = _widened(mask, reach)
        if down >= 0:
            made[down:] |= row[: len(row) - down]
        else:
            made[:down] |= row[-down:]
    return made


def shrunk(mask: Bools, radius: int) -> Bools:
    """Return a mask without what lies within a radius of its edge: erosion by a disk.

    The edge of the picture is none of its own.
    """
    return ~grown(~mask, radius)


def _widened(mask: Bools, reach: int) -> Bools:
    """Widen every row by so many pixels to the left and the right."""
    width = mask.shape[1]
    counts = np.zeros((mask.shape[0], width + 1), np.int32)
    np.cumsum(mask, axis=1, out=counts[:, 1:])
    at = np.arange(width)
    high, low = np.minimum(at + reach + 1, width), np.maximum(at - reach, 0)
    wider: Bools = counts[:, high] > counts[:, low]
    return wider


def parts(mask: Bools) -> list[Bools]:
    """Take a mask (h, w) apart into what hangs together, the largest first.

    Pixels hang together that touch at a side or a corner.
    """
    names: list[int] = []
    runs: list[tuple[int, int, int]] = []
    above: list[int] = []
    for row, line in enumerate(mask):
        here: list[int] = []
        for start, stop in _runs(line):
            number = len(runs)
            runs.append((row, start, stop))
            names.append(number)
            here.append(number)
            for other in above:
                if runs[other][1] <= stop and start <= runs[other][2]:
                    _join(names, number, other)
        above = here
    found: dict[int, Bools] = {}
    for number, (row, start, stop) in enumerate(runs):
        part = found.setdefault(_root(names, number), np.zeros(mask.shape, bool))
        part[row, start:stop] = True
    return sorted(found.values(), key=lambda part: -int(part.sum()))


def _runs(line: Bools) -> Iterator[tuple[int, int]]:
    """Return where stretches of a row begin and end."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], line, [False]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _root(names: list[int], number: int) -> int:
    while names[number] != number:
        number = names[number] = names[names[number]]
    return number


def _join(names: list[int], one: int, other: int) -> None:
    names[_root(names, one)] = _root(names, other)
