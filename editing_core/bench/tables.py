"""Tables of walks: rows are ways to edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from editing_core.bench.measured import first_output
from editing_core.bench.parallel import Cell, Row
from editing_core.bench.rollouts import sequence
from editing_core.bench.summary import (
    COLUMNS,
    Column,
    Estimate,
    Steps,
    ahead,
    estimated,
    frechet,
    jackknife,
)
from editing_core.portraits.schema import SIZE

Walked = Mapping[str, Sequence[Steps]]
"""Way -> its walks of one kind, in the order of the sequences."""


def at_turn(walked: Walked, turn: int) -> list[Row]:
    """All columns after a turn, and the Fréchet distance, of the walks that are so long."""
    return [
        {"method": way, "n": str(sum(len(steps) >= turn for steps in walks))}
        | {column.name: estimated(column, walks, turn) for column in COLUMNS}
        | {"Fréchet": _frechet(walks, turn)}
        for way, walks in walked.items()
    ]


def against(walked: Walked, champion: str, turn: int) -> list[Row]:
    """By column, a way and the best of the others; "ahead" above 0 is better for the champion.

    "Ahead" compares sequence by sequence, so its interval says whether the difference is one.
    """
    others = [way for way in walked if way != champion]
    rows: list[Row] = []
    for column in COLUMNS:
        own, best = (_best(column, walked, ways, turn) for ways in ([champion], others))
        rows.append(
            {
                "column": column.name,
                champion: estimated(column, walked[own], turn),
                "best of the others": estimated(column, walked[best], turn),
                "which": best,
                "ahead": ahead(column, walked[own], walked[best], turn),
            }
        )
    return rows


def after_each(walked: Walked, name: str, turns: Sequence[int]) -> list[Row]:
    """One column after some turns."""
    return [
        {"method": way}
        | {
            f"after {turn}": jackknife([steps[turn - 1][name] for steps in walks], np.mean)
            for turn in turns
        }
        for way, walks in walked.items()
    ]


def markdown(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table; numbers with three digits."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + " --- |" * len(rows[0])]
    for row in rows:
        lines.append("| " + " | ".join(cell(value) for value in row.values()) + " |")
    return "\n".join(lines)


def cell(value: Cell) -> str:
    """A value as text."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _best(column: Column, walked: Walked, ways: Sequence[str], turn: int) -> str:
    reached = {way: estimated(column, walked[way], turn).value for way in ways}
    wanted = column.best(list(reached.values()))
    return next(way for way, value in reached.items() if value == wanted)


def _frechet(walks: Sequence[Steps], turn: int) -> Estimate:
    long_enough = [n for n, steps in enumerate(walks) if len(steps) >= turn]
    return frechet(walks, {n: _true_features(n, turn) for n in long_enough}, turn)


@cache
def _true_features(number: int, turn: int) -> NDArray[np.float32]:
    return first_output(sequence(number)[turn - 1].after, SIZE).features
