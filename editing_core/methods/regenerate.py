"""Draw the target prompt from fresh noise: the control that must lose what no caption says."""

from editing_core.methods.context import Outcome, Task, sample


def edit(task: Task) -> Outcome:
    """Ignore both pictures."""
    return Outcome(sample(task, task.noise))
