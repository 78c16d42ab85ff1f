"""Two walks from noise side by side: the source's lends its features to the target's.

What StableFlow, MasaCtrl and PnP share. A step costs two model calls, one for each walk.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from editing_core.feature_injection import FeatureInjection, Part
from editing_core.methods.context import EditContext, conditioned_velocity, inversion_text, sample
from editing_core.solvers import ModelCall, integrate_euler

if TYPE_CHECKING:
    from torch import Tensor

Schedule = Callable[[int], Collection[Part]]
"""Parts that are lent in a step, counted from 0."""


def sample_beside(
    context: EditContext,
    noise: Tensor,
    sharing: FeatureInjection,
    lent_in: Schedule,
    path: Tensor | None = None,
) -> Tensor:
    """Walk from ``noise`` under what the inversion was told and under the target prompt at once.

    Args:
        context: The edit.
        noise: Where both walks begin. Shape: (1, L, C).
        sharing: The features that can be lent, entered here.
        lent_in: Which of them are, when.
        path: States of the inversion, from the picture to ``noise``, to which the source's walk is
            corrected after every step (Direct Inversion). Shape: (steps + 1, 1, L, C).

    Returns:
        Where the source's and the target's walk arrive. Shape: (2, L, C).
    """
    import torch

    s = context.settings
    source = conditioned_velocity(context, inversion_text(context), s.invert_guidance)
    target = conditioned_velocity(context, context.target, s.guidance)

    def both(x: Tensor, t: float, call: ModelCall) -> Tensor:
        with sharing.record() as features:
            v_source = source(x[:1], t, call)
        wanted = lent_in(call.step)
        lent = {where: feature for where, feature in features.items() if where[1] in wanted}
        with sharing.lend(lent):
            return torch.cat([v_source, target(x[1:], t, call)])

    def corrected(i: int, x: Tensor, t: float, t_next: float, v: Tensor) -> Tensor:
        if path is None:
            return v
        back = (path[-2 - i] - x[:1]) / (t_next - t)
        return torch.cat([back, v[1:]])

    starts = torch.cat([noise, noise])
    with sharing:
        return sample(context, starts, velocity=both, control=corrected, solver=integrate_euler)
