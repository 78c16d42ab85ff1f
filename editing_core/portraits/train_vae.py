"""The stages of training that draw the pictures, and turn them into latents and back: the VAE."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from itertools import islice, repeat
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from editing_core.models.canvas import Canvas, pack, unpack
from editing_core.portraits.distributed import barrier, main_process_first, processes, rank
from editing_core.portraits.model import Parts
from editing_core.portraits.schema import SIZE, Portrait, draw, draws
from editing_core.portraits.trainer import Deadline, TrainingConfig, run_training

PICTURES = 48_000
VAE = TrainingConfig(
    samples=60_000,
    batch_size=16,
    learning_rate=1e-3,
    warmup_steps=100,
    decay_fraction=0.5,
    ema_decay=0.995,
)
DECODER = TrainingConfig(
    samples=20_000,
    batch_size=4,
    learning_rate=1e-3,
    warmup_steps=50,
    decay_fraction=1.0,
    ema_decay=0.995,
)
CROP = 64
KL_WEIGHT = 1e-4


def draw_pictures(file: Path, size: int = SIZE) -> NDArray[np.uint8]:
    """The training pictures (PICTURES, size, size, 3), drawn once on all cores, kept in `file`."""
    if not file.exists():
        partial = file.with_suffix(".partial.npy")
        store = np.lib.format.open_memmap(
            partial, mode="w+", dtype=np.uint8, shape=(PICTURES, size, size, 3)
        )
        portraits = islice(draws("train"), PICTURES)
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
            drawings = pool.map(_drawing, portraits, repeat(size), chunksize=100)
            for i, drawing in enumerate(drawings):
                store[i] = drawing
                if i % 2000 == 0:
                    print(f"drawn {i}/{PICTURES}", flush=True)
        store.flush()
        partial.replace(file)
    pictures: NDArray[np.uint8] = np.load(file, mmap_mode="r")
    return pictures


def _drawing(portrait: Portrait, size: int) -> NDArray[np.uint8]:
    return np.asarray(draw(portrait, size))


def train_vae(parts: Parts, pictures: NDArray[np.uint8], file: Path, deadline: Deadline) -> bool:
    """Train the autoencoder on random crops; it is convolutional, so any size works after."""
    vae = parts.vae.to(memory_format=torch.channels_last).train()

    def loss_of(step: int) -> Tensor:
        rng = np.random.default_rng(step)
        crops = []
        for i in rng.integers(len(pictures), size=VAE.batch_size // processes()):
            y, x = rng.integers(0, pictures.shape[1] - CROP + 1, size=2)
            crops.append(pictures[i, y : y + CROP, x : x + CROP])
        target = pixels(np.stack(crops))
        posterior = vae.encode(target).latent_dist
        error = vae.decode(posterior.sample()).sample - target
        divergence = 0.5 * (posterior.mean**2 + posterior.var - 1 - posterior.logvar).mean()
        loss: Tensor = error.abs().mean() + 2 * (error**2).mean() + KL_WEIGHT * divergence
        return loss

    done = run_training(vae, loss_of, VAE, file, deadline)
    vae.to(memory_format=torch.contiguous_format).eval().requires_grad_(False)
    return done


@torch.no_grad()
def encode_pictures(parts: Parts, pictures: NDArray[np.uint8], file: Path) -> Tensor:
    """Packed latents (PICTURES, tokens, 64) of mean 0 and deviation 1, kept in `file`.

    Every process encodes its share. Mean and deviation become the VAE's shift and scale.
    """
    if not file.exists():
        partial = file.with_suffix(".partial.npy")
        shape = (len(pictures), (pictures.shape[1] // 16) ** 2, 64)
        store = main_process_first(
            lambda: np.lib.format.open_memmap(
                partial, mode="r+" if rank() else "w+", dtype=np.float32, shape=shape
            )
        )
        for start in range(50 * rank(), len(pictures), 50 * processes()):
            batch = pixels(np.array(pictures[start : start + 50]))
            store[start : start + 50] = pack(parts.vae.encode(batch).latent_dist.mean).cpu()
            if start % 2000 == 0:
                print(f"encoded {start}/{len(pictures)}", flush=True)
        store.flush()
        barrier()
        if rank() == 0:
            partial.replace(file)
        barrier()
    latents = torch.from_numpy(np.load(file))
    shift, scale = float(latents.mean()), 1 / float(latents.std())
    parts.vae.register_to_config(shift_factor=shift, scaling_factor=scale)
    return latents.sub_(shift).mul_(scale)


def polish_decoder(
    parts: Parts, pictures: NDArray[np.uint8], latents: Tensor, file: Path, deadline: Deadline
) -> None:
    """Train the decoder alone on whole pictures; what latents mean stays as it is."""
    decoder = parts.vae.decoder.to(memory_format=torch.channels_last).train().requires_grad_(True)
    canvas = Canvas(pictures.shape[2], pictures.shape[1])
    shift, scale = parts.vae.config.shift_factor, parts.vae.config.scaling_factor

    def loss_of(step: int) -> Tensor:
        rng = np.random.default_rng(step)
        chosen = rng.integers(len(pictures), size=DECODER.batch_size // processes())
        code = unpack(latents[chosen].to(torch.get_default_device()) / scale + shift, canvas)
        error = decoder(code) - pixels(np.stack([pictures[i] for i in chosen]))
        loss: Tensor = 0.3 * error.abs().mean() + 3 * (error**2).mean()
        return loss

    run_training(decoder, loss_of, DECODER, file, deadline)
    decoder.to(memory_format=torch.contiguous_format).eval().requires_grad_(False)


def pixels(pictures: NDArray[np.uint8]) -> Tensor:
    """(B, H, W, 3) bytes to (B, 3, H, W) in [-1, 1] on the device in use."""
    placed = torch.tensor(pictures).to(torch.get_default_device())
    return placed.permute(0, 3, 1, 2).float() / 127.5 - 1
