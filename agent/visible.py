"""What was not written here is shown so that no terminal obeys it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from typing import Any, TextIO

_RAW = re.compile(
    "[\0-\x09\x0b-\x1f\x7f-\x9f"  # C0 but for the line feed, DEL, C1
    "\u2028\u2029"  # which some take for the end of a line
    "\u202a-\u202e\u2066-\u2069"  # order letters otherwise than they are read
    "\ud800-\udfff]"  # halves of a character, which no stream can encode
)


def visible(text: str) -> str:
    r"""Return a text with its control characters written as ``\u001b``, which JSON reads, too.

    Line feeds stay.
    """
    return _RAW.sub(lambda found: f"\\u{ord(found[0]):04x}", text.replace("\r\n", "\n"))


def json_line(data: Mapping[str, Any]) -> str:
    """Return data as one line of JSON that any terminal and any encoding of Unicode takes."""
    return visible(json.dumps(data, ensure_ascii=False))


class VisibleStream(io.TextIOBase):
    """A stream of plain words: whatever is printed on it passes `visible`."""

    def __init__(self, stream: TextIO) -> None:
        """Write to that stream."""
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text."""
        self._stream.write(visible(text))
        return len(text)

    def isatty(self) -> bool:
        """Take no colours."""
        return False

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()

    def fileno(self) -> int:
        """Return the stream's file."""
        return self._stream.fileno()
