"""Degraded portraits, and the same clean: what the classifier learns "clean" from.

The VAE draws them from latents that are a blend of two people in some region, or noisy there: half
of one thing and half of another, smeared, doubled. The clean ones went through the VAE, too, so
that what it draws a little otherwise does not count as degraded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from editing_core.portraits.model import Parts
from editing_core.portraits.train_vae import pixels
from editing_core.worlds.portraits.classifier import Classifier
from editing_core.worlds.portraits.store import Chunk

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""A clean picture and the same degraded, as the classifier gets them: (SIDE, SIDE, 3) each."""

TOGETHER = 8  # pictures that are drawn at once
BLEND = (0.3, 0.7)  # share of the other person
NOISE = 0.9  # largest deviation of the noise, of the latents' own
SEEN = 10.0  # mean difference, of 255, from which a region counts as degraded
TRIES = 50  # rounds without a degraded picture, after which there will be none


def make_degraded_pictures(
    parts: Parts, store: Sequence[Chunk], count: int, file: Path, dtype: torch.dtype = torch.float32
) -> NDArray[np.uint8]:
    """Clean and degraded pictures (2, count, SIDE, SIDE, 3), drawn once and kept in a file.

    Args:
        parts: With a VAE that is taught.
        store: Where the portraits are taken from.
        count: Of each.
        file: Where they are kept.
        dtype: What the VAE computes in.

    Raises:
        RuntimeError: The VAE knows nothing yet.
    """
    if not file.exists():
        made: list[Pair] = []
        for tries, found in enumerate(_pairs(parts, store, dtype)):
            made += found
            if len(made) >= count:
                break
            if tries >= TRIES and not made:
                raise RuntimeError("The VAE draws degraded latents like others; teach it first.")
        partial = file.with_suffix(".partial.npy")
        np.save(partial, np.stack([np.stack(pair) for pair in made[:count]], axis=1))
        partial.replace(file)
    degraded: NDArray[np.uint8] = np.load(file)
    return degraded


def _pairs(parts: Parts, store: Sequence[Chunk], dtype: torch.dtype) -> Iterator[list[Pair]]:
    device = torch.get_default_device().type
    rng, chance = np.random.default_rng(0), torch.Generator().manual_seed(0)
    while True:
        chunk = store[int(rng.integers(len(store)))]
        chosen = rng.choice(len(chunk.pictures), size=min(TOGETHER, len(chunk.pictures)))
        with torch.autocast(device, dtype, enabled=dtype != torch.float32):
            yield pairs(parts, np.array(chunk.pictures[chosen]), chance)


@torch.no_grad()
def pairs(parts: Parts, pictures: NDArray[np.uint8], chance: torch.Generator) -> list[Pair]:
    """Pictures (B, H, W, 3) as the VAE draws them, beside the same degraded, where that is seen."""
    code = parts.vae.encode(pixels(pictures)).latent_dist.mean.float()
    dirty, region = degrade(code, chance)
    clean, made = (_bytes(parts.vae.decode(x).sample) for x in (code, dirty))
    apart = (clean.float() - made.float()).abs().mean(3)  # (B, H, W)
    where = functional.interpolate(region, apart.shape[1:])[:, 0].cpu() > 0.5
    seen = (apart * where).flatten(1).sum(1) / where.flatten(1).sum(1).clamp(min=1)
    return [(_small(clean[i]), _small(made[i])) for i in range(len(clean)) if seen[i] > SEEN]


def degrade(code: Tensor, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """Degrade latents (B, C, h, w) in one region of each.

    Returns:
        The degraded latents, and where they are: 1 within the region. Shape: (B, 1, h, w).
    """

    def uniform(low: float, high: float) -> Tensor:
        drawn = torch.rand(len(code), 1, 1, 1, generator=chance, device="cpu").to(code)
        return low + (high - low) * drawn

    rows, columns = (torch.linspace(0, 1, n, device=code.device) for n in code.shape[2:])
    down, across = rows[:, None] - uniform(0.15, 0.85), columns - uniform(0.15, 0.85)
    region = ((down / uniform(0.1, 0.35)) ** 2 + (across / uniform(0.1, 0.35)) ** 2 < 1).float()
    other = torch.lerp(code, code.roll(1, 0), uniform(*BLEND))
    drawn = torch.randn(code.shape, generator=chance, device="cpu").to(code)
    noisy = code + uniform(0.4, NOISE) * code.std() * drawn
    harmed = torch.where(uniform(0, 1) < 0.5, other, noisy)
    return torch.lerp(code, harmed, region), region


def _bytes(decoded: Tensor) -> Tensor:
    levels = ((decoded.float().clamp(-1, 1) + 1) * 127.5).round().byte()
    return levels.permute(0, 2, 3, 1).cpu()


def _small(picture: Tensor) -> NDArray[np.uint8]:
    levels = ((Classifier.preprocess(picture[None])[0].clamp(-1, 1) + 1) * 127.5).round().byte()
    small: NDArray[np.uint8] = levels.permute(1, 2, 0).numpy()
    return small
