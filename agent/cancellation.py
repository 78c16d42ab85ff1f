"""Waiting that Ctrl-C can end: slow work goes on alone and is forgotten."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Done = TypeVar("Done")
BLINK = 0.05  # seconds between two looks at whether to stop


class Stopped(BaseException):
    """The person pressed Ctrl-C: what was being done ends with nothing stored."""


def until_stopped(work: Callable[[], Done], stopped: Callable[[], bool]) -> Done:
    """Do work in a thread of its own and return its result.

    Args:
        work: changes nothing, so that its result may be dropped.
        stopped: whether to wait no longer.

    Raises:
        Stopped: the person pressed Ctrl-C first.
    """
    result: Future[Done] = Future()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:  # handed over to the thread that waits
            result.set_exception(error)

    threading.Thread(target=run, name="palimpsest-llm", daemon=True).start()
    while True:
        try:
            return result.result(timeout=BLINK)
        except TimeoutError:
            if result.done():  # the work itself ran out of time
                raise
            if stopped():
                raise Stopped from None
