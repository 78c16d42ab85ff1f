"""The bar that moves while an edit runs or an LLM reads; what is typed meanwhile does not show."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from PIL import Image
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from agent.state import Event
from agent.terminal import previews
from agent.visible import visible

PHASES = {"invert": "looking back", "sample": "repainting"}
READING = "reading"
GLIMPSED = 24  # terminal columns of a guess at the picture
HEARD = 60  # characters of what an LLM is writing
_SYNTAX = re.compile(r"[\s\"{}\[\]\\]+")
"""What JSON has beside words, colons and commas."""


class Glimpsed(Progress):
    """A bar with a guess at the picture, or what an LLM writes, below it, once there is one."""

    picture: RenderableType | None = None

    def get_renderables(self) -> Iterable[RenderableType]:
        """Return both."""
        yield from super().get_renderables()
        if self.picture is not None:
            yield self.picture


class Bar:
    """One bar on a console, from `start` to `stop`, as often as needed."""

    def __init__(self, console: Console) -> None:
        """Show it there."""
        self._console = console
        self._progress: Glimpsed | None = None
        self._task = TaskID(0)
        self._halves = 1
        self._modes: list[Any] | None = None

    def start(self, label: str = "getting ready") -> None:
        """Show that work has begun, be it the model that still loads."""
        if self._progress or not self._console.is_terminal or self._console.is_dumb_terminal:
            return
        self._progress = Glimpsed(
            TextColumn("{task.description:>16}"),
            BarColumn(bar_width=30),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._halves = 1
        self._task = self._progress.add_task(label, total=None)
        self._modes = _without_echo()
        self._progress.start()

    def wait(self, before: int) -> None:
        """Show that other edits are made first."""
        self.start()
        if self._progress:
            self._progress.update(self._task, description=f"{before} before you")

    def advance(self, event: Event) -> None:
        """Show a step of the solver."""
        self.start()
        phase, done, of = event["phase"], event["i"], event["of"]
        self._halves = 2 if phase == "invert" else self._halves  # the inversion is the first half
        before = of if phase == "sample" and self._halves == 2 else 0
        finished = phase == "sample" and done == of
        label = "looking at it" if finished else f"{PHASES.get(phase, phase)} {done}/{of}"
        if self._progress:
            self._progress.update(
                self._task, total=self._halves * of, completed=before + done, description=label
            )

    def show(self, picture: Image.Image) -> None:
        """Show a guess at the picture, in half blocks: any terminal can take those away again."""
        if self._progress:
            self._progress.picture = previews.small(picture, "blocks", GLIMPSED)

    def hear(self, text: str) -> None:
        """Show the end of what an LLM has written so far, as long as the bar is there."""
        if progress := self._progress:
            words = _SYNTAX.sub(" ", text[-2 * HEARD :]).replace(" :", ":").replace(" ,", ",")
            progress.picture = Text(
                visible(words)[-HEARD:], style="dim", no_wrap=True, overflow="crop"
            )

    def stop(self) -> None:
        """Take it away, and let what is typed show again."""
        if self._progress:
            self._progress.stop()
            self._progress = None
        if self._modes is not None:
            _restore(self._modes)
            self._modes = None


def _without_echo() -> list[Any] | None:
    """Let typed keys wait unseen: shown, they would break the line that the bar is drawn on.

    Returns the modes to restore; None where there is no such terminal.
    """
    try:
        import termios

        before: list[Any] = termios.tcgetattr(sys.stdin)
        quiet = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
        termios.tcsetattr(sys.stdin, termios.TCSANOW, quiet)
    except Exception:  # no terminal, another system, or a stream that is none
        return None
    return before


def _restore(modes: list[Any]) -> None:
    with suppress(Exception):  # the terminal is gone
        import termios

        termios.tcsetattr(sys.stdin, termios.TCSANOW, modes)
