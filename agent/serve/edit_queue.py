"""The queue of edits before the model, first come first served."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition
from typing import Any

from agent.context import Edited, EditPicture

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

    def __init__(
        self,
        edit: EditPicture,
        queue: EditQueue,
        waits: Callable[[int], None],
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
        with self._queue.turn(self._waits):
            return self._edit(**asked)
