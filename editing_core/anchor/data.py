"""What the anchor editor learns from: latents of exact sessions, drawn once and kept in shards."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from editing_core.models.canvas import Canvas, pack, unpack
from editing_core.portraits.sessions import sessions
from editing_core.portraits.world import SIZE, Portrait, draw

if TYPE_CHECKING:
    from editing_core.models.diffusers_model import DiffusersModel

TURNS = 6
SHARD = 500  # sessions a file
SHARDS = 12


def draw_shards(folder: Path, shards: int = SHARDS, workers: int = 2) -> None:
    """Draw and encode what is not there yet: shard-NNN.npy, (SHARD, TURNS + 1, 64, 64) halves."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [n for n in range(shards) if not shard_file(folder, n).exists()]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for number in pool.map(_draw_shard, [folder] * len(missing), missing):
            print(f"drawn {number + 1}/{shards} shards", flush=True)


def shard_file(folder: Path, number: int) -> Path:
    """Where a shard lies."""
    return folder / f"shard-{number:03d}.npy"


def _draw_shard(folder: Path, number: int) -> int:
    torch.set_num_threads(1)
    people = [person for chain in islice(sessions(TURNS, number), SHARD) for person in chain]
    latents = [encoded(people[i : i + 25]) for i in range(0, len(people), 25)]
    file = shard_file(folder, number)
    partial = file.with_suffix(".partial.npy")
    np.save(partial, torch.cat(latents).view(SHARD, TURNS + 1, 64, 64).half().numpy())
    partial.replace(file)
    return number


@cache
def _flux() -> DiffusersModel:
    from editing_core.models.load import load

    return load(device="cpu")


@torch.no_grad()
def encoded(portraits: list[Portrait]) -> Tensor:
    """Draw portraits and encode them as the shipped FLUX does: (B, 64, 64)."""
    vae = _flux().vae
    pixels = torch.from_numpy(np.stack([np.asarray(draw(portrait)) for portrait in portraits]))
    mean = vae.encode(pixels.permute(0, 3, 1, 2).float() / 127.5 - 1).latent_dist.mean
    return pack((mean - vae.config.shift_factor) * vae.config.scaling_factor)


@torch.no_grad()
def decoded(x: Tensor) -> list[Image.Image]:
    """Decode packed latents (B, 64, 64) to pictures."""
    vae = _flux().vae
    latents = torch.cat([unpack(one[None], Canvas(SIZE, SIZE)) for one in x])
    pixels = vae.decode(latents / vae.config.scaling_factor + vae.config.shift_factor).sample
    pixels = ((pixels.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1)
    return [Image.fromarray(one.numpy()) for one in pixels.contiguous()]
