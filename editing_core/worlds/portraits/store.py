"""A store of training pictures, drawn once on all cores and kept as bytes in chunks of one shape.

Others may train on it while it is drawn: a `Store` looks for new chunks now and then.

`python -m editing_core.worlds.portraits.store FOLDER --pictures 30000` draws; a store that is there
grows. A chunk's portraits follow from its name, so that only the pictures are kept.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from editing_core.portraits.schema import Portrait, draws
from editing_core.worlds.portraits.drawing import Place, draw, random_place

CHUNK = 200  # pictures of a file
LOOKED_EVERY = 5.0  # seconds between looks for new chunks
Shape = tuple[int, int]  # width, height

SHARES: dict[Shape, int] = {
    (256, 256): 12,
    (192, 256): 2,
    (256, 192): 2,
    (192, 320): 2,
    (320, 192): 2,
    (192, 192): 2,
    (128, 128): 2,
    (128, 256): 1,
    (256, 128): 1,
    (256, 384): 1,
    (384, 256): 1,
    (320, 320): 1,
    (384, 192): 1,
    (192, 384): 1,
    (384, 384): 1,
}
"""Canvases of training pictures (sides are multiples of 32), and chunks of each in a round."""


@dataclass(frozen=True)
class Chunk:
    """Pictures of one shape: the file, and who is on them."""

    folder: Path
    shape: Shape
    number: int

    @property
    def file(self) -> Path:
        """Where the pictures are: bytes (CHUNK, height, width, 3)."""
        return self.folder / f"{self.shape[0]}x{self.shape[1]}-{self.number:04d}.npy"

    @cached_property
    def pictures(self) -> NDArray[np.uint8]:
        """The pictures, mapped into memory."""
        mapped: NDArray[np.uint8] = np.load(self.file, mmap_mode="r")
        return mapped

    def portraits(self, count: int = CHUNK) -> list[tuple[Portrait, Place]]:
        """Who is on the pictures, and where."""
        seed = zlib.crc32(self.file.stem.encode())
        rng = random.Random(seed)
        return [(p, random_place(rng, *self.shape)) for p in islice(draws("train", seed), count)]

    @cached_property
    def attributes(self) -> list[Mapping[str, str]]:
        """What the pictures show."""
        return [portrait.attributes.visible() for portrait, _ in self.portraits(len(self.pictures))]


class Store(Sequence[Chunk]):
    """The finished chunks of a folder, ordered by name; new ones are found while it is used."""

    def __init__(self, folder: Path) -> None:
        """Take what is there by now."""
        self._folder = folder
        self._found = chunks(folder)
        self._looked = time.monotonic()

    @overload
    def __getitem__(self, i: int) -> Chunk: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[Chunk]: ...
    def __getitem__(self, i: int | slice) -> Chunk | Sequence[Chunk]:
        """Return a chunk, or some."""
        return self._found[i]

    def __len__(self) -> int:
        """Say how many there are by now."""
        if time.monotonic() - self._looked > LOOKED_EVERY:
            known = {chunk.file: chunk for chunk in self._found}
            self._found = [known.get(chunk.file, chunk) for chunk in chunks(self._folder)]
            self._looked = time.monotonic()
        return len(self._found)


@contextmanager
def drawing_in_background(folder: Path, pictures: int, size: int = CHUNK) -> Iterator[None]:
    """Let other processes draw until a store has so many pictures; begin as soon as it has some.

    Raises:
        RuntimeError: They ended before there was any picture.
    """
    if sum(len(chunk.pictures) for chunk in chunks(folder)) >= pictures:
        yield
        return
    command = [str(folder), "--pictures", str(pictures), "--chunk", str(size)]
    command = [sys.executable, "-m", __name__, *command]
    with subprocess.Popen(command, start_new_session=True) as drawer:
        try:
            while not chunks(folder):
                if drawer.poll() is not None:
                    raise RuntimeError("No training pictures could be drawn; see above.")
                time.sleep(1)
            yield
        finally:
            with suppress(ProcessLookupError):  # it is done
                os.killpg(drawer.pid, signal.SIGTERM)


def chunks(folder: Path) -> list[Chunk]:
    """The finished chunks of a store, ordered by name."""
    found = []
    for file in sorted(folder.glob("*x*-*.npy")):
        shape, number = file.stem.split("-")
        width, height = map(int, shape.split("x"))
        found.append(Chunk(folder, (width, height), int(number)))
    return found


def extend(folder: Path, pictures: int, workers: int | None = None, size: int = CHUNK) -> None:
    """Draw chunks, all shapes in turn, until the store has at least so many pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = list(islice(_planned(folder), -(-pictures // size)))
    missing = [chunk for chunk in wanted if not chunk.file.exists()]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for made in [pool.submit(_draw_chunk, chunk, size) for chunk in missing]:
            made.result()


def _planned(folder: Path) -> Iterator[Chunk]:
    """All chunks there could be, in the order they are drawn."""
    rng, numbers = random.Random(0), Counter[Shape]()
    one_round = [shape for shape, share in SHARES.items() for _ in range(share)]
    while True:
        rng.shuffle(one_round)
        for shape in one_round:
            yield Chunk(folder, shape, numbers[shape])
            numbers[shape] += 1


def _draw_chunk(chunk: Chunk, size: int) -> None:
    width, height = chunk.shape
    drawn = np.empty((size, height, width, 3), np.uint8)
    for i, (portrait, place) in enumerate(chunk.portraits(size)):
        drawn[i] = np.asarray(draw(portrait, chunk.shape, place))
    partial = chunk.file.with_suffix(".partial")
    with partial.open("wb") as file:
        np.save(file, drawn)
    partial.replace(chunk.file)


def main() -> None:
    """Grow a store from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=30_000)
    parser.add_argument("--workers", type=int, help="default: one a core")
    parser.add_argument("--chunk", type=int, default=CHUNK, help="pictures of a file")
    args = parser.parse_args()
    extend(args.folder, args.pictures, args.workers, args.chunk)


if __name__ == "__main__":
    main()
