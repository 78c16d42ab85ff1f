"""A quick look at what the anchor editor can do, on held-out sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from statistics import fmean

import torch

from editing_core.anchor.attention import WINDOW, KVCache
from editing_core.anchor.data import decoded, encoded
from editing_core.anchor.model import Anchor
from editing_core.anchor.sampler import FOUR, paint, read
from editing_core.portraits.instructions import instruction
from editing_core.portraits.reader import reader
from editing_core.portraits.sessions import sessions
from editing_core.portraits.world import Portrait


@dataclass(frozen=True)
class Turned:
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
def look(
    anchor: Anchor,
    count: int = 32,
    turns: int = 1,
    times: Sequence[float] = FOUR,
    window: int = WINDOW,
    seed: int | None = 0,
) -> list[Turned]:
    """Follow `count` held-out sessions for some turns."""
    people = _held_out(count, turns)
    chance = torch.Generator().manual_seed(1)
    memory = KVCache(window=window)
    start = encoded([chain[0] for chain in people])
    memory = memory.remember(read(anchor, memory, start, anchor.say([[""]] * count), 0))
    shown = [set(chain[0].attributes.visible()) for chain in people]
    found = []
    for k in range(1, turns + 1):
        texts = []
        for chain, known in zip(people, shown, strict=True):
            before, after = (chain[i].attributes.visible() for i in (k - 1, k))
            texts.append([instruction(before, after, None, known)])
            known |= after.keys()
        said = anchor.say(texts)
        noise = torch.randn(start.shape, generator=chance)
        x = paint(anchor, memory, said, k, noise, times, None if seed is None else seed + k)
        memory = memory.remember(read(anchor, memory, x, said, k))
        error = (x - encoded([chain[k] for chain in people])).square().mean().sqrt()
        found.append(_rated(x, people, k, float(error)))
    return found


def _rated(x: torch.Tensor, people: list[tuple[Portrait, ...]], k: int, error: float) -> Turned:
    done, kept = [], []
    for picture, chain in zip(decoded(x), people, strict=True):
        before, after = (chain[i].attributes.visible() for i in (k - 1, k))
        seen = reader().read(picture).attributes
        changed = {name for name in after if before.get(name) != after[name]}
        done.append(all(seen.get(name) == after[name] for name in changed))
        kept.append(fmean(seen.get(name) == after[name] for name in after.keys() - changed))
    return Turned(fmean(done), fmean(kept), error)
