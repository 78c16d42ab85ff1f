"""The stage of training that teaches the classifier to name what pictures show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from editing_core.portraits.learning import Deadline, Recipe, learn
from editing_core.portraits.lessons import damaged, moved
from editing_core.portraits.processes import processes
from editing_core.portraits.reader import answers
from editing_core.portraits.train_reader import cross_entropy
from editing_core.worlds.portraits.classifier import Classifier, as_input
from editing_core.worlds.portraits.precision import single_precision_norms
from editing_core.worlds.portraits.store import Chunk

OTHERS_SHARE = 1 / 8  # of a batch


def train_classifier(
    model: Classifier, store: Sequence[Chunk], others: NDArray[np.uint8], file: Path,
    recipe: Recipe, deadline: Deadline, dtype: torch.dtype,
) -> bool:  # fmt: skip
    """Train on a store's pictures, half of them damaged, and on pictures that are no portraits.

    Args:
        model: Trained in place.
        store: Pictures of all shapes.
        others: (M, SIDE, SIDE, 3) bytes that are no portraits.
        file: Where the training is kept.
        recipe: How it learns.
        deadline: When to stop early.
        dtype: What matrix products are done in.

    Returns:
        Whether it is complete.
    """
    single_precision_norms(model).train()
    share = recipe.batch // processes()
    strange = int(share * OTHERS_SHARE)

    def loss_of(step: int) -> Tensor:
        rng = np.random.default_rng(step)
        device, seen, right = torch.get_default_device(), [], []
        for i in rng.integers(len(store), size=share - strange):
            j = int(rng.integers(len(store[i].pictures)))
            seen.append(as_input(torch.from_numpy(np.array(store[i].pictures[j]))[None]))
            right.append(answers(store[i].attributes[j]))
        seen.append(as_input(torch.from_numpy(others[rng.integers(len(others), size=strange)])))
        x = damaged(moved(torch.cat(seen), step), step).to(device)
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            logits = model(x.contiguous(memory_format=torch.channels_last))
        return cross_entropy(
            {name: row.float() for name, row in logits.items()}, right + [answers(None)] * strange
        )

    done = learn(model, loss_of, recipe, file, deadline, dtype=dtype)
    model.eval()
    return done
