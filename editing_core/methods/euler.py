"""Plain Euler inversion and sampling: the simplest control."""

from editing_core.methods.context import EditContext, EditOutput, invert, sample
from editing_core.solvers import integrate_euler


def edit(context: EditContext) -> EditOutput:
    """Walk to noise and back by first-order steps."""
    noise = invert(context, solver=integrate_euler)
    return EditOutput(sample(context, noise, solver=integrate_euler))
