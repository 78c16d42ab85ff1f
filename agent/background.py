"""Work in a thread of its own, which nobody who leaves waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Done = TypeVar("Done")
BLINK = 0.05  # seconds between two looks at whether to stop


class Stopped(BaseException):
    """The person pressed Ctrl-C: what was being done ends with nothing stored."""


def in_background(work: Callable[[], Done]) -> Future[Done]:
    """Begin to work in a daemon thread; its result or its error is in the future."""
    future: Future[Done] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # handed over to the thread that waits
            future.set_exception(error)

    threading.Thread(target=run, name="palimpsest", daemon=True).start()
    return future


def until_stopped(work: Callable[[], Done], stopped: Callable[[], bool]) -> Done:
    """Do work in the background and return its result.

    Args:
        work: changes nothing, so that its result may be dropped.
        stopped: whether to wait no longer.

    Raises:
        Stopped: the person pressed Ctrl-C first.
    """
    result = in_background(work)
    while True:
        try:
            return result.result(timeout=BLINK)
        except TimeoutError:
            if result.done():  # the work itself ran out of time
                raise
            if stopped():
                raise Stopped from None
