"""Whatever breaks in one line is told in one sentence and logged, and the next line is read."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from agent.exit_codes import BROKEN, DONE
from agent.visible import visible

if TYPE_CHECKING:
    from agent.terminal.screen import Screen

LOG = "errors.log"
LARGEST = 200_000  # bytes of the log; older faults make room for new ones


def safely(
    work: Callable[[], int | None],
    screen: Screen,
    home: Path,
    *,
    through: tuple[type[Exception], ...] = (),
) -> int:
    """Work and return its exit code; 4 if it broke, which is said and logged.

    Args:
        work: Does what one line asks.
        screen: Where it is said.
        home: Whose log gets the traceback.
        through: Exceptions that mean something to the caller.
    """
    try:
        return work() or DONE
    except BrokenPipeError:
        raise
    except through:
        raise
    except Exception as error:
        if os.environ.get("PALIMPSEST_DEBUG"):
            raise
        screen.rest()
        screen.complain(sentence(error, home))
        return BROKEN


def sentence(error: Exception, home: Path) -> str:
    """Log an error and return what is said of it."""
    kind = type(error).__name__
    where = f" {log} tells more." if (log := _logged(error, home)) else ""
    return f"Something broke inside ({kind}); nothing that was finished is lost.{where}"


def _logged(error: Exception, home: Path) -> Path | None:
    """Add a traceback to the log of a home and return the file; None if it cannot be written."""
    log = home / LOG
    told = "".join(traceback.format_exception(error))[-LARGEST // 4 :]
    entry = f"{time.strftime('%Y-%m-%d %H:%M:%S')}\n{visible(told)}\n".encode()
    try:
        held = log.read_bytes()[-LARGEST + len(entry) :] if log.exists() else b""
        log.write_bytes(held + entry)
    except (OSError, ValueError):
        return None
    return log
