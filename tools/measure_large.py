"""Measure what large pictures cost: `python -m tools.measure_large` prints seconds and memory.

A small picture, a 48-megapixel JPEG and a 24-megapixel TIFF of 16 bits are opened, edited in a box
and saved in their own formats, each in a process of its own. Beside it stands what Pillow alone
takes to read and write the file, by which a busy machine's numbers are to be judged.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
from PIL import Image

from tools.deep_files import tiff_bytes

Size = tuple[int, int]
FILES: dict[str, Size] = {"small.jpg": (128, 128), "48.jpg": (8000, 6000), "24.tif": (6000, 4000)}
"""By name, each with its width and height in pixels; the TIFF has 16 bits a channel.

The small one is of the model's own size, and shows what the model takes alone.
"""
BOX = (0.4, 0.4, 0.5, 0.5)  # of the picture, in shares
KILO = 1024  # bytes in a unit of getrusage's memory on Linux
HEADER = ("file", "what", "seconds", "of Pillow's", "peak memory, MB")


def main(argv: Sequence[str]) -> int:
    """Print the table."""
    argparse.ArgumentParser(prog="python -m tools.measure_large", description=__doc__).parse_args(
        argv
    )
    print("| " + " | ".join(HEADER) + " |\n|" + " --- |" * len(HEADER))
    with tempfile.TemporaryDirectory(prefix="palimpsest-") as folder:
        for name, size in FILES.items():
            file = alone(drawn, Path(folder) / name, size)
            found = {how: alone(measured, file, work) for how, work in HOWS.items()}
            for line in lines(name, found):
                print(line, flush=True)
    return 0


Numbers = dict[str, float]
Given = ParamSpec("Given")
Made = TypeVar("Made")


def lines(name: str, found: dict[str, Numbers]) -> list[str]:
    """Return the rows of one file."""
    least = sum(value for what, value in found["pillow"].items() if what != "memory")
    rows = []
    for how, numbers in found.items():
        memory = f"{numbers['memory'] / 1e6:.0f}"
        parts = {what: seconds for what, seconds in numbers.items() if what != "memory"}
        for what, seconds in (*parts.items(), ("all", sum(parts.values()))):
            told = (name, f"{how}: {what}", f"{seconds:.1f}", f"{seconds / least:.1f}",
                    memory if what == "all" else "")  # fmt: skip
            rows.append("| " + " | ".join(told) + " |")
    return rows


def alone(work: Callable[Given, Made], *given: Given.args, **more: Given.kwargs) -> Made:
    """Work in a new process, so that its peak of memory is no other work's.

    A process begins with the peak of the one that started it, which therefore has to stay small.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as processes:
        return processes.submit(work, *given, **more).result()


def drawn(file: Path, size: Size) -> Path:
    """Write a picture with detail everywhere."""
    width, height = size
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    wave = np.sin(rows / 37) * np.cos(columns / 53) * 0.3 + 0.5
    fine = np.random.default_rng(0).normal(0, 0.02, (height, width)).astype(np.float32)
    levels = np.stack([wave, np.roll(wave, 99, axis=1), 1 - wave], axis=2) + fine[..., None]
    if file.suffix == ".tif":
        file.write_bytes(tiff_bytes((levels.clip(0, 1) * 65535).astype(np.uint16), b""))
    else:
        Image.fromarray((levels.clip(0, 1) * 255).astype(np.uint8)).save(file, quality=92)
    return file


def measured(file: Path, work: Callable[[Path], Numbers]) -> Numbers:
    """Return the CPU seconds of each part of a work, and the most memory that the process took."""
    numbers = work(file)
    return numbers | {"memory": float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KILO)}


def by_pillow(file: Path) -> Numbers:
    """Read and write a file as Pillow does, to 8 bits."""
    clock = _Clock()
    with Image.open(file) as image:
        image.load()
        clock.note("open")
        image.convert("RGB").save(file.with_name("pillow" + file.suffix))
    return clock.note("save")


def by_us(file: Path) -> Numbers:
    """Open, keep, edit in a box and save a file."""
    from editing_core.settings import PRESETS
    from tools.edit_picture import edit_picture, load_editor
    from tools.measure_sizes import CHANGES, PLAIN, Person, Step
    from tools.pictures import PictureStore, open_picture
    from tools.saving import save_picture

    editor, clock = load_editor("portraits"), _Clock()
    opened = open_picture(file)
    clock.note("open")
    store = PictureStore(file.parent / "store")
    head = store.put(opened.image, own=opened.own)
    clock.note("keep")
    before = Person(7, tuple(PLAIN.items()))
    made = edit_picture(
        editor, store, head=head, original=head, seed=7, method="steady",
        step=Step.between(before, before.with_(CHANGES[0])),
        settings=PRESETS["steady"].bounded(BOX),
    )  # fmt: skip
    clock.note("edit")
    saved = file.with_name("ours" + file.suffix)
    save_picture(store.image(made.picture), saved, own=store.own(made.picture))
    return clock.note("save")


class _Clock:
    """Notes the CPU seconds between its calls, since others may use the machine, too."""

    def __init__(self) -> None:
        self._numbers: Numbers = {}
        self._last = time.process_time()

    def note(self, what: str) -> Numbers:
        now = time.process_time()
        self._numbers[what], self._last = now - self._last, now
        return self._numbers


HOWS: dict[str, Callable[[Path], Numbers]] = {"pillow": by_pillow, "palimpsest": by_us}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
