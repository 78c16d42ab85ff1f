"""AnchorEdit (arXiv 2026): a causal model paints what is asked for from the memory of all turns.

It follows the instruction itself; where a request has none, the difference of the captions is put
into words. Its own small transformer, trained on the portraits, takes four steps.
"""

from __future__ import annotations

from collections.abc import Sequence

from editing_core.anchor.engine import AnchorEngine, Shown, engine
from editing_core.anchor.sampler import FOUR
from editing_core.methods import refuse_model
from editing_core.methods.context import Outcome, Task
from editing_core.portraits.instructions import wish
from editing_core.settings import PRESETS

USUAL = PRESETS["steady"].guidance
"""The guidance that the model's own stands for: a setting above it asks for more."""


def edit(task: Task, by: AnchorEngine | None = None, times: Sequence[float] = FOUR) -> Outcome:
    """Paint the picture that follows the conversation.

    Args:
        task: The edit.
        by: Who paints; else the shipped engine.
        times: Of the steps, falling from 1.

    Raises:
        EditError: The model in use is not the one whose latents the painter knows.
    """
    refuse_model("anchor", task.flux.name)
    painter = by or engine()
    before = painter.forwards
    painted = painter.paint(
        _history(task),
        task.instruction or wish(task.source.prompt, task.target.prompt),
        canvas=task.canvas,
        noise=task.noise,
        seed=task.seed,
        times=times,
        strength=task.settings.guidance / USUAL,
        on_step=lambda n: task.progress("sample", n, len(times)),
        kept=task.flux.kept,
    )
    task.flux.forwards += painter.forwards - before
    return Outcome(painted.latents, region=painted.region, weights=painter.weights_hash)


def _history(task: Task) -> list[Shown]:
    """All that was shown: what is not told is taken to have been made at one stroke."""
    if task.history:
        return [Shown(latents, asked) for latents, asked in task.history]
    if task.current.equal(task.original):
        return [Shown(task.original)]
    return [Shown(task.original), Shown(task.current)]
