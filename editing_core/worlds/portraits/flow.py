"""The stages of training that teach the transformer: flow matching, then guidance in one pass.

A batch is pictures of one shape, so many that batches of all shapes have about as many tokens.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from editing_core.portraits.captions import caption
from editing_core.portraits.learning import Deadline, Recipe, learn
from editing_core.portraits.model import TEXT_LENGTH, Parts
from editing_core.portraits.processes import processes
from editing_core.worlds.portraits.autoencoder import Latents
from editing_core.worlds.portraits.precision import single_precision_norms
from editing_core.worlds.portraits.store import Chunk, Shape

TOKEN = 32  # pixels of a side
TOKENS = 64  # of the picture that a batch's size is counted in, 256 x 256
UNCAPTIONED = 0.1  # share of pictures without caption, for guidance
STRONGEST_GUIDANCE = 5.0
EXPLORED = 0.02  # share of batches that may be of pictures not encoded yet
AT_FIRST = 12  # chunks encoded before the first batch


def train_flow(
    parts: Parts, store: list[Chunk], latents: Latents, file: Path, recipe: Recipe,
    deadline: Deadline, dtype: torch.dtype,
) -> bool:  # fmt: skip
    """Train the transformer and the text encoders by flow matching, guidance 1."""
    model, examples = Captioned(parts).train(), Examples(store, latents)

    def loss_of(step: int) -> Tensor:
        x, t, velocity, captions, shape = examples.batch(step, recipe.batch // processes())
        with torch.autocast(x.device.type, dtype, enabled=dtype != torch.float32):
            predicted = model(x, t, model.text(captions), torch.ones(len(x)), shape)
        return functional.mse_loss(predicted.float(), velocity)

    done = learn(model, loss_of, recipe, file, deadline, dtype=dtype)
    model.eval()
    return done


def distil_guidance(
    parts: Parts, store: list[Chunk], latents: Latents, file: Path, recipe: Recipe,
    deadline: Deadline, dtype: torch.dtype,
) -> bool:  # fmt: skip
    """Teach the guidance embedding what classifier-free guidance of the same strength gives."""
    model, examples = Captioned(parts), Examples(store, latents)
    teacher = copy.deepcopy(model).requires_grad_(False)

    def loss_of(step: int) -> Tensor:
        x, t, _, captions, shape = examples.batch(step, recipe.batch // processes())
        guidance = 1 + (STRONGEST_GUIDANCE - 1) * torch.rand(len(x))
        guidance[: len(x) // 4] = 1.0
        with torch.autocast(x.device.type, dtype, enabled=dtype != torch.float32):
            with torch.no_grad():
                one = torch.ones(len(x))
                without = teacher(x, t, teacher.text([""] * len(x)), one, shape)
                given = teacher(x, t, teacher.text(captions), one, shape)
                target = without + guidance[:, None, None] * (given - without)
            predicted = model(x, t, model.text(captions), guidance, shape)
        return functional.mse_loss(predicted.float(), target.float())

    done = learn(model, loss_of, recipe, file, deadline, dtype=dtype)
    model.eval()
    return done


class Captioned(nn.Module):
    """The transformer with its two text encoders, trained together."""

    def __init__(self, parts: Parts) -> None:
        """Wrap the parts; the tokenizers pad as the stock pipeline does."""
        super().__init__()
        self.transformer = single_precision_norms(parts.transformer)
        self.clip, self.t5 = parts.text_encoder, parts.text_encoder_2
        self._tokenizers = (parts.tokenizer, parts.tokenizer_2)

    def text(self, captions: list[str]) -> tuple[Tensor, Tensor]:
        """T5 embeddings (B, TEXT_LENGTH, width) and CLIP's pooled embedding (B, pooled)."""
        clip_ids, t5_ids = (
            tokenizer(
                captions,
                padding="max_length",
                max_length=TEXT_LENGTH,
                truncation=True,
                return_tensors="pt",
            ).input_ids.to(self.transformer.device)
            for tokenizer in self._tokenizers
        )
        return self.t5(t5_ids)[0], self.clip(clip_ids).pooler_output

    def forward(
        self, x: Tensor, t: Tensor, text: tuple[Tensor, Tensor], guidance: Tensor, shape: Shape
    ) -> Tensor:
        """Velocity (B, L, channels) at times t (B,) in [0, 1], of pictures of one shape."""
        columns, rows = (side // TOKEN for side in shape)
        ids = torch.zeros(rows, columns, 3)
        ids[..., 1] += torch.arange(rows)[:, None]
        ids[..., 2] += torch.arange(columns)
        velocity: Tensor = self.transformer(
            hidden_states=x,
            timestep=t,
            guidance=guidance,
            encoder_hidden_states=text[0],
            pooled_projections=text[1],
            img_ids=ids.reshape(-1, 3),
            txt_ids=torch.zeros(text[0].shape[1], 3),
            return_dict=False,
        )[0]
        return velocity


class Examples:
    """Batches of noised latents with freshly written captions."""

    def __init__(self, store: list[Chunk], latents: Latents) -> None:
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
        captions = [self._caption(chunk.attributes[i], rng) for i in chosen]
        return (1 - at) * clean + at * noise, t, noise - clean, captions, chunk.shape

    def _chosen(self, rng: random.Random) -> Chunk:
        """A random chunk, now and then one that is not encoded yet."""
        known = [chunk for chunk in self._store if self._latents.has(chunk)]
        if len(known) < min(AT_FIRST, len(self._store)) or rng.random() < EXPLORED:
            return rng.choice([c for c in self._store if c not in known] or known)
        return rng.choice(known)

    def _caption(self, attributes: Mapping[str, str], rng: random.Random) -> str:
        if rng.random() < UNCAPTIONED:
            return ""
        return caption(attributes, rng, rng.choice((1.0, rng.uniform(0.3, 1))))
