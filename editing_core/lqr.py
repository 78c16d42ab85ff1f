"""Linear-quadratic guidance: pull the walk toward noise (inverting) or pictures (sampling).

Proposition 1 of the paper: steering to several targets X_i with weights lambda_i is steering to
their weighted mean with the summed weight, because
sum lambda_i |z - X_i|^2 = Lambda |z - mean|^2 + constant. So remembering both the original and the
previous picture costs no more than remembering one.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from editing_core.solvers import Control

Denominator = Literal["code", "start"]


def optimal_control(
    targets: Sequence[Tensor], weights: Sequence[float], z: Tensor, t: float
) -> Tensor:
    """Best velocity now for dZ = c dt that minimises effort plus weighted distances at t = 1.

    The cost is the integral of |c|^2 / 2 plus the sum of lambda_i / 2 |Z_1 - X_i|^2. As the
    weights grow the control becomes (mean - z) / (1 - t), which the two guidances below use.

    Args:
        targets: The X_i, each of the shape of ``z``.
        weights: The lambda_i, positive.
        z: State at ``t``.
        t: Time in [0, 1), rising toward the targets.

    Returns:
        c*(z, t) = Lambda (mean - z) / (1 + Lambda (1 - t)). Shape: that of ``z``.
    """
    total = sum(weights)
    mean = sum((w * x for w, x in zip(weights, targets, strict=True)), start=0 * z) / total
    return total * (mean - z) / (1 + total * (1 - t))


def dual_target(original: Tensor, previous: Tensor, lam: float) -> Tensor:
    """The one target that stands for two: X_0 + lam (X_{k-1} - X_0)."""
    return torch.lerp(original, previous, lam)  # exact at both ends


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
        return v + gamma * ((noise - x) / left - v)

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
        toward = (x - target) / (1 - i / of)  # dx/dt; time falls, so this points at the target
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
        return v + eta * ((x - target) / t - v) if i < guided_steps else v

    return control
