"""Rectified flow from noise (t = 1) to picture (t = 0) and back: the time grid and three solvers.

The model is any function ``velocity(x, t, call)`` with dx/dt = velocity, so that solvers can be
tested with ``lambda x, t, call: 3 * t**2``. Inversion is the same solver on ``times.flip(0)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ModelCall:
    """Which model call of a walk this is.

    Attributes:
        step: Number of the solver step, from 0.
        midpoint: Whether it is made in the middle of the step, not at its beginning.
    """

    step: int
    midpoint: bool = False


Velocity = Callable[["Tensor", float, ModelCall], "Tensor"]
"""The model: ``velocity(x, t, call)``, of the shape of ``x``."""

Control = Callable[[int, "Tensor", float, float, "Tensor"], "Tensor"]
"""Guidance: ``control(i, x, t, t_next, v)`` returns the velocity used instead of ``v``."""


@dataclass(frozen=True)
class SolverStep:
    """One finished solver step.

    Attributes:
        index: Number of the step, from 0.
        of: How many steps the walk has.
        t: The time now reached.
        x: The state there.
        v: The velocity met on the way, before guidance.
    """

    index: int
    of: int
    t: float
    x: Tensor
    v: Tensor

    @property
    def pred_x0(self) -> Tensor:
        """Where this velocity would lead at t = 0: a first guess at the picture."""
        return self.x - self.t * self.v


OnStep = Callable[[SolverStep], None]


def shifted_times(steps: int, mu: float) -> Tensor:
    """Times from 1 (noise) to 0 (picture), spent near the noise the more the larger ``mu``.

    FLUX's schedule: t = e^mu / (e^mu + 1/s - 1) of the even grid s.

    Args:
        steps: Number of intervals N.
        mu: The shift; 0 leaves the grid even.

    Returns:
        Times. Shape: (steps + 1,), float64.
    """
    import torch

    even = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    return math.exp(mu) * even / (math.exp(mu) * even + 1 - even)


def integrate(
    velocity: Velocity,
    x: Tensor,
    times: Tensor,
    *,
    control: Control | None = None,
    on_step: OnStep | None = None,
) -> Tensor:
    """Walk along ``times`` with the midpoint rule, reusing each midpoint velocity (FireFlow).

    The velocity that finds the midpoint of an interval is the one met at the previous midpoint,
    so N second-order steps cost N + 1 model calls. As in the MTC paper, guidance bends the step
    but not the search for its midpoint.

    Args:
        velocity: The model.
        x: State at ``times[0]``. Any shape.
        times: Times to visit, falling to sample or rising to invert. Shape: (N + 1,).
        control: Guidance applied to the midpoint velocity.
        on_step: Called after every step.

    Returns:
        The state at ``times[-1]``. Shape: that of ``x``.
    """
    met: Tensor | None = None

    def midpoint(i: int, x: Tensor, t: float, dt: float) -> Tensor:
        nonlocal met
        x_mid = x + dt / 2 * (velocity(x, t, ModelCall(i)) if met is None else met)
        met = velocity(x_mid, t + dt / 2, ModelCall(i, midpoint=True))
        return met

    return _walk(midpoint, x, times, control, on_step)


def integrate_euler(
    velocity: Velocity,
    x: Tensor,
    times: Tensor,
    *,
    control: Control | None = None,
    on_step: OnStep | None = None,
) -> Tensor:
    """Walk along ``times`` with Euler's rule: N model calls, first order. See ``integrate``."""
    return _walk(lambda i, x, t, dt: velocity(x, t, ModelCall(i)), x, times, control, on_step)


def integrate_taylor(
    velocity: Velocity,
    x: Tensor,
    times: Tensor,
    *,
    control: Control | None = None,
    on_step: OnStep | None = None,
) -> Tensor:
    """Walk along ``times`` with RF-Solver's rule: 2 N model calls, second order. See ``integrate``.

    Its Taylor expansion v + dt/2 v' takes v' from a second velocity half a step ahead, as
    (ahead - v) / (dt/2); the sum is that velocity itself, so this is the midpoint rule.
    """

    def taylor(i: int, x: Tensor, t: float, dt: float) -> Tensor:
        x_mid = x + dt / 2 * velocity(x, t, ModelCall(i))
        return velocity(x_mid, t + dt / 2, ModelCall(i, midpoint=True))

    return _walk(taylor, x, times, control, on_step)


def _walk(
    rule: Callable[[int, Tensor, float, float], Tensor],
    x: Tensor,
    times: Tensor,
    control: Control | None,
    on_step: OnStep | None,
) -> Tensor:
    """Take every step with the velocity that ``rule(i, x, t, dt)`` finds for it."""
    steps = len(times) - 1
    for i, (t, t_next) in enumerate(pairwise(times.tolist())):
        dt = t_next - t
        v = rule(i, x, t, dt)
        used = control(i, x, t, t_next, v) if control else v
        x = x + dt * used
        if on_step:
            on_step(SolverStep(i, steps, t_next, x, v))
    return x
