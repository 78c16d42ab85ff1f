"""FireFlow (Deng et al. 2024): invert with the source prompt, sample with the target prompt."""

from editing_core.methods.task import Outcome, Task, invert, sample


def edit(task: Task) -> Outcome:
    """Walk to noise and back by second-order steps; nothing remembers the original."""
    return Outcome(sample(task, invert(task)))
