"""From walks to a table: means over sequences, how sure they are, and the Frechet distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from editing_core.bench.photographs.running import Walk
from editing_core.bench.photographs.similarity import frechet
from editing_core.bench.spread import Row

COLUMNS = {
    "clip_text": ("CLIP-T", 1.0),
    "clip_picture": ("CLIP-I", 1.0),
    "structure": ("structure × 10³", 1e3),
    "lpips": ("LPIPS × 10³", 1e3),
    "psnr": ("PSNR, dB", 1.0),
    "ssim": ("SSIM × 10²", 1e2),
    "mse": ("MSE × 10⁴", 1e4),
}
"""Of `Scores`, what it is called in the table, and the factor that PIE-Bench reports it with."""
RESAMPLES = 2000
BOUNDS = (2.5, 97.5)  # percentiles: a confidence of 95 %
NOTHING = "–"


@dataclass(frozen=True)
class Estimate:
    """A mean over sequences, and the bounds of its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        """Mean and bounds, as a cell of a table."""
        return f"{self.mean:.4g} [{self.low:.4g}, {self.high:.4g}]"


@dataclass(frozen=True)
class Measured:
    """One way to edit, over all sequences, after a turn.

    Attributes:
        frechet: Frechet distance of the photographs and the edited pictures; None of one alone.
        scores: By name in `Scores`; None where no sequence has it.
        steps: Of the solver, a turn.
        calls: Of the model, a turn.
        seconds: A turn.
    """

    frechet: float | None
    scores: dict[str, Estimate | None]
    steps: float
    calls: float
    seconds: float

    def row(self, way: str) -> Row:
        """The same as a row of the table."""
        cells = {title: str(self.scores[name] or NOTHING) for name, (title, _) in COLUMNS.items()}
        first = NOTHING if self.frechet is None else self.frechet
        costs = {"steps": self.steps, "model calls": self.calls, "seconds": self.seconds}
        return {"method": way, "FID": first, **cells, **costs}


def measured(walks: Sequence[Walk], turn: int) -> Measured:
    """Measure the walks of one way after a turn, counted from 1."""
    scores = [walk.scores[turn - 1] for walk in walks]
    costs = [walk.costs[turn - 1] for walk in walks]
    values = {
        name: [factor * value for each in scores if (value := getattr(each, name)) is not None]
        for name, (_, factor) in COLUMNS.items()
    }
    return Measured(
        frechet=frechet(*(np.stack([walk.features[n] for walk in walks]) for n in (0, turn))),
        scores={name: estimate(found) for name, found in values.items()},
        steps=fmean(cost.steps for cost in costs),
        calls=fmean(cost.calls for cost in costs),
        seconds=fmean(cost.seconds for cost in costs),
    )


def estimate(values: Sequence[float]) -> Estimate | None:
    """Return the mean of some values with its percentile bootstrap interval (Efron 1979)."""
    if not values:
        return None
    drawn = np.random.default_rng(0).choice(values, (RESAMPLES, len(values)))
    low, high = np.percentile(drawn.mean(axis=1), BOUNDS)
    return Estimate(fmean(values), float(low), float(high), len(values))
