"""Two controls: plain Euler inversion, and a new picture that looks at none."""

from __future__ import annotations

from editing_core.methods.base import INVERTING, SAMPLING, MethodSpec
from editing_core.methods.context import EditContext, EditOutput, invert, sample
from editing_core.solvers import integrate_euler


def euler(context: EditContext) -> EditOutput:
    """Walk to noise and back by first-order steps."""
    noise = invert(context, solver=integrate_euler)
    return EditOutput(sample(context, noise, solver=integrate_euler))


def regenerate(context: EditContext) -> EditOutput:
    """Ignore both pictures."""
    return EditOutput(sample(context, context.noise))


EULER = MethodSpec(
    "euler",
    euler,
    "baseline",
    INVERTING,
    needs=frozenset({"inversion"}),
    said="Plain Euler inversion and sampling: the simplest control.",
)
REGENERATE = MethodSpec(
    "regenerate",
    regenerate,
    "baseline",
    SAMPLING,
    said="Draw the target prompt from fresh noise: a control that must lose what no caption says.",
)
