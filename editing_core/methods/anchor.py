"""AnchorEdit (arXiv 2026): a causal model paints what is asked for from the memory of all turns.

It follows the instruction itself; where a request has none, the difference of the captions is put
into words. Its own small transformer, trained on the portraits, takes four steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from editing_core.methods.base import MethodSpec
from editing_core.methods.context import EditContext, EditOutput
from editing_core.settings import PRESETS
from editing_core.worlds.registry import world_named

if TYPE_CHECKING:
    from editing_core.anchor.engine import AnchorEngine, HistoryTurn

USUAL = PRESETS["steady"].guidance
"""The guidance that the model's own stands for: a setting above it asks for more."""


def edit(
    context: EditContext, by: AnchorEngine | None = None, times: Sequence[float] = ()
) -> EditOutput:
    """Paint the picture that follows the conversation.

    Args:
        context: The edit.
        by: Who paints; else the shipped engine.
        times: Of the steps, falling from 1; else four.
    """
    from editing_core.anchor.engine import engine
    from editing_core.anchor.sampler import FOUR_STEP_TIMES

    painter, times = by or engine(), times or FOUR_STEP_TIMES
    before = painter.forwards
    painted = painter.paint(
        _history(context),
        context.instruction or _instruction(context),
        canvas=context.canvas,
        noise=context.noise,
        seed=context.seed,
        times=times,
        strength=context.settings.guidance / USUAL,
        on_step=lambda n: context.progress("sample", n, len(times)),
        kept=context.model.kept,
    )
    context.model.forwards += painter.forwards - before
    return EditOutput(painted.latents, region=painted.region, weights=painter.weights_hash)


def _instruction(context: EditContext) -> str:
    """Put the difference of the captions into the words that it was trained on."""
    world = world_named(SPEC.world)
    return world.instruction(context.source.prompt, context.target.prompt) if world else ""


def _history(context: EditContext) -> list[HistoryTurn]:
    """All that was shown: what is not told is taken to have been made at one stroke."""
    from editing_core.anchor.engine import HistoryTurn

    if context.history:
        return [HistoryTurn(latents, asked) for latents, asked in context.history]
    if context.current.equal(context.original):
        return [HistoryTurn(context.original)]
    return [HistoryTurn(context.original), HistoryTurn(context.current)]


SPEC = MethodSpec(
    "anchor",
    edit,
    "own weights",
    ("guidance", "keep", "bounds"),
    needs=frozenset({"instruction", "history"}),
    presets=("steady",),
    world="portraits-128",
)
