"""RF-Solver-Edit (Wang et al. 2024): Taylor steps; begin with values of the inversion's end."""

from __future__ import annotations

from dataclasses import dataclass

from editing_core.feature_injection import layers_like
from editing_core.methods.base import INVERTING, MethodSpec
from editing_core.methods.context import EditContext, EditOutput
from editing_core.methods.value_injection import edit_with_values
from editing_core.solvers import integrate_taylor


@dataclass(frozen=True)
class RFSolverConfig:
    """RF-Solver-Edit's own numbers, as in its official release.

    Attributes:
        share: Of the steps that sample with the inversion's values, from the first (its scripts:
            3 of 25; its advice: 2 to 8 of 30).
        blocks: Single layers of FLUX.1 whose values they are (those after the 20th).
    """

    share: float = 3 / 25
    blocks: tuple[int, ...] = tuple(range(20, 38))


PUBLISHED = RFSolverConfig()


def edit(context: EditContext, numbers: RFSolverConfig = PUBLISHED) -> EditOutput:
    """Walk to noise and back with two model calls a step."""
    steps = max(1, round(numbers.share * context.settings.steps))
    layers = layers_like(context.model.attention(), (), numbers.blocks)
    return EditOutput(
        edit_with_values(context, solver=integrate_taylor, layers=layers, steps=steps)
    )


SPEC = MethodSpec(
    "rf-solver",
    edit,
    "published",
    INVERTING,
    needs=frozenset({"inversion", "attention"}),
    own=PUBLISHED,
)
