"""Values of an inversion, given to the sampling: what FireFlow and RF-Solver-Edit share.

Both record the values of single layers, text tokens included, in the last steps of the inversion
and put them in place of the sampling's own in the same intervals of time, its first steps.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING

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
from editing_core.solvers import ModelCall, Velocity

if TYPE_CHECKING:
    from torch import Tensor


def edit_with_values(
    context: EditContext, *, solver: Solver, layers: Iterable[int], steps: int
) -> Tensor:
    """Invert and sample, the first ``steps`` of sampling with the inversion's values.

    Args:
        context: The edit.
        solver: How to walk, there and back.
        layers: Those whose values are given.
        steps: How many steps; at least one.

    Returns:
        Latents of the edited picture. Shape: (1, L, C).
    """
    s, layers = context.settings, tuple(layers)
    sharing = FeatureInjection(
        context.model.attention(), dict.fromkeys(layers, ("value",)), text=True
    )
    said = inversion_text(context)

    def inverted() -> Recorded:
        tape: dict[Hashable, Features] = {}
        plain = conditioned_velocity(context, said, s.invert_guidance)
        recording = _recording(plain, sharing, tape, of=s.steps, steps=steps)
        return walk_to_noise(context, recording, context.current, solver=solver), tape

    with sharing:
        key = (inversion_key(context, said), solver.__name__, layers, steps)
        noise, tape = context.recordings.get(key, inverted)

        def given(x: Tensor, t: float, call: ModelCall) -> Tensor:
            with sharing.lend(tape.get(call, {})):
                return plain(x, t, call)

        plain = conditioned_velocity(context, context.target, s.guidance)
        return sample(context, noise, velocity=given, solver=solver)


def _recording(
    velocity: Velocity,
    sharing: FeatureInjection,
    tape: dict[Hashable, Features],
    *,
    of: int,
    steps: int,
) -> Velocity:
    """Return the velocity of an inversion of ``of`` steps whose last ``steps`` are put on ``tape``.

    Each is filed under the call of the sampling that walks the same interval.
    """

    def recorded(x: Tensor, t: float, call: ModelCall) -> Tensor:
        back = ModelCall(of - 1 - call.step, call.midpoint)
        if back.step >= steps:
            return velocity(x, t, call)
        with sharing.record() as features:
            v = velocity(x, t, call)
        tape[back] = {where: feature.cpu() for where, feature in features.items()}
        return v

    return recorded
