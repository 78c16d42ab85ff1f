"""A quick look at what the anchor editor can do, on held-out sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from statistics import fmean

import torch

from editing_core.anchor.attention import WINDOW, KVCache
from editing_core.anchor.data import decode_latents, encode_portraits
from editing_core.anchor.model import Anchor
from editing_core.anchor.sampler import FOUR_STEP_TIMES, encode_frame, sample
from editing_core.portraits.classifier import load_classifier
from editing_core.portraits.edit_sequences import sessions
from editing_core.portraits.instructions import instruction
from editing_core.portraits.schema import Portrait


@dataclass(frozen=True)
class TurnScores:
    """How one turn came out over all sessions: shares of edits seen and of the rest kept."""

    success: float
    kept: float
    error: float
    """Root of the mean squared difference of latents, whose deviation is 1."""

    def __str__(self) -> str:
        """Write all three."""
        return f"{self.success:.2f}/{self.kept:.3f}/{self.error:.2f}"


@cache
def _held_out(count: int, turns: int) -> list[tuple[Portrait, ...]]:
    return list(islice(sessions(turns, 1, "eval"), count))


@torch.no_grad()
def evaluate(
    anchor: Anchor,
    count: int = 32,
    turns: int = 1,
    times: Sequence[float] = FOUR_STEP_TIMES,
    window: int = WINDOW,
    seed: int | None = 0,
) -> list[TurnScores]:
    """Follow `count` held-out sessions for some turns."""
    people = _held_out(count, turns)
    chance = torch.Generator().manual_seed(1)
    memory = KVCache(window=window)
    start = encode_portraits([chain[0] for chain in people])
    memory = memory.append(encode_frame(anchor, memory, start, anchor.encode([[""]] * count), 0))
    shown = [set(chain[0].attributes.visible()) for chain in people]
    found = []
    for k in range(1, turns + 1):
        texts = []
        for chain, known in zip(people, shown, strict=True):
            before, after = (chain[i].attributes.visible() for i in (k - 1, k))
            texts.append([instruction(before, after, None, known)])
            known |= after.keys()
        embeddings = anchor.encode(texts)
        noise = torch.randn(start.shape, generator=chance)
        x = sample(anchor, memory, embeddings, k, noise, times, None if seed is None else seed + k)
        memory = memory.append(encode_frame(anchor, memory, x, embeddings, k))
        error = (x - encode_portraits([chain[k] for chain in people])).square().mean().sqrt()
        found.append(_rated(x, people, k, float(error)))
    return found


def _rated(x: torch.Tensor, people: list[tuple[Portrait, ...]], k: int, error: float) -> TurnScores:
    done, kept = [], []
    for picture, chain in zip(decode_latents(x), people, strict=True):
        before, after = (chain[i].attributes.visible() for i in (k - 1, k))
        seen = load_classifier().classify(picture).attributes
        changed = {name for name in after if before.get(name) != after[name]}
        done.append(all(seen.get(name) == after[name] for name in changed))
        kept.append(fmean(seen.get(name) == after[name] for name in after.keys() - changed))
    return TurnScores(fmean(done), fmean(kept), error)
