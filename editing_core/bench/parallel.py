"""Measuring many items on all cores, and saying how far things are."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import repeat
from multiprocessing import get_context
from statistics import fmean
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from editing_core.editor import Editor

Cell = Any
"""Text, a number, or an `Estimate`; it says itself what it looks like."""
Row = dict[str, Cell]
"""A row of a table: column -> what stands there."""
Table = Mapping[str, Mapping[str, float]]
"""What was measured: row -> column -> number."""
Item = TypeVar("Item")
Found = TypeVar("Found")


def map_parallel(
    name: str, measure: Callable[[str, int, Item], Found], model: str, items: list[Item]
) -> Iterator[Found]:
    """Call `measure(model, number, item)` for all items on all cores; results come in order."""
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores, get_context("spawn"), initializer=_alone) as pool:
        jobs = pool.map(measure, repeat(model), range(len(items)), items)
        yield from (found for _, found in told(name, jobs, len(items)))


def mean_rows(tables: Iterable[Table]) -> dict[str, dict[str, float]]:
    """Average tables cell by cell, each over those that have it."""
    cells: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for table in tables:
        for row, columns in table.items():
            for column, value in columns.items():
                cells[row][column].append(value)
    return {
        row: {column: fmean(values) for column, values in columns.items()}
        for row, columns in cells.items()
    }


@cache
def editor_of(model: str) -> Editor:
    """The editor of a model, loaded once a process."""
    from editing_core.editor import Editor
    from editing_core.models.load import load

    return Editor(load(model))


def told(name: str, items: Iterable[Item], count: int) -> Iterator[tuple[int, Item]]:
    """Number items, and say on standard error how far things are."""
    for i, item in enumerate(items):
        print(f"\r{name} {i + 1}/{count}", end="", file=sys.stderr, flush=True)
        yield i, item
    print(file=sys.stderr)


def _alone() -> None:
    """Compute on one core, and not as a part of what `torchrun` started."""
    import torch

    torch.set_num_threads(1)
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"):
        os.environ.pop(name, None)
