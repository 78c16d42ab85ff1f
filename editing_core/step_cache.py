"""Quick drafts: from some step on, every second velocity of a walk is the one met before.

Only sampling is shortened so; an inversion must retrace its own steps. What is reused is what the
solver asked for: a difference of two velocities as a whole, so that two prompts are never mixed,
and for one walk only. As whole model calls are left out, this saves the same however the model is
held, compiled or shared. diffusers' caches skip blocks instead; `bench drafts` compares them.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from editing_core.solvers import ModelCall, Velocity

if TYPE_CHECKING:
    from torch import Tensor

EXACT = 3 / 8
"""Share of the steps, from the noise, in which nothing is reused (ours, from `bench drafts`)."""


def reusing(velocity: Velocity, exact: int) -> Velocity:
    """Return a velocity for one walk that answers every second time what it answered before.

    Args:
        velocity: Of the model, or made from it.
        exact: So many calls are made, one at least, before the first that is left out.
    """
    asked = count()
    met: list[Tensor] = []

    def answered(x: Tensor, t: float, call: ModelCall) -> Tensor:
        late = next(asked) - max(exact, 1)
        if late < 0 or late % 2:
            met[:] = [velocity(x, t, call)]
        return met[0]

    return answered
