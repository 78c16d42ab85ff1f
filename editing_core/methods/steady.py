"""Steady (ours): FlowEdit's walk, kept to the region of the edit, which it finds by the way.

Where the two prompts want the same, the walk stands still, so an edit that asks for nothing is
exactly nothing. Where they hardly differ, the current picture is put back after every step, so that
what is new grows into what stays, and nothing that was let alone is lost from turn to turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from editing_core.masks import changing, outside_kept
from editing_core.methods import flowedit
from editing_core.methods.base import SAMPLING, MethodSpec
from editing_core.methods.context import EditContext, EditOutput

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SteadyConfig:
    """Steady's own numbers; `bench report` shows what each is worth.

    Attributes:
        skipped: Share of the noisiest steps that are left out.
        source_guidance: The model's guidance for the source; None is that for the target, without
            which the two would differ where nothing is asked.
        hardly: Share of the largest difference below which a latent pixel stays as it is.
        clearly: Share from which it may change freely.
        free_steps: Steps taken before the region is trusted.
        by_token: Whether the region is made of whole tokens, 16 pixels wide, not of latent pixels.
    """

    skipped: float = 0.0
    source_guidance: float | None = None
    hardly: float = 0.18
    clearly: float = 0.35
    free_steps: int = 1
    by_token: bool = False


def edit(context: EditContext, numbers: SteadyConfig = SteadyConfig()) -> EditOutput:
    """Walk by the difference of the velocities under target and source, inside the region."""
    model, canvas = context.model, context.canvas
    met: list[Tensor] = []

    def region() -> Tensor:
        differences = met
        if numbers.by_token:
            sizes = (v.square().mean(-1, keepdim=True).sqrt() for v in met)
            differences = [size.expand_as(v) for size, v in zip(sizes, met, strict=True)]
        grids = (model.to_grid(v, canvas) for v in differences)
        return changing(context, grids, numbers.hardly, numbers.clearly)

    def kept(i: int, x: Tensor, t: float, t_next: float, v: Tensor) -> Tensor:
        met.append(v)
        if i < numbers.free_steps:
            return v
        there = x + (t_next - t) * v
        there = outside_kept(model, there, context.current, region(), canvas)
        return (there - x) / (t_next - t)

    same = context.settings.guidance
    walk = flowedit.FlowEditConfig(
        skipped=numbers.skipped,
        source_guidance=same if numbers.source_guidance is None else numbers.source_guidance,
    )
    return EditOutput(flowedit.differences(context, walk, control=kept), region=region())


SPEC = MethodSpec(
    "steady",
    edit,
    "ours",
    SAMPLING,
    presets=("steady",),
    own=SteadyConfig(),
)
