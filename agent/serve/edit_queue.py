"""The queue of edits before the model, first come first served."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition
from typing import Any

from PIL.Image import Image

from agent.context import Edited, EditPicture, FindRegion

LOOKED_EVERY = 0.2  # seconds between two looks at whether to stop waiting


class EditQueue:
    """Lets one edit at a time use the model; the others wait in the order they came."""

    def __init__(self) -> None:
        """Begin with nobody waiting."""
        self._waiting: deque[object] = deque()
        self._moved = Condition()

    def __len__(self) -> int:
        """Say how many are at the model or wait for it."""
        return len(self._waiting)

    @contextmanager
    def turn(self, waits: Callable[[int], None]) -> Iterator[None]:
        """Wait for one's turn, and keep it while the context is entered.

        Args:
            waits: EventData now and then how many are before us; what it raises ends the waiting.
        """
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

    def __init__(self, edit: EditPicture, queue: EditQueue, waits: Callable[[int], None]) -> None:
        """Wait in ``queue`` before each edit."""
        self._edit, self._queue, self._waits = edit, queue, waits

    def __call__(self, **asked: Any) -> Edited:
        """Edit a picture."""
        with self._queue.turn(self._waits):
            return self._edit(**asked)


class QueuedFind:
    """The tool that finds regions, which may need the model, too."""

    def __init__(self, find: FindRegion, queue: EditQueue, waits: Callable[[int], None]) -> None:
        """Wait in ``queue`` before each look."""
        self._find, self._queue, self._waits = find, queue, waits

    def __call__(self, *, head: str, region: str, caption: str) -> Image:
        """Find a region."""
        with self._queue.turn(self._waits):
            return self._find(head=head, region=region, caption=caption)
