"""Self-rollout: what the model itself paints, to be remembered, mended or judged in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from editing_core.anchor.sampler import FOUR

if TYPE_CHECKING:
    from editing_core.anchor.batches import Batch
    from editing_core.anchor.bidirectional import BothWays
    from editing_core.anchor.model import Anchor

OWN_ROWS = 3  # in one of so many sessions
OWN = 0.9  # so often, so that it is AnchorEdit's three in ten overall


@torch.no_grad()
def with_own(anchor: Anchor | BothWays, batch: Batch, step: int) -> Batch:
    """Paint some sessions' turns in the first of the four steps, from noise.

    What comes out is put into some memories instead of the truth, and is what those sessions'
    paintings are taken on from at the next step: the model learns to mend what it does.
    """
    chance = torch.Generator().manual_seed(step + 2 * 10**6)
    rows, steps = slice(0, max(1, len(batch.clean) // OWN_ROWS)), 1 + step % (len(FOUR) - 1)
    part = batch.part(rows)
    own = painted(anchor, part, steps, chance)
    chosen = torch.rand(len(own), part.history - 1, generator=chance) < OWN
    return batch.remembering(rows, own, chosen).taken_on(rows, own, FOUR[steps])


def painted(anchor: Anchor | BothWays, batch: Batch, steps: int, chance: torch.Generator) -> Tensor:
    """Paint what a batch asks for, from noise in the first of the four steps, without guidance.

    Args:
        anchor: The model; where gradients are wanted, the last step has them.
        batch: What is remembered and asked.
        steps: How many, 1 to 4.
        chance: Of the noise.

    Returns:
        The finished pictures as the last of the steps sees them. Shape: (B, targets, L, C).
    """
    learns, said, own = torch.is_grad_enabled(), anchor.say(batch.texts), batch.wanted
    for n, t in enumerate(FOUR[:steps], 1):
        batch = batch.taken_on(slice(None), own, t)
        x = batch.noised(torch.randn(batch.clean.shape, generator=chance))
        with torch.set_grad_enabled(learns and n == steps):
            v = anchor(x, batch.t, batch.turns, said, batch.sight)
            own = (x - t * v)[:, batch.history :]
    return own
