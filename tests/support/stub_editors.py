"""Editors that draw exactly and take as long as a model: for servers in processes of their own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any

from perfect_editor import draw_the_target
from PIL import Image

from agent.context import OnGlimpse
from tools.arguments import InputError
from tools.pictures import PictureStore

STEPS = 8
STEP, LOG = "PALIMPSEST_TEST_STEP", "PALIMPSEST_TEST_LOG"
"""Variables: the seconds of a step, and a folder where each edit leaves its process and seed."""


class StubEdit:
    """Draws what is asked for, in steps; its guesses are gray, and any words mean the middle."""

    _show: OnGlimpse | None = None

    def __init__(self, store: PictureStore, *, step: float | None = None) -> None:
        self._store = store
        self._edit = partial(draw_the_target, store)
        self._step = float(os.environ.get(STEP, "0")) if step is None else step

    def glimpsed(self, show: OnGlimpse) -> StubEdit:
        other = copy(self)
        other._show = show
        return other

    def find(self, *, head: str, region: str, caption: str) -> Image.Image:
        if region == "nowhere":
            raise InputError("I cannot tell where “nowhere” is in this picture.")
        size = self._store.size(head)
        mask = Image.new("L", size)
        mask.paste(255, (size[0] // 4, size[1] // 4, 3 * size[0] // 4, 3 * size[1] // 4))
        return mask

    def __call__(self, *, on_step: Any, seed: int, **asked: Any) -> Any:
        if folder := os.environ.get(LOG):
            name = f"{time.monotonic():.6f} {os.getpid()} {seed}"
            (Path(folder) / name).touch()
        for i in range(1, STEPS + 1):
            time.sleep(self._step)
            if on_step is not None:
                on_step("sample", i, STEPS)
            if self._show is not None:
                self._show(Image.new("RGB", (16, 16), "gray"))
        return self._edit(on_step=None, seed=seed, **asked)


def stub(settings: Any, together: int) -> Callable[[PictureStore], StubEdit]:
    """Load nothing but say so; return the tool over a store."""
    if folder := os.environ.get(LOG):
        (Path(folder) / f"{os.getpid()} {settings.model}.loaded").touch()
    return StubEdit


def begun(folder: Path) -> list[tuple[float, int, int]]:
    """Return the edits that were begun, in their order: when, by which process, with what seed."""
    rows = [file.name.split() for file in folder.iterdir() if file.suffix != ".loaded"]
    return sorted((float(when), int(process), int(seed)) for when, process, seed in rows)


def loaded(folder: Path) -> set[tuple[int, str]]:
    """Return which process has loaded which models."""
    rows = [file.stem.split() for file in folder.glob("*.loaded")]
    return {(int(process), model) for process, model in rows}
