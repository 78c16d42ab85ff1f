"""Instruct: a model that looks at pictures while it paints does what the person said, in a region.

FLUX.1 Kontext (arXiv 2506.15742), FLUX.2 and Qwen-Image-Edit (arXiv 2508.02324) were trained to:
the picture to edit, and after it the original if they look at more than one, stand beside the one
that is made (in-context references), and the prompt is the instruction itself. What the words
change is seen by asking without them, too; outside of it the picture stays as it is, so that
nothing that was let alone is lost from turn to turn, and an instruction that says nothing changes
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from editing_core.masks import changing, outside_kept
from editing_core.methods.base import SAMPLING, MethodSpec
from editing_core.methods.context import EditContext, EditOutput, sample
from editing_core.solvers import ModelCall, integrate_euler

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class InstructConfig:
    """Instruct's own numbers; the shares are those of `steady`.

    Attributes:
        hardly: Share of the largest difference below which a latent pixel stays as it is.
        clearly: Share from which it may change freely.
        free_steps: Steps taken before the region is trusted.
    """

    hardly: float = 0.15
    clearly: float = 0.35
    free_steps: int = 1


def edit(context: EditContext, numbers: InstructConfig = InstructConfig()) -> EditOutput:
    """Paint what was asked for beside the picture, which stays outside the region of the edit.

    Where the settings keep nothing, the model paints the whole picture anew.
    """
    model, canvas = context.model, context.canvas
    shown, held = references(context), context.settings.keep != "nothing"
    seen = context.pictures[: len(shown)]
    said = model.encode_text(context.instruction or context.target.prompt, seen)
    unsaid = model.encode_text("", seen)
    met: list[Tensor] = []

    def velocity(x: Tensor, t: float, call: ModelCall) -> Tensor:
        v = model.velocity(
            x, t, said, guidance=context.settings.guidance, canvas=canvas, references=shown
        )
        if held:
            plain = model.velocity(x, t, unsaid, guidance=1, canvas=canvas, references=shown)
            met.append(v - plain)
        return v

    def region() -> Tensor:
        grids = (model.to_grid(difference, canvas) for difference in met)
        return changing(context, grids, numbers.hardly, numbers.clearly)

    def kept(i: int, x: Tensor, t: float, t_next: float, v: Tensor) -> Tensor:
        if i < numbers.free_steps and t_next > 0:
            return v
        there = x + (t_next - t) * v
        unchanged = context.current.lerp(context.noise, t_next)  # on its way to the same picture
        there = outside_kept(model, there, unchanged, region(), canvas)
        return (there - x) / (t_next - t)

    painted = sample(
        context,
        context.noise,
        velocity=velocity,
        control=kept if held else None,
        solver=integrate_euler,
    )
    return EditOutput(painted, region=region() if held else None)


def references(context: EditContext) -> list[Tensor]:
    """Return what the model is shown: the picture to edit, and the original if there is room.

    Shape of each: (1, L, C).
    """
    pictures = [context.current]
    if not context.current.equal(context.original):
        pictures.append(context.original)
    return pictures[: context.model.spec.references]


SPEC = MethodSpec(
    "instruct",
    edit,
    "published",
    SAMPLING,
    needs=frozenset({"instruction", "references"}),
    presets=("instruct", "steady"),
    own=InstructConfig(),
)
