"""FlowEdit (Kulikov et al. 2024): walk from picture to picture by a difference of velocities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from editing_core.methods.base import SAMPLING, MethodSpec
from editing_core.methods.context import (
    EditContext,
    EditOutput,
    conditioned_velocity,
    drafted,
    step_callback,
    times_of,
)
from editing_core.solvers import Control, ModelCall, integrate_euler

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class FlowEditConfig:
    """FlowEdit's own numbers, as published for FLUX.

    Attributes:
        skipped: Share of the noisiest steps that are left out (4 of 28, its n_max = 24).
        draws: Noises over which a velocity is averaged (its n_avg).
        source_guidance: The model's guidance for the source; that for the target (5.5 as
            published) is the settings'.
    """

    skipped: float = 4 / 28
    draws: int = 1
    source_guidance: float = 1.5


PUBLISHED = FlowEditConfig()


def edit(context: EditContext, numbers: FlowEditConfig = PUBLISHED) -> EditOutput:
    """Move the picture as the target's velocity differs from the source's; nothing is inverted."""
    return EditOutput(differences(context, numbers))


def differences(
    context: EditContext, numbers: FlowEditConfig, *, control: Control | None = None
) -> Tensor:
    """Walk from the current picture along differences of velocities. Shape: (1, L, 64).

    Args:
        context: The edit.
        numbers: FlowEdit's.
        control: What bends the walk, if anything; it gets the differences.
    """
    import torch

    s = context.settings
    source = conditioned_velocity(context, context.source, numbers.source_guidance)
    target = conditioned_velocity(context, context.target, s.guidance)
    times = times_of(context)[round(numbers.skipped * s.steps) :]
    drawn = torch.Generator().manual_seed(context.seed)
    noises = [  # of all steps, so that a draft, which skips some, has the others' from the same
        [torch.randn(context.current.shape, generator=drawn) for _ in range(numbers.draws)]
        for _ in times[:-1]
    ]

    def difference(edited: Tensor, t: float, call: ModelCall) -> Tensor:
        total = torch.zeros_like(edited)
        for noise in noises[call.step]:
            noised = torch.lerp(context.current, noise.to(edited), t)
            total += target(noised + (edited - context.current), t, call) - source(noised, t, call)
        return total / numbers.draws

    velocity, heard = drafted(context, difference), step_callback(context, "sample")
    return integrate_euler(velocity, context.current, times, control=control, on_step=heard)


SPEC = MethodSpec(
    "flowedit",
    edit,
    "published",
    SAMPLING,
    own=PUBLISHED,
)
