"""What was measured of a model's layers: a small file beside the shipped model, else in the cache.

`layer_analysis.py` measures it. A file is known by the hash of the model's weights.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from editing_core.models.base import Stream
from editing_core.models.checkpoints import SHIPPED_FOLDERS

if TYPE_CHECKING:
    from editing_core.models.base import Model

FILE = "layers.json"


@dataclass(frozen=True)
class MeasuredLayer:
    """One attention layer of a model.

    Attributes:
        index: Its number, from 0 at the input.
        stream: Whether text and image have weights of their own there.
        activation: Share of the picture that its map of the edit words lights up.
        rank: Place by activation among the layers that may make the mask, from 1, the most active.
        localisation: How well its map tells what the words name from the rest: the area under the
            ROC curve, 0.5 by chance, 1 at best.
        influence: How far the velocity moves when the layer's block is left out, as a share of the
            velocity.
    """

    index: int
    stream: Stream
    activation: float
    rank: int
    localisation: float
    influence: float


@dataclass(frozen=True)
class LayerAnalysis:
    """What was measured of a model.

    Attributes:
        model: What it was asked for by.
        weights: Hash of its weights.
        pictures: How many pictures it was measured on.
        layers: All its attention layers.
        best: Those whose mean map covers best what the words name.
        overlap: Intersection over union of that mask and the truth, on pictures by which the layers
            were not chosen.
        overlap_by_rank: The same of the mask of the paper's ranks.
    """

    model: str
    weights: str
    pictures: int
    layers: tuple[MeasuredLayer, ...]
    best: tuple[int, ...]
    overlap: float
    overlap_by_rank: float

    @property
    def chosen(self) -> tuple[int, ...]:
        """The layers that are to make the mask; none where the paper's ranks do better."""
        return self.best if self.overlap > self.overlap_by_rank else ()


def layers_measured(model: Model) -> tuple[int, ...]:
    """Return the layers that are to make a model's mask; none if nobody measured any."""
    analysis = read(model.weights_hash)
    return analysis.chosen if analysis else ()


def read(weights: str) -> LayerAnalysis | None:
    """Return what was measured of the model with these weights, by their hash, if anything was."""
    for file in (*(folder / FILE for folder in SHIPPED_FOLDERS.values()), _cached(weights)):
        try:
            analysis = _parsed(json.loads(file.read_text("utf-8")))
        except (OSError, ValueError, KeyError, TypeError):  # not there, or not ours
            continue
        if analysis.weights == weights:
            return analysis
    return None


def write(analysis: LayerAnalysis) -> Path:
    """Keep what was measured of a model: beside it if it is shipped, else in the cache."""
    folder = SHIPPED_FOLDERS.get(analysis.model)
    file = folder / FILE if folder else _cached(analysis.weights)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(analysis), indent=1) + "\n", "utf-8")
    return file


def _parsed(data: dict[str, object]) -> LayerAnalysis:
    from pydantic import TypeAdapter

    return TypeAdapter(LayerAnalysis).validate_python(data)


def _cached(weights: str) -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("palimpsest") / "layers" / f"{weights}.json"
