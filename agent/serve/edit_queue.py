"""The queue of edits before the model, first come first served."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition
from typing import Any, Protocol

from PIL.Image import Image

from agent.context import Edited, EditPicture, FindRegion

LOOKED_EVERY = 0.2  # seconds between two looks at whether to stop waiting


Waits = Callable[[int], None]
"""Told now and then how many are before us; what it raises ends the waiting."""


class Queue(Protocol):
    """Where edits wait until a model is free."""

    def edit(self, edit: EditPicture, waits: Waits, asked: dict[str, Any]) -> Edited:
        """Edit once there is a model for it."""

    def find(self, find: FindRegion, waits: Waits, asked: dict[str, str]) -> Image:
        """Find a region once there is a model for it."""


class EditQueue:
    """Lets one edit at a time use the model; the others wait in the order they came."""

    def __init__(self) -> None:
        """Begin with nobody waiting."""
        self._waiting: deque[object] = deque()
        self._moved = Condition()

    def __len__(self) -> int:
        """Say how many are at the model or wait for it."""
        return len(self._waiting)

    def edit(self, edit: EditPicture, waits: Waits, asked: dict[str, Any]) -> Edited:
        """Edit once it is our turn."""
        with self.turn(waits):
            return edit(**asked)

    def find(self, find: FindRegion, waits: Waits, asked: dict[str, str]) -> Image:
        """Find a region once it is our turn."""
        with self.turn(waits):
            return find(**asked)

    @contextmanager
    def turn(self, waits: Waits) -> Iterator[None]:
        """Wait for one's turn, and keep it while the context is entered."""
        me = object()
        with self._moved:
            self._waiting.append(me)
        try:
            with self._moved:
                while (before := self._waiting.index(me)) > 0:
                    waits(before)
                    self._moved.wait(LOOKED_EVERY)
            yield
        finally:
            with self._moved:
                self._waiting.remove(me)
                self._moved.notify_all()


class QueuedEdit:
    """The tool that the agent calls, once it is its turn at the model."""

    def __init__(
        self,
        edit: EditPicture,
        queue: Queue,
        waits: Waits,
        further: Callable[[], None],
    ) -> None:
        """Wait in ``queue`` before each edit; ``further`` is called before all but the first."""
        self._edit, self._queue, self._waits, self._further = edit, queue, waits, further
        self._made = 0

    def __call__(self, **asked: Any) -> Edited:
        """Edit a picture."""
        if self._made:
            self._further()
        self._made += 1
        return self._queue.edit(self._edit, self._waits, asked)


class QueuedFind:
    """The tool that finds regions, which may need the model, too."""

    def __init__(self, find: FindRegion, queue: Queue, waits: Waits) -> None:
        """Wait in ``queue`` before each look."""
        self._find, self._queue, self._waits = find, queue, waits

    def __call__(self, *, head: str, region: str, caption: str) -> Image:
        """Find a region."""
        asked = {"head": head, "region": region, "caption": caption}
        return self._queue.find(self._find, self._waits, asked)
