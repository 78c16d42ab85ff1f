"""Sentences that were made for the terminal, as those elsewhere are told them.

Who talks over HTTP, on the page or by the Model Context Protocol has no command line, so what a
sentence says of its flags is left out or said in another way; nor is anybody told where on the
server the home is.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from agent.options import declared

INSTEAD = {
    "--list-sessions lists them": "the list of sessions names them",
    'say it with --caption "…"': "give a caption",
}
"""What is said in other words to those who have no command line."""
OF_THE_DOOR = ("anyway", "caption", "config", "fork", "list-sessions", "out", "read-only", "resume")
"""Flags of `palimpsest` beside those of options."""

_ENDS = re.compile(r"(?<=[.!?]) (?=\S)")
_PARTS = re.compile(r"(; |, or )")


def for_clients(text: str) -> str:
    """Return what is told to those who have no command line."""
    for said, instead in INSTEAD.items():
        text = text.replace(said, instead)
    return "\n".join(map(_line, text.split("\n"))) if _flags().search(text) else text


def hiding(text: str, home: Path) -> str:
    """Return the same without where on the server the home is."""
    return for_clients(text).replace(str(home), "HOME")


@cache
def _flags() -> re.Pattern[str]:
    names = sorted({name.replace("_", "-") for name in declared()} | set(OF_THE_DOOR))
    return re.compile(rf"(?<![\w-])--(?:{'|'.join(names)})(?![\w-])")


def _line(line: str) -> str:
    kept = (_sentence(sentence) for sentence in _ENDS.split(line))
    return " ".join(sentence for sentence in kept if sentence)


def _sentence(sentence: str) -> str:
    """Return a sentence without its parts that name flags; "" if nothing is left."""
    if not _flags().search(sentence):
        return sentence
    first, *others = _PARTS.split(sentence)
    kept = "" if _flags().search(first) else first
    for joint, part in zip(others[::2], others[1::2], strict=True):
        if not _flags().search(part):
            kept = f"{kept}{joint}{part}" if kept else part
    return f"{kept.rstrip('.')}." if kept else ""
