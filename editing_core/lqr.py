"""Linear-quadratic guidance: pull the walk toward noise (inverting) or pictures (sampling).

The state follows dZ = c dt; the control c minimises its own effort and the distance at the end to
the target: the integral of |c|^2 / 2 plus weight / 2 |Z_1 - target|^2.

Proposition 1: several targets X_i with weights w_i act as one, their weighted mean with the summed
weight W, because sum w_i |z - X_i|^2 = W |z - mean|^2 + constant. So remembering both the original
and the previous picture costs no more than remembering one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from editing_core.solvers import Control

if TYPE_CHECKING:
    from torch import Tensor

Denominator = Literal["code", "start"]


def optimal_control(x: Tensor, target: Tensor, left: float, weight: float = math.inf) -> Tensor:
    """The velocity that the linear-quadratic regulator takes now.

    Args:
        x: The state.
        target: Where it is to end. Shape: that of ``x``.
        left: Time left, above 0.
        weight: Of the distance at the end against the effort. All guidance below takes the limit
            (infinity), in which the walk arrives at the target.

    Returns:
        weight (target - x) / (1 + weight left). Shape: that of ``x``.
    """
    return (target - x) / (1 / weight + left)


def dual_target(original: Tensor, previous: Tensor, lam: float) -> Tensor:
    """The one target that stands for two: X_0 + lam (X_{k-1} - X_0)."""
    return original.lerp(previous, lam)  # exact at both ends


def single_objective(noise: Tensor, gamma: float, denominator: Denominator = "code") -> Control:
    """Pull an inversion toward ``noise``, so that it ends where the model expects to begin.

    Args:
        noise: The target y_1 ~ N(0, 1). Shape: that of the state.
        gamma: Strength in [0, 1]; 0 is plain inversion.
        denominator: Time left in the pull (y_1 - x) / time left, which the paper leaves open:
            "code" is 1 - t + dt/2 as the authors released it, "start" is RF-Inversion's 1 - t.
    """

    def control(i: int, x: Tensor, t: float, t_next: float, v: Tensor) -> Tensor:
        if gamma == 0:
            return v
        left = 1 - t + (t_next - t) / 2 if denominator == "code" else 1 - t
        return v + gamma * (optimal_control(x, noise, left) - v)

    return control


def dual_objective(target: Tensor, eta: float, guided_steps: int, of: int) -> Control:
    """Pull the first steps of sampling toward ``target``.

    The time left is 1 - i / N of the even grid, not of the shifted one (so the released code).

    Args:
        target: X_dual, from ``dual_target``. Shape: that of the state.
        eta: Strength in [0, 1]; it also damps the model's own velocity to 1 - eta.
        guided_steps: How many steps are guided, from the first.
        of: Number of sampling steps N.
    """

    def control(i: int, x: Tensor, t: float, t_next: float, v: Tensor) -> Tensor:
        if eta == 0 or i >= guided_steps:
            return v
        toward = -optimal_control(x, target, 1 - i / of)  # dx/dt, and time falls
        return v + eta * (toward - v)

    return control


def toward_picture(target: Tensor, eta: float, guided_steps: int) -> Control:
    """RF-Inversion's pull of the first steps of sampling; the time left is t itself.

    Args:
        target: The picture y_0. Shape: that of the state.
        eta: Strength in [0, 1]; 1 on all steps arrives at the picture.
        guided_steps: How many steps are guided, from the first.
    """

    def control(i: int, x: Tensor, t: float, t_next: float, v: Tensor) -> Tensor:
        return v + eta * (-optimal_control(x, target, t) - v) if i < guided_steps else v

    return control
