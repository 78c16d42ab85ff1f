"""Plain Euler inversion and sampling: the simplest control."""

from editing_core.methods.context import Outcome, Task, invert, sample
from editing_core.solvers import integrate_euler


def edit(task: Task) -> Outcome:
    """Walk to noise and back by first-order steps."""
    noise = invert(task, solver=integrate_euler)
    return Outcome(sample(task, noise, solver=integrate_euler))
