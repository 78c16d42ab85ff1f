"""The words the offline reader knows, as data: one TOML file for each part of the language."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
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


def filled(name: str, pattern: str) -> str:
    """Put the shared parts of a file's patterns in their places, and theirs in them: "{it}"."""
    parts: dict[str, str] = load(name).get("parts", {})
    while (whole := re.sub(r"\{([a-z]+)\}", lambda match: parts[match[1]], pattern)) != pattern:
        pattern = whole
    return pattern


@cache
def compiled(name: str, table: str, entry: str) -> tuple[re.Pattern[str], ...]:
    """Return the patterns of an entry, each for a whole text, with the table's common tail."""
    rows = load(name)[table]
    forms = (filled(name, f"(?:{said}){rows.get('tail', '')}") for said in rows[entry])
    return tuple(re.compile(form, re.IGNORECASE) for form in forms)


def match(name: str, table: str, entry: str, text: str) -> re.Match[str] | None:
    """Match a whole text with the patterns of an entry, in their order."""
    tries = (pattern.fullmatch(text) for pattern in compiled(name, table, entry))
    return next((found for found in tries if found is not None), None)


def said(name: str, table: str, entry: str, text: str) -> dict[str, str] | None:
    """Return what the named parts of a pattern hold; a digit at the end of a name does not count.

    None if a text is nothing like the entry.
    """
    found = match(name, table, entry, text)
    if found is None:
        return None
    return {part.rstrip("0123456789"): held for part, held in found.groupdict().items() if held}


def strings(table: object) -> Iterator[str]:
    """Yield every key and every string of a table, those of the tables in it included."""
    if isinstance(table, str):
        yield table
    elif isinstance(table, dict):
        yield from (*table, *strings([*table.values()]))
    elif isinstance(table, list):
        for value in table:
            yield from strings(value)
