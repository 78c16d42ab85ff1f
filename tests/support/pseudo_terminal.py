"""The whole program in a pseudo-terminal: keys in, screen out."""

from __future__ import annotations

import os
import signal
import sys
import termios
import time
from pathlib import Path

import pexpect
import pyte
from paths import ROOT

ESC, CTRL_C, CTRL_D, CTRL_R, TAB, ENTER, UP = "\x1b", "\x03", "\x04", "\x12", "\t", "\r", "\x1b[A"


class Terminal:
    """A terminal of so many columns and rows that runs chat.py and shows what a person would see.

    The terminal answers the questions that programs ask of it (where is the cursor?) as a plain
    one does.
    """

    def __init__(
        self, home: Path, *args: str, columns: int = 100, rows: int = 40, offline: bool = True
    ) -> None:
        environ = os.environ | {"TERM": "xterm-256color", "PALIMPSEST_CONFIG": ""}
        environ.pop("NO_COLOR", None)
        flags = ["--offline"] if offline else []
        command = ["chat.py", *flags, "--seed", "7", "--home", str(home), *args]
        self.child = pexpect.spawn(
            sys.executable, command, cwd=ROOT, env=environ, dimensions=(rows, columns), timeout=60,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # if tests ignore it
        )  # fmt: skip
        self.modes = termios.tcgetattr(self.child.child_fd)
        self.seen = pyte.Screen(columns, rows)
        self.seen.write_process_input = self.child.send  # answers
        self.stream = pyte.ByteStream(self.seen)
        self.raw = b""

    def type(self, keys: str) -> None:
        """Press keys."""
        self.child.send(keys)

    def until(self, words: str, seconds: float = 60) -> str:
        """Wait until words are on the screen, and return all of it."""
        end = time.monotonic() + seconds
        while words not in self.text:
            assert time.monotonic() < end, f"no “{words}” in:\n{self.text}"
            self._read()
        return self.text

    def until_gone(self, words: str, seconds: float = 60) -> str:
        """Wait until words are no longer on the screen."""
        end = time.monotonic() + seconds
        while words in self.text:
            assert time.monotonic() < end, f"still “{words}” in:\n{self.text}"
            self._read()
        return self.text

    def resize(self, columns: int, rows: int) -> None:
        """Make the terminal another size."""
        self.child.setwinsize(rows, columns)
        self.seen.resize(rows, columns)

    def until_asked(self, seconds: float = 60) -> None:
        """Wait until the cursor stands behind the prompt, so that no key is lost."""
        end = time.monotonic() + seconds
        while not self.seen.display[self.seen.cursor.y].startswith("you ›"):
            assert time.monotonic() < end, f"no prompt in:\n{self.text}"
            self._read()

    def ended(self, seconds: float = 120) -> int:
        """Wait for the end, and return the exit code, 128 + N for signal N."""
        end = time.monotonic() + seconds
        while True:
            assert time.monotonic() < end, f"it does not end:\n{self.text}"
            try:
                self._read()
            except pexpect.EOF:
                break
        self.child.close()
        code, signal = self.child.exitstatus, self.child.signalstatus
        return code if code is not None else 128 + signal

    @property
    def text(self) -> str:
        """What the screen shows, line by line."""
        return "\n".join(line.rstrip() for line in self.seen.display).rstrip()

    @property
    def cursor_is_shown(self) -> bool:
        """Whether the cursor was left visible."""
        return not self.seen.cursor.hidden

    def _read(self) -> None:
        try:
            data = self.child.read_nonblocking(65536, timeout=0.1)
        except pexpect.TIMEOUT:
            return
        self.raw += data
        self.stream.feed(data)
