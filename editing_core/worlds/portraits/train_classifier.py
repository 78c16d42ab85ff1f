"""The stage of training that teaches the classifier to name what pictures show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from editing_core.portraits.augmentations import corrupted, jittered
from editing_core.portraits.classifier import targets
from editing_core.portraits.distributed import processes
from editing_core.portraits.train_classifier import cross_entropy
from editing_core.portraits.trainer import Deadline, TrainingConfig, run_training
from editing_core.worlds.portraits.classifier import QUESTIONS, SIDE, Classifier
from editing_core.worlds.portraits.edited import Edits
from editing_core.worlds.portraits.precision import single_precision_norms
from editing_core.worlds.portraits.store import Chunk

SHARES = (1 / 8, 1 / 4, 1 / 8)
"""Of a batch: other pictures; degraded ones, half of them clean; exact drawings, so clean."""
EDITS_SHARE = 1 / 8  # of a batch, if there are any
DEGRADED, CLEAN = ({"clean": QUESTIONS["clean"].index(answer)} for answer in ("no", "yes"))


@dataclass(frozen=True, eq=False)
class ClassifierData:
    """What the classifier learns from.

    Attributes:
        store: Drawings of all shapes.
        others: Pictures that are no portraits. Shape: (M, SIDE, SIDE, 3).
        degraded: Clean portraits and degraded ones. Shape: (2, N, SIDE, SIDE, 3).
        edits: What the model makes of portraits, where it is taught.
    """

    store: Sequence[Chunk]
    others: NDArray[np.uint8]
    degraded: NDArray[np.uint8]
    edits: Edits | None = None

    def batch(self, step: int, size: int) -> tuple[Tensor, list[dict[str, int]]]:
        """Pictures (size, 3, SIDE, SIDE), most drawings damaged, and the right answers."""
        rng = np.random.default_rng(step)
        strange, degraded, exact = (int(share * size) for share in SHARES)
        edited = int(size * EDITS_SHARE) if self.edits and len(self.edits.right) else 0
        drawn, right = self._drawn(rng, size - strange - degraded - exact - edited)
        harmed = corrupted(torch.cat([drawn, _some(self.others, rng, strange)]), step)
        sharp, known = self._drawn(rng, exact)
        right += [targets(None)] * strange + [answer | CLEAN for answer in known]
        halves = (degraded - degraded // 2, degraded // 2)
        plain = [sharp, *(_some(self.degraded[i], rng, n) for i, n in enumerate(halves))]
        right += [CLEAN] * halves[0] + [DEGRADED] * halves[1]
        if self.edits and edited:
            chosen = rng.integers(len(self.edits.right), size=edited)
            plain.append(Classifier.preprocess(torch.from_numpy(self.edits.pictures[chosen])))
            right += [self.edits.right[i] for i in chosen]
        return jittered(torch.cat([harmed, *plain]), step), right

    def _drawn(self, rng: np.random.Generator, count: int) -> tuple[Tensor, list[dict[str, int]]]:
        """Drawings as they are, and all that they show."""
        seen, right = [], []
        for i in rng.integers(len(self.store), size=count):
            chunk = self.store[int(i)]
            j = int(rng.integers(len(chunk.pictures)))
            seen.append(Classifier.preprocess(torch.from_numpy(np.array(chunk.pictures[j]))[None]))
            right.append(targets(chunk.attributes[j]))
        return torch.cat(seen) if seen else torch.empty(0, 3, SIDE, SIDE), right


def train_classifier(
    model: Classifier, data: ClassifierData, file: Path, config: TrainingConfig, deadline: Deadline,
    dtype: torch.dtype,
) -> bool:  # fmt: skip
    """Train on drawings, half of them damaged, on other pictures, on degraded ones and on edits.

    Args:
        model: Trained in place.
        data: What it learns from.
        file: Where the training is kept.
        config: How it learns.
        deadline: When to stop early.
        dtype: What matrix products are done in.

    Returns:
        Whether it is complete.
    """
    single_precision_norms(model).train()
    device = torch.get_default_device()

    def loss_of(step: int) -> Tensor:
        pictures, right = data.batch(step, config.batch_size // processes())
        x = pictures.to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            logits = model(x)
        return cross_entropy({name: row.float() for name, row in logits.items()}, right)

    done = run_training(model, loss_of, config, file, deadline, dtype=dtype)
    model.eval()
    return done


def _some(pictures: NDArray[np.uint8], rng: np.random.Generator, count: int) -> Tensor:
    return Classifier.preprocess(
        torch.from_numpy(pictures[rng.integers(len(pictures), size=count)])
    )
