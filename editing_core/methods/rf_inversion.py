"""RF-Inversion (Rout et al. 2024): invert toward noise, then pull the first steps to the picture.

Model times are those of the steps, as in its paper; a port of it in circulation tells the model
evenly spaced times while inverting.
"""

from __future__ import annotations

from dataclasses import dataclass

from editing_core.lqr import single_objective, toward_picture
from editing_core.methods.base import SAMPLING, MethodSpec
from editing_core.methods.context import EditContext, EditOutput, invert, sample
from editing_core.solvers import integrate_euler


@dataclass(frozen=True)
class RFInversionConfig:
    """RF-Inversion's own numbers, as published.

    Attributes:
        gamma: Pull of the inversion toward fresh noise.
        eta: Pull of the guided sampling steps toward the picture.
        share: Of the steps that are guided, from the first (7 of 28).
    """

    gamma: float = 0.5
    eta: float = 0.9
    share: float = 7 / 28


PUBLISHED = RFInversionConfig()


def edit(context: EditContext, numbers: RFInversionConfig = PUBLISHED) -> EditOutput:
    """Walk to noise without a prompt, and back by Euler steps, guided both times."""
    noise = invert(
        context,
        said=context.model.encode_text(""),
        control=single_objective(context.noise, numbers.gamma, "start"),
        guided=(context.seed, numbers.gamma),
        solver=integrate_euler,
    )
    guided_steps = round(numbers.share * context.settings.steps)
    pull = toward_picture(context.current, numbers.eta, guided_steps)
    return EditOutput(sample(context, noise, control=pull, solver=integrate_euler))


SPEC = MethodSpec(
    "rf-inversion",
    edit,
    "published",
    (*SAMPLING, "invert_guidance"),
    needs=frozenset({"inversion"}),
    own=PUBLISHED,
)
