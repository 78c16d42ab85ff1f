"""The stages of training that teach the VAE: on crops first, later its decoder on noisy latents.

The VAE halves four times, so that with 2 x 2 packing a token is 32 x 32 pixels. Its decoder is
taught on latents with noise, because what a transformer makes is never quite a picture's latents.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from editing_core.models.canvas import pack
from editing_core.portraits.distributed import processes
from editing_core.portraits.model import Parts
from editing_core.portraits.train_vae import pixels
from editing_core.portraits.trainer import Deadline, TrainingConfig, run_training
from editing_core.worlds.portraits.precision import single_precision_norms
from editing_core.worlds.portraits.store import Chunk

CROP = 128  # pixels of a side of what the VAE learns from
KL_WEIGHT = 1e-4
EDGE_WEIGHT = 2.0  # fine lines of little contrast are learnt last
NOISE = 0.2  # largest deviation of the noise on latents, of the latents' own
GENTLE = 0.1  # the same while the encoder learns: what noise hides, it gives up

ENCODED_AT_ONCE = 20


def train_vae(
    parts: Parts, store: Sequence[Chunk], file: Path, config: TrainingConfig, deadline: Deadline,
    dtype: torch.dtype,
) -> bool:  # fmt: skip
    """Train the whole autoencoder on random crops; it is convolutional, so any size works after."""
    vae = single_precision_norms(parts.vae).to(memory_format=torch.channels_last).train()
    vae.requires_grad_(True)

    def loss_of(step: int) -> Tensor:
        rng = np.random.default_rng(step)
        target = pixels(crops(store, rng, config.batch_size // processes()))
        with torch.autocast(target.device.type, dtype, enabled=dtype != torch.float32):
            posterior = vae.encode(target).latent_dist
            code = posterior.sample()
            made = vae.decode(code + noise_like(code, GENTLE)).sample
        divergence = 0.5 * (posterior.mean**2 + posterior.var - 1 - posterior.logvar).mean()
        loss: Tensor = difference(made.float(), target) + KL_WEIGHT * divergence
        return loss

    done = run_training(vae, loss_of, config, file, deadline, dtype=dtype)
    vae.to(memory_format=torch.contiguous_format).eval().requires_grad_(False)
    measure_latents(parts, store)
    return done


def train_decoder(
    parts: Parts, store: Sequence[Chunk], file: Path, config: TrainingConfig, deadline: Deadline,
    dtype: torch.dtype,
) -> bool:  # fmt: skip
    """Train the decoder alone, on noisy latents; what latents mean stays as it is."""
    vae = single_precision_norms(parts.vae).to(memory_format=torch.channels_last)
    decoder = vae.decoder.train().requires_grad_(True)

    def loss_of(step: int) -> Tensor:
        rng = np.random.default_rng(step)
        target = pixels(crops(store, rng, config.batch_size // processes()))
        with torch.autocast(target.device.type, dtype, enabled=dtype != torch.float32):
            with torch.no_grad():
                code = vae.encode(target).latent_dist.mean
            made = decoder(code + noise_like(code, NOISE))
        return difference(made.float(), target)

    done = run_training(decoder, loss_of, config, file, deadline, dtype=dtype)
    vae.to(memory_format=torch.contiguous_format).eval().requires_grad_(False)
    return done


def difference(made: Tensor, target: Tensor) -> Tensor:
    """Mean absolute and squared error, and the same of the edges: (B, 3, H, W) each."""
    error = made - target
    edges = error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
    whole: Tensor = error.abs().mean() + 2 * (error**2).mean()
    return whole + EDGE_WEIGHT * edges


def noise_like(code: Tensor, most: float) -> Tensor:
    """Noise of a random strength for every picture; half of them get none."""
    strength = most * (2 * torch.rand(len(code), 1, 1, 1, device=code.device) - 1).clamp(min=0)
    noise: Tensor = strength * code.detach().float().std() * torch.randn_like(code)
    return noise


def crops(store: Sequence[Chunk], rng: np.random.Generator, count: int) -> NDArray[np.uint8]:
    """Crops (count, CROP, CROP, 3) of pictures of all shapes, each the more detailed of two."""
    found = []
    for i in rng.integers(len(store), size=count):
        picture = store[i].pictures[rng.integers(len(store[i].pictures))]
        found.append(max((crop(picture, rng) for _ in range(2)), key=detail))
    return np.stack(found)


def crop(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A random crop of CROP x CROP pixels, or of the whole of a smaller side."""
    side = min(CROP, *picture.shape[:2])
    y, x = (rng.integers(0, length - side + 1) for length in picture.shape[:2])
    return picture[y : y + side, x : x + side]


def detail(picture: NDArray[np.uint8]) -> float:
    """How much neighbouring pixels differ, on average."""
    return float(np.abs(np.diff(picture.astype(np.int16), axis=0)).mean())


def measure_latents(parts: Parts, store: Sequence[Chunk]) -> None:
    """Give the VAE the shift and the scale that make its latents of mean 0 and deviation 1."""
    rng = np.random.default_rng(0)
    with torch.no_grad():
        means = parts.vae.encode(pixels(crops(store, rng, 48))).latent_dist.mean
    shift, scale = float(means.mean()), 1 / float(means.std())
    parts.vae.register_to_config(shift_factor=shift, scaling_factor=scale)


class Latents:
    """Latents of a store's chunks, made when they are first asked for and kept in a folder."""

    def __init__(self, parts: Parts, folder: Path, dtype: torch.dtype) -> None:
        """Encode with the VAE of ``parts``, whose shift and scale are applied when read."""
        folder.mkdir(parents=True, exist_ok=True)
        self._parts, self._folder, self._dtype = parts, folder, dtype

    def has(self, chunk: Chunk) -> bool:
        """Whether they are made already."""
        return self._file(chunk).exists()

    def of(self, chunk: Chunk) -> Tensor:
        """Packed latents (pictures, tokens, channels) of mean 0 and deviation 1, on the CPU."""
        if not self.has(chunk):
            partial = self._file(chunk).with_suffix(f".{os.getpid()}.partial")
            with partial.open("wb") as file:
                np.save(file, self._encoded(chunk))
            partial.replace(self._file(chunk))
        config = self._parts.vae.config
        kept = torch.from_numpy(np.load(self._file(chunk))).float()
        return kept.sub_(config.shift_factor).mul_(config.scaling_factor)

    def _file(self, chunk: Chunk) -> Path:
        return self._folder / chunk.file.name

    @torch.no_grad()
    def _encoded(self, chunk: Chunk) -> NDArray[np.float16]:
        vae = self._parts.vae.to(memory_format=torch.channels_last)
        made = []
        for start in range(0, len(chunk.pictures), ENCODED_AT_ONCE):
            batch = pixels(np.array(chunk.pictures[start : start + ENCODED_AT_ONCE]))
            with torch.autocast(
                batch.device.type, self._dtype, enabled=self._dtype != torch.float32
            ):
                means = vae.encode(batch.to(memory_format=torch.channels_last)).latent_dist.mean
            made.append(pack(means.float()).half().cpu().numpy())
        return np.concatenate(made)
