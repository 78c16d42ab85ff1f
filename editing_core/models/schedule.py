"""The times of a flow, as a folder's scheduler has them: `FlowMatchEulerDiscreteScheduler`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from editing_core.solvers import shifted_times

Schedule = Mapping[str, Any]
"""As in scheduler_config.json; what is left out is as in diffusers."""


def times_by(schedule: Schedule, steps: int, tokens: int) -> Tensor:
    """Return times from 1 (noise) to 0.

    Args:
        schedule: The folder's.
        steps: Number of intervals N.
        tokens: Of the picture.

    Returns:
        Shape: (steps + 1,), float64.
    """
    times = shifted_times(steps, shift_of(schedule, tokens))
    if terminal := schedule.get("shift_terminal"):
        begun = times[:-1]
        stretched = 1 - (1 - begun) * (1 - terminal) / (1 - begun[-1]).clamp_min(1e-12)
        times = torch.cat([stretched, times[-1:]]) if steps > 1 else times
    return times


def times_to_least(schedule: Schedule, steps: int, tokens: int) -> Tensor:
    """Return times whose last step is as small as the smallest that the model was trained on.

    What diffusers does where a pipeline leaves the grid to the scheduler. See ``times_by``.
    """
    mu = shift_of(schedule, tokens)
    least = torch.tensor(1 / schedule.get("num_train_timesteps", 1000), dtype=torch.float64)
    if not schedule.get("use_dynamic_shifting"):  # shifted here already, and with the grid again
        least = shifted(least, mu)
    grid = torch.linspace(1, float(least), steps, dtype=torch.float64)
    return torch.cat([shifted(grid, mu), torch.zeros(1, dtype=torch.float64)])


def shifted(times: Tensor, mu: float) -> Tensor:
    """Move times of an even grid toward the noise. See ``solvers.shifted_times``."""
    return math.exp(mu) * times / (math.exp(mu) * times + 1 - times)


def shift_of(schedule: Schedule, tokens: int) -> float:
    """Return the schedule's mu: the same for all pictures, or larger for larger ones."""
    if not schedule.get("use_dynamic_shifting"):
        return math.log(schedule.get("shift", 1.0))
    low, high = schedule.get("base_image_seq_len", 256), schedule.get("max_image_seq_len", 4096)
    least, most = schedule.get("base_shift", 0.5), schedule.get("max_shift", 1.15)
    return float(least + (most - least) * (tokens - low) / (high - low))
