"""From walks to a table: means over sequences, how sure they are, and the Fréchet distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from editing_core.bench.parallel import Row
from editing_core.bench.photographs.running import PhotographRollout
from editing_core.bench.summary import Estimate, frechet_distance, jackknife
from editing_core.metrics import Floats

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
NOTHING = "–"


@dataclass(frozen=True)
class Measured:
    """One way to edit, over all sequences, after a turn.

    Attributes:
        frechet: Fréchet distance of the photographs and the edited pictures; None of one alone.
        count: Of the sequences.
        scores: By name in `Scores`; None where no sequence has it.
        steps: Of the solver, a turn.
        calls: Of the model, a turn.
        seconds: A turn.
    """

    frechet: Estimate | None
    count: int
    scores: dict[str, Estimate | None]
    steps: float
    calls: float
    seconds: float

    def row(self, way: str) -> Row:
        """The same as a row of the table."""
        cells = {title: self.scores[name] or NOTHING for name, (title, _) in COLUMNS.items()}
        first = self.frechet or NOTHING
        costs = {"steps": self.steps, "model calls": self.calls, "seconds": self.seconds}
        return {"method": way, "FID": first, **cells, **costs}


def measured(walks: Sequence[PhotographRollout], turn: int) -> Measured:
    """Measure the walks of one way after a turn, counted from 1."""
    scores = [walk.scores[turn - 1] for walk in walks]
    costs = [walk.costs[turn - 1] for walk in walks]
    values = {
        name: [factor * value for each in scores if (value := getattr(each, name)) is not None]
        for name, (_, factor) in COLUMNS.items()
    }
    return Measured(
        frechet=_frechet([(walk.features[0], walk.features[turn]) for walk in walks]),
        count=len(walks),
        scores={
            name: jackknife(found, np.mean) if found else None for name, found in values.items()
        },
        steps=fmean(cost.steps for cost in costs),
        calls=fmean(cost.calls for cost in costs),
        seconds=fmean(cost.seconds for cost in costs),
    )


def _frechet(pairs: Sequence[tuple[Floats, Floats]]) -> Estimate | None:
    if len(pairs) < 2:
        return None
    return jackknife(pairs, lambda kept: frechet_distance(*map(np.stack, zip(*kept, strict=True))))
