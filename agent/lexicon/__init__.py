"""The words the offline reader knows, as data: one TOML file for each part of the language."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def load(name: str) -> dict[str, Any]:
    """Return the content of ``name``.toml; do not change what is returned."""
    return tomllib.loads(files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8"))


def patterns(entry: list[str]) -> list[str]:
    """Split the strings of an entry into patterns, at the bars outside all parentheses."""
    found = []
    for words in entry:
        depth, last = 0, 0
        for place, letter in enumerate(words):
            depth += {"(": 1, ")": -1}.get(letter, 0)
            if letter == "|" and depth == 0:
                found.append(words[last:place])
                last = place + 1
        found.append(words[last:])
    return found
