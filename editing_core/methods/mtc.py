"""Multi-turn Consistent Image Editing: the paper's method (arXiv 2505.04320)."""

from __future__ import annotations

from dataclasses import fields

from editing_core.lqr import dual_objective, dual_target, single_objective
from editing_core.methods.base import MethodSpec
from editing_core.methods.context import EditContext, EditOutput, invert, sample
from editing_core.settings import EditSettings


def edit(context: EditContext) -> EditOutput:
    """Invert toward fresh noise, then sample toward original and previous picture at once.

    The inversion carries the structure of the current picture, the pull of the first sampling
    steps its content and the original's, and the attention to the edit words says where to change.
    """
    from editing_core.attention_guidance import AttentionControl

    s = context.settings
    toward_noise = single_objective(context.noise, s.gamma, s.inversion_denominator)
    guided = (context.seed, s.gamma, s.inversion_denominator)
    structure = invert(context, control=toward_noise, guided=guided)

    both = dual_target(context.original, context.current, s.lam)
    toward_both = dual_objective(both, s.eta, s.guided_steps, s.steps)
    attention = AttentionControl(context.model, s, context.target, context.columns, context.canvas)
    with attention:
        edited = sample(context, structure, control=toward_both, on_step=attention.after_step)
    return EditOutput(edited, attention.mask, attention.blocks)


SPEC = MethodSpec(
    "mtc",
    edit,
    "paper",
    tuple(field.name for field in fields(EditSettings)),
    needs=frozenset({"inversion", "attention"}),
    presets=("paper", "paper-15", "code"),
)
