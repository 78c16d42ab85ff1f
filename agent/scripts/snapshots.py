"""Rewriting what a script expects to what happened: comments stay, and the change is shown."""

from __future__ import annotations

import difflib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL.Image import Image
from ruamel.yaml.comments import CommentedMap

from agent.scripts.assertions import Missed
from agent.scripts.loader import Place, document, written, yaml


def updated(file: Path, missed: Iterable[Missed]) -> str:
    """Return a script with every missed expectation of its own rewritten, where that can be.

    Args:
        file: The script.
        missed: What it expected in vain; what an included file expects is left alone.
    """
    loaded = document(file)
    for miss in missed:
        if miss.instead is None or (miss.line is not None and miss.line.file != file):
            continue
        if isinstance(miss.instead, Image):
            continue  # the script stays as it is
        above: Place = miss.line.place if miss.line else ()
        _put(loaded, (*above, "expect", *miss.place), miss.instead)
    out = io.StringIO()
    yaml().dump(loaded, out)
    return out.getvalue()


def pictures(file: Path, missed: Iterable[Missed]) -> dict[Path, Image]:
    """Return the stored pictures that a script compares with, as they now are, by file."""
    loaded = document(file)
    found: dict[Path, Image] = {}
    for miss in missed:
        if isinstance(miss.instead, Image) and (miss.line is None or miss.line.file == file):
            name = loaded
            for part in (*(miss.line.place if miss.line else ()), "expect", *miss.place):
                name = name[part]
            found[file.parent / str(name)] = miss.instead
    return found


def difference(file: Path, text: str) -> str:
    """Return how a file would change, as a unified diff."""
    before = file.read_text("utf-8").splitlines(keepends=True)
    after = text.splitlines(keepends=True)
    return "".join(difflib.unified_diff(before, after, str(file), f"{file} (updated)"))


def _put(loaded: Any, place: Place, value: Any) -> None:
    """Set a value of a loaded file in its place; parts that are not there yet are made."""
    for part in place[:-1]:
        if isinstance(part, str) and part not in loaded:
            loaded[part] = CommentedMap()
        loaded = loaded[part]
    loaded[place[-1]] = written(value)
