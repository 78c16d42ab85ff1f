"""The stages of training that teach the transformer: flow matching, then guidance in one pass.

A batch is pictures of one shape, so many that batches of all shapes have about as many tokens.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from editing_core.portraits.captioned import Captioned, training_caption
from editing_core.portraits.distributed import processes
from editing_core.portraits.model import Parts
from editing_core.portraits.trainer import Deadline, TrainingConfig, run_training
from editing_core.worlds.portraits.autoencoder import Latents
from editing_core.worlds.portraits.precision import plain_attention, single_precision_norms
from editing_core.worlds.portraits.store import Chunk, Shape

TOKEN = 32  # pixels of a side
TOKENS = 64  # of the picture that a batch's size is counted in, 256 x 256
STRONGEST_GUIDANCE = 5.0
EXPLORED = 0.02  # share of batches that may be of pictures not encoded yet
AT_FIRST = 12  # chunks encoded before the first batch


def train_flow(
    parts: Parts, store: Sequence[Chunk], latents: Latents, file: Path, config: TrainingConfig,
    deadline: Deadline, dtype: torch.dtype,
) -> bool:  # fmt: skip
    """Train the transformer and the text encoders by flow matching, guidance 1."""
    model, examples = captioned(parts).train(), Examples(store, latents)

    def loss_of(step: int) -> Tensor:
        x, t, velocity, captions, shape = examples.batch(step, config.batch_size // processes())
        with training_precision(x.device, dtype):
            predicted = model(x, t, model.text(captions), torch.ones(len(x)), grid_of(shape))
        return functional.mse_loss(predicted.float(), velocity)

    done = run_training(model, loss_of, config, file, deadline, dtype=dtype)
    model.eval()
    return done


def distil_guidance(
    parts: Parts, store: Sequence[Chunk], latents: Latents, file: Path, config: TrainingConfig,
    deadline: Deadline, dtype: torch.dtype,
) -> bool:  # fmt: skip
    """Teach the guidance embedding what classifier-free guidance of the same strength gives."""
    model, examples = captioned(parts), Examples(store, latents)
    teacher = copy.deepcopy(model).requires_grad_(False)

    def loss_of(step: int) -> Tensor:
        x, t, _, captions, shape = examples.batch(step, config.batch_size // processes())
        guidance = 1 + (STRONGEST_GUIDANCE - 1) * torch.rand(len(x))
        guidance[: len(x) // 4] = 1.0
        with training_precision(x.device, dtype):
            target = teacher.guided(x, t, captions, guidance, grid_of(shape))
            predicted = model(x, t, model.text(captions), guidance, grid_of(shape))
        return functional.mse_loss(predicted.float(), target.float())

    done = run_training(model, loss_of, config, file, deadline, dtype=dtype)
    model.eval()
    return done


@contextmanager
def training_precision(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Mixed precision, and on a CPU the attention that is fastest to train."""
    attention = plain_attention() if device.type == "cpu" else nullcontext()
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32), attention:
        yield


def captioned(parts: Parts) -> Captioned:
    """The parts that captions pass, with norms in single precision."""
    single_precision_norms(parts.transformer)
    return Captioned(parts)


def grid_of(shape: Shape) -> tuple[int, int]:
    """Rows and columns of the tokens of a picture (width, height)."""
    width, height = shape
    return height // TOKEN, width // TOKEN


class Examples:
    """Batches of noised latents with freshly written captions."""

    def __init__(self, store: Sequence[Chunk], latents: Latents) -> None:
        """Take pictures from a store, at first those that are encoded."""
        self._store, self._latents = store, latents
        self._kept: dict[Chunk, Tensor] = {}

    def batch(self, step: int, size: int) -> tuple[Tensor, Tensor, Tensor, list[str], Shape]:
        """Noised latents, their times, the true velocities, captions, and the pictures' shape."""
        rng = random.Random(f"batch {step}")
        chunk = self._chosen(rng)
        latents = self._kept.setdefault(chunk, self._latents.of(chunk))
        size = max(1, min(len(latents), size * TOKENS // latents.shape[1]))
        chosen = rng.sample(range(len(latents)), size)
        device = torch.get_default_device()
        clean = latents[chosen].to(device)
        noise = torch.randn(clean.shape)
        t = torch.sigmoid(0.4 + torch.randn(size))
        at = t[:, None, None]
        captions = [training_caption(chunk.attributes[i], rng) for i in chosen]
        return (1 - at) * clean + at * noise, t, noise - clean, captions, chunk.shape

    def _chosen(self, rng: random.Random) -> Chunk:
        """A random chunk, now and then one that is not encoded yet."""
        known = [chunk for chunk in self._store if self._latents.has(chunk)]
        if len(known) < min(AT_FIRST, len(self._store)) or rng.random() < EXPLORED:
            return rng.choice([c for c in self._store if c not in known] or known)
        return rng.choice(known)
