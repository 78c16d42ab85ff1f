"""Steady (ours): FlowEdit's walk, kept to the region of the edit, which it finds by the way.

Where the two prompts want the same, the walk stands still, so an edit that asks for nothing is
exactly nothing. Where they hardly differ, the current picture is put back after every step, so that
what is new grows into what stays, and nothing that was let alone is lost from turn to turn.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from editing_core.masks import soft_region
from editing_core.methods import flowedit
from editing_core.methods.context import EditContext, EditOutput
from editing_core.preservation import outside_kept


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
    hardly: float = 0.15
    clearly: float = 0.35
    free_steps: int = 1
    by_token: bool = False


def edit(context: EditContext, numbers: SteadyConfig = SteadyConfig()) -> EditOutput:
    """Walk by the difference of the velocities under target and source, inside the region."""
    met: list[Tensor] = []

    def region() -> Tensor:
        differences = torch.stack(met)
        if numbers.by_token:
            sizes = differences.square().mean(-1, keepdim=True).sqrt()
            differences = sizes.expand_as(differences)
        return soft_region(differences, context.canvas, numbers.hardly, numbers.clearly)

    def kept(i: int, x: Tensor, t: float, t_next: float, v: Tensor) -> Tensor:
        met.append(v)
        if i < numbers.free_steps:
            return v
        there = outside_kept(x + (t_next - t) * v, context.current, region(), context.canvas)
        return (there - x) / (t_next - t)

    same = context.settings.guidance
    walk = flowedit.FlowEditConfig(
        skipped=numbers.skipped,
        source_guidance=same if numbers.source_guidance is None else numbers.source_guidance,
    )
    return EditOutput(flowedit.differences(context, walk, control=kept), region=region())
