"""Steady (ours): FlowEdit's walk, and the region of the edit from the velocities it met.

Where the two prompts want the same, the walk stands still, so an edit that asks for nothing is
exactly nothing; what the walk touches by the way outside the region is taken back.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from editing_core.methods.flowedit import Numbers, differences
from editing_core.methods.task import Outcome, Task
from editing_core.region import soft_region


@dataclass(frozen=True)
class Bounds:
    """From where to where a token goes over from kept to edited.

    Attributes:
        hardly: Share of the largest disagreement below which nothing changes.
        clearly: Share from which all may change.
    """

    hardly: float = 0.15
    clearly: float = 0.3


def edit(task: Task, bounds: Bounds = Bounds()) -> Outcome:
    """Walk by the difference of the velocities under target and source, at the same guidance."""
    met: list[Tensor] = []
    same = Numbers(skipped=1 / 8, source_guidance=task.settings.guidance)
    edited = differences(task, same, on_velocity=met.append)
    region = soft_region(torch.stack(met), task.canvas, bounds.hardly, bounds.clearly)
    return Outcome(edited, region=region)
