"""FireFlow (Deng et al. 2024): reuse each midpoint velocity; begin with the inversion's values."""

from __future__ import annotations

from dataclasses import dataclass

from editing_core.feature_injection import FLUX_SINGLE, layers_like
from editing_core.methods.base import INVERTING, MethodSpec
from editing_core.methods.context import EditContext, EditOutput
from editing_core.methods.value_injection import edit_with_values
from editing_core.solvers import integrate


@dataclass(frozen=True)
class FireFlowConfig:
    """FireFlow's own numbers, as in its official release.

    Attributes:
        share: Of the steps that sample with the inversion's values, from the first (1 of 8).
        blocks: Single layers of FLUX.1 whose values they are (all).
    """

    share: float = 1 / 8
    blocks: tuple[int, ...] = tuple(range(FLUX_SINGLE))


PUBLISHED = FireFlowConfig()


def edit(context: EditContext, numbers: FireFlowConfig = PUBLISHED) -> EditOutput:
    """Walk to noise and back by second-order steps; nothing remembers the original."""
    steps = max(1, round(numbers.share * context.settings.steps))
    layers = layers_like(context.model.attention(), (), numbers.blocks)
    return EditOutput(edit_with_values(context, solver=integrate, layers=layers, steps=steps))


SPEC = MethodSpec(
    "fireflow",
    edit,
    "published",
    INVERTING,
    needs=frozenset({"inversion", "attention"}),
    own=PUBLISHED,
)
