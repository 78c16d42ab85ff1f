"""Batches for the anchor editor: pictures to remember, pictures to paint, and who sees whom."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from editing_core.anchor.data import SHARD, TURNS
from editing_core.anchor.model import Sight
from editing_core.portraits.instructions import instruction
from editing_core.portraits.sessions import sessions
from editing_core.portraits.world import Portrait

NULL = 0.1  # share of turns that ask for nothing
TARGETS = 3  # paintings of one source


@dataclass(frozen=True)
class Batch:
    """Frames of B sessions: first those to remember, then those to paint.

    Attributes:
        clean: True latents of all frames. Shape: (B, F, L, C).
        t: Their times, 0 for what is remembered. Shape: (B, F).
        turns: Their places. Shape: (B, F).
        texts: Their instructions.
        sight: Who sees whom.
        history: How many frames, from the first, are remembered.
    """

    clean: Tensor
    t: Tensor
    turns: Tensor
    texts: list[list[str]]
    sight: Sight
    history: int

    def noised(self, noise: Tensor) -> Tensor:
        """The frames at their times."""
        at = self.t[..., None, None]
        return (1 - at) * self.clean + at * noise


class Lessons:
    """Sessions with their latents; a step always gives the same batch of the same shards."""

    def __init__(self, folder: Path) -> None:
        """Open all shards that are drawn."""
        files = sorted(folder.glob("shard-???.npy"))
        if not files:
            raise FileNotFoundError(f"There are no shards in {folder}; draw_shards makes them.")
        self.latents = [np.load(file, mmap_mode="r") for file in files]
        self.people = [
            list(islice(sessions(TURNS, int(file.stem[-3:])), SHARD)) for file in files
        ]

    def single(self, step: int, size: int) -> Batch:
        """Stage 1: one source each, and TARGETS turns from it; some ask for nothing."""
        rng, chance = _chances("single", step)
        frames, texts = [], []
        for _ in range(size // TARGETS):
            latents, people = self._any(rng)
            source = rng.randrange(TURNS + 1)
            turns = [_turn(people, source, rng) for _ in range(TARGETS)]
            frames.append(latents[[source, *(after for after, _ in turns)]])
            texts.append(["", *(text for _, text in turns)])
        clean = torch.from_numpy(np.stack(frames)).float()
        t = torch.sigmoid(0.8 + 1.2 * torch.randn(len(clean), 1 + TARGETS, generator=chance))
        t[:, 0] = 0
        turns_at = torch.ones(t.shape, dtype=torch.long)
        turns_at[:, 0] = 0
        return Batch(clean, t, turns_at, texts, [[], *([[0]] * TARGETS)], history=1)

    def _any(self, rng: random.Random) -> tuple[np.ndarray, tuple[Portrait, ...]]:
        shard, number = rng.randrange(len(self.latents)), rng.randrange(SHARD)
        return self.latents[shard][number], self.people[shard][number]


def _chances(name: str, step: int) -> tuple[random.Random, torch.Generator]:
    return random.Random(f"{name} {step}"), torch.Generator("cpu").manual_seed(step)


def _turn(people: tuple[Portrait, ...], source: int, rng: random.Random) -> tuple[int, str]:
    """One turn from a source: the next picture, the one before, or the same; and how to ask."""
    if rng.random() < NULL:
        return source, ""
    after = source + rng.choice((-1, 1))
    if not 0 <= after <= TURNS or (after < source and _lost(people[source], people[after])):
        after = source + 1 if source < TURNS else source - 1
    if after < source and _lost(people[source], people[after]):
        return source, ""
    return after, said(people[source], people[after], rng)


def _lost(now: Portrait, before: Portrait) -> bool:
    """Whether the way back cannot be asked for: who was old has forgotten the hair's colour."""
    return now.attributes.age == "old" != before.attributes.age


def said(before: Portrait, after: Portrait, rng: random.Random | None = None) -> str:
    """The instruction between two portraits."""
    return instruction(before.attributes.visible(), after.attributes.visible(), rng)
