"""Editors that draw exactly and take as long as a model: for servers in processes of their own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from perfect_editor import draw_the_target

from tools.pictures import PictureStore

STEPS = 8
STEP, LOG = "PALIMPSEST_TEST_STEP", "PALIMPSEST_TEST_LOG"
"""Variables: the seconds of a step, and a folder where each edit leaves its process and seed."""


class StubEdit:
    """Draws what is asked for, in steps."""

    def __init__(self, store: PictureStore, *, step: float | None = None) -> None:
        self._edit = partial(draw_the_target, store)
        self._step = float(os.environ.get(STEP, "0")) if step is None else step

    def __call__(self, *, on_step: Any, seed: int, **asked: Any) -> Any:
        if folder := os.environ.get(LOG):
            name = f"{time.monotonic():.6f} {os.getpid()} {seed}"
            (Path(folder) / name).touch()
        for i in range(1, STEPS + 1):
            time.sleep(self._step)
            if on_step is not None:
                on_step("sample", i, STEPS)
        return self._edit(on_step=None, seed=seed, **asked)


def stub(settings: Any) -> Callable[[PictureStore], StubEdit]:
    """Load nothing; return the tool over a store."""
    return StubEdit


def begun(folder: Path) -> list[tuple[float, int, int]]:
    """Return the edits that were begun, in their order: when, by which process, with what seed."""
    rows = [file.name.split() for file in folder.iterdir()]
    return sorted((float(when), int(process), int(seed)) for when, process, seed in rows)
