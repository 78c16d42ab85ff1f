"""What walks come to: means with 95 % intervals over sequences, and who is best at what."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

HALF = 0.5
Steps = Sequence[Mapping[str, Any]]
"""What was measured after each turn of one walk."""


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval."""

    value: float
    """Over all sequences."""
    margin: float
    """Half the interval's width: 1.96 jackknife standard errors."""

    def __str__(self) -> str:
        """The number with three digits, and what it may be off by."""
        if not self.margin:
            return f"{self.value:.3g}"
        decimals = -math.floor(math.log10(self.margin))  # one digit that counts
        return f"{self.value:.3g} ± {round(self.margin, decimals):.{max(decimals, 0)}f}"


@dataclass(frozen=True)
class Column:
    """One column of a table of walks.

    Attributes:
        name: Its heading.
        best: ``max`` where more is better, ``min`` where less is.
        of: A walk's own number after so many turns; None where it has none.
    """

    name: str
    best: Callable[[Sequence[float]], float]
    of: Callable[[Steps, int], float | None]


def _at_end(name: str) -> Callable[[Steps, int], float | None]:
    return lambda steps, turn: steps[turn - 1].get(name)


def over_turns(name: str) -> Callable[[Steps, int], float | None]:
    """What averages a measure over the turns so far that have it."""
    return lambda steps, turn: _mean([step[name] for step in steps[:turn] if name in step])


def _all_so_far(steps: Steps, turn: int) -> float:
    return float(all(step["success"] for step in steps[:turn]))


def _collapsed(steps: Steps, turn: int) -> float:
    return float(
        any(step.get("portrait", 1) < 1 or step.get("right", 1) < HALF for step in steps[:turn])
    )


COLUMNS = (
    Column("success", max, over_turns("success")),
    Column("SR", max, _all_so_far),
    Column("CR", min, _collapsed),
    Column("kept", max, over_turns("kept")),
    Column("never asked for", max, _at_end("never asked for")),
    Column("right", max, _at_end("right")),
    Column("text agreement", max, _at_end("text agreement")),
    Column("similarity", max, _at_end("similarity")),
    Column("L1", min, _at_end("L1")),
    Column("L1 inside", min, _at_end("L1 inside")),
    Column("L1 outside", min, _at_end("L1 outside")),
    Column("PSNR inside", max, _at_end("PSNR inside")),
    Column("PSNR outside", max, _at_end("PSNR outside")),
    Column("SSIM inside", max, _at_end("SSIM inside")),
    Column("SSIM outside", max, _at_end("SSIM outside")),
    Column("drift", min, _at_end("drift")),
    Column("shift", min, _at_end("shift")),
    Column("seconds", min, over_turns("seconds")),
    Column("model calls", min, over_turns("model calls")),
)
"""Those of "turns": success, SR, CR, kept, seconds and model calls of all turns so far, the others
of the picture after the last; see `measured.followed` and `measured.distances`. SR: every change
was seen. CR: a picture collapsed, is no portrait any more or shows less than `HALF` of it right."""


def estimated(column: Column, walks: Sequence[Steps], turn: int) -> Estimate:
    """Average a column over the walks that are so long and have it."""
    of = (column.of(steps, turn) for steps in walks if len(steps) >= turn)
    return jackknife([value for value in of if value is not None], np.mean)


def ahead(column: Column, ours: Sequence[Steps], others: Sequence[Steps], turn: int) -> Estimate:
    """How far ahead we are on the same sequences: above 0 is better."""
    pairs = [
        (column.of(a, turn), column.of(b, turn))
        for a, b in zip(ours, others, strict=True)
        if len(a) >= turn
    ]
    sign = 1 if column.best is max else -1
    return jackknife([sign * (a - b) for a, b in pairs if a is not None and b is not None], np.mean)


def frechet(walks: Sequence[Steps], truths: Mapping[int, NDArray[Any]], turn: int) -> Estimate:
    """Fréchet distance between the features of the pictures after a turn and of their truths.

    Args:
        walks: Those of one way, in the order of the truths; shorter ones are left out.
        truths: Features of the true pictures, by the number of the walk.
        turn: Counted from 1.
    """
    pairs = [
        (np.array(steps[turn - 1]["features"]), truths[n])
        for n, steps in enumerate(walks)
        if len(steps) >= turn
    ]
    if len(pairs) < 2:
        return Estimate(math.nan, 0.0)
    return jackknife(pairs, lambda kept: frechet_distance(*map(np.array, zip(*kept, strict=True))))


def frechet_distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the squared Fréchet distance of two normal distributions fitted to rows.

    |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^1/2) (Heusel et al. 2017), where the last trace is
    the sum of the singular values of A B^T, A and B being the centred rows over sqrt(n - 1): few
    rows of many features need no matrix of all pairs of features.

    Args:
        a: Features. Shape: (n, features).
        b: The same of other pictures. Shape: (m, features).
    """
    means = a.mean(axis=0) - b.mean(axis=0)
    x, y = ((rows - rows.mean(axis=0)) / math.sqrt(len(rows) - 1) for rows in (a, b))
    shared = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    return float(means @ means + (x**2).sum() + (y**2).sum() - 2 * shared)


def jackknife(items: Sequence[Any], statistic: Callable[[Any], Any]) -> Estimate:
    """Estimate a statistic of items and how sure it is, by leaving out one item after another."""
    if not items:
        return Estimate(math.nan, 0.0)
    n, whole = len(items), float(statistic(items))
    if n < 3:
        return Estimate(whole, 0.0)
    without = np.array([statistic([*items[:i], *items[i + 1 :]]) for i in range(n)])
    variance = (n - 1) / n * float(((without - without.mean()) ** 2).sum())
    return Estimate(whole, 1.96 * math.sqrt(variance))


def _mean(numbers: Sequence[float]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None
