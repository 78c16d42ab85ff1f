"""The stage of training that teaches the classifier to name what pictures show."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from itertools import islice, repeat
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from editing_core.portraits.augmentations import corrupted, distractor, jittered
from editing_core.portraits.classifier import AttributeClassifier, targets
from editing_core.portraits.distributed import processes
from editing_core.portraits.schema import draws
from editing_core.portraits.trainer import Deadline, TrainingConfig, run_training

CLASSIFIER = TrainingConfig(
    samples=750_000,
    batch_size=64,
    learning_rate=2e-3,
    warmup_steps=50,
    decay_fraction=0.5,
    ema_decay=0.998,
)
OTHERS_SHARE = 1 / 8  # of a batch


def train_classifier(
    model: AttributeClassifier, pictures: NDArray[np.uint8], others: NDArray[np.uint8], file: Path,
    deadline: Deadline,
) -> bool:  # fmt: skip
    """Train on drawings of the "train" split, half of them damaged, and on other pictures.

    Args:
        model: trained in place.
        pictures: (N, H, W, 3) bytes, drawn from `draws("train")` in order.
        others: (M, SIDE, SIDE, 3) bytes that are no portraits.
        file: where the training is kept.
        deadline: when to stop early.

    Returns:
        Whether it is complete.
    """
    right = [targets(p.attributes.visible()) for p in islice(draws("train"), len(pictures))]
    share = CLASSIFIER.batch_size // processes()

    def loss_of(step: int) -> Tensor:
        rng = np.random.default_rng(step)
        chosen = rng.integers(len(pictures), size=share - int(share * OTHERS_SHARE))
        strange = rng.integers(len(others), size=int(share * OTHERS_SHARE))
        device = torch.get_default_device()
        shown = (np.stack([pictures[i] for i in chosen]), others[strange])
        x = torch.cat([model.preprocess(torch.from_numpy(part).to(device)) for part in shown])
        answers = [right[i] for i in chosen] + [targets(None)] * len(strange)
        return cross_entropy(model(corrupted(jittered(x, step), step)), answers)

    done = run_training(model, loss_of, CLASSIFIER, file, deadline)
    model.eval()
    return done


def cross_entropy(logits: Mapping[str, Tensor], answers: list[dict[str, int]]) -> Tensor:
    """Mean cross-entropy over all questions; pictures without an answer are not asked."""
    unasked = -100
    losses = []
    for name, row in logits.items():
        target = torch.tensor([answer.get(name, unasked) for answer in answers]).to(row.device)
        whole = functional.cross_entropy(row, target, reduction="sum")
        losses.append(whole / (target != unasked).sum().clamp(min=1))
    return torch.stack(losses).mean()


def draw_others(file: Path, count: int, side: int) -> NDArray[np.uint8]:
    """Pictures (count, side, side, 3) that are no portraits, drawn once, kept in `file`."""
    if not file.exists():
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
            pictures = pool.map(distractor, range(count), repeat(side), chunksize=50)
            drawn = np.stack(list(pictures))
        np.save(file.with_suffix(".partial.npy"), drawn)
        file.with_suffix(".partial.npy").replace(file)
    others: NDArray[np.uint8] = np.load(file)
    return others
