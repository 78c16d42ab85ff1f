"""Values of an inversion, given to the sampling: what FireFlow and RF-Solver-Edit share.

Both record the values of single blocks, text tokens included, in the last steps of the inversion
and put them in place of the sampling's own in the same intervals of time, its first steps.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from torch import Tensor

from editing_core.feature_injection import FeatureInjection, Features
from editing_core.methods.context import (
    EditContext,
    Recorded,
    Solver,
    conditioned_velocity,
    inversion_key,
    inversion_text,
    sample,
    walk_to_noise,
)
from editing_core.solvers import Velocity, time_grid


def edit_with_values(
    context: EditContext, *, solver: Solver, blocks: Iterable[int], steps: int
) -> Tensor:
    """Invert and sample, the first ``steps`` of sampling with the inversion's values.

    Args:
        context: The edit.
        solver: How to walk, there and back.
        blocks: Those whose values are given.
        steps: How many steps; at least one.

    Returns:
        Latents of the edited picture. Shape: (1, L, 64).
    """
    s, blocks = context.settings, tuple(blocks)
    grid = time_grid(s.steps, context.canvas.tokens).tolist()
    sharing = FeatureInjection(context.flux.transformer, dict.fromkeys(blocks, ("value",)), first=0)
    said = inversion_text(context)

    def inverted() -> Recorded:
        tape: dict[Hashable, Features] = {}
        plain = conditioned_velocity(context, said, s.invert_guidance)
        recording = _recording(plain, sharing, tape, grid, steps)
        return walk_to_noise(context, recording, context.current, solver=solver), tape

    with sharing:
        key = (inversion_key(context, said), solver.__name__, blocks, steps)
        noise, tape = context.recordings.get(key, inverted)

        def given(x: Tensor, t: float) -> Tensor:
            with sharing.lend(tape.get(moment(t, grid, rising=False), {})):
                return plain(x, t)

        plain = conditioned_velocity(context, context.target, s.guidance)
        return sample(context, noise, velocity=given, solver=solver)


def moment(t: float, grid: list[float], *, rising: bool) -> tuple[int, bool]:
    """Say which model call of a step is made at time ``t``, the same there and back.

    Args:
        t: The time of the call.
        grid: Times of the sampling, falling.
        rising: Whether time rises, as in an inversion.

    Returns:
        The interval of the grid, from 0 at the noise, and whether it is entered (or halved).
    """
    interval = sum(u > t if rising else u >= t for u in grid) - 1
    return interval, t in grid


def _recording(
    velocity: Velocity,
    sharing: FeatureInjection,
    tape: dict[Hashable, Features],
    grid: list[float],
    steps: int,
) -> Velocity:
    """Return the velocity of an inversion whose last ``steps`` are put on ``tape``."""

    def recorded(x: Tensor, t: float) -> Tensor:
        at = moment(t, grid, rising=True)
        if at[0] >= steps:
            return velocity(x, t)
        with sharing.record() as features:
            v = velocity(x, t)
        tape[at] = {where: feature.cpu() for where, feature in features.items()}
        return v

    return recorded
