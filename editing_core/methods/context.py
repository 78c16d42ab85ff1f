"""What every method gets, what it returns, and the walks they share."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from editing_core.feature_injection import Features
from editing_core.hashes import tensor_hash
from editing_core.settings import EditSettings
from editing_core.solvers import (
    Control,
    OnStep,
    SolverStep,
    Velocity,
    integrate,
    integrate_euler,
)
from editing_core.step_cache import EXACT, reusing

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from editing_core.cache import LRUCache
    from editing_core.models.base import Model, TextEmbedding
    from editing_core.models.canvas import Canvas

Progress = Callable[[str, int, int], None]
"""``progress(phase, index, of)``: a step of "invert" or "sample" is done; index counts from 0."""

Recorded = tuple["Tensor", Mapping[Hashable, Features]]
"""The noise that an inversion came to, and features of its model calls, on the CPU."""


@dataclass(frozen=True, eq=False)
class GivenRegion:
    """Where a person wants an edit to act, inside the box of the settings.

    Attributes:
        mask: "L", laid over that box whatever its size: white where the edit may act.
        whole: Whether all of it changes, instead of what of it the prompts disagree about.
    """

    mask: Image.Image
    whole: bool = False


@dataclass(frozen=True, eq=False)
class EditContext:
    """One edit in latents.

    Attributes:
        model: The model.
        current: Picture to edit, X_{k-1}. Shape: (1, L, C).
        original: Picture the chain of edits began from, X_0. Shape: (1, L, C).
        source: Prompt that describes ``current``.
        target: Prompt that describes the wanted picture.
        columns: Tokens of the edit words in ``target``; none leaves attention alone.
        canvas: Size of the picture.
        settings: The numbers.
        noise: The randomness of an edit, N(0, 1). Shape: (1, L, C).
        seed: What ``noise`` was drawn from, for those who need more of it.
        inversions: Inversions done before.
        recordings: Inversions done before whose features were recorded.
        pictures: The picture to edit and the original, as pixels.
        progress: Hears of every solver step.
        seen: Gets, after every step of sampling, latents that are nearly those of the picture.
        instruction: The wish as it was put, if it was.
        history: The latents of all pictures from the original to the current one, each with the
            instruction that made it, if they are known.
        region: Where the person wants it to act; None leaves that to box, prompts and method.
    """

    model: Model
    current: Tensor
    original: Tensor
    source: TextEmbedding
    target: TextEmbedding
    columns: tuple[int, ...]
    canvas: Canvas
    settings: EditSettings
    noise: Tensor
    seed: int
    inversions: LRUCache[Tensor]
    recordings: LRUCache[Recorded]
    pictures: tuple[Image.Image, Image.Image]
    progress: Progress
    seen: Callable[[Tensor], None] | None = None
    instruction: str = ""
    history: tuple[tuple[Tensor, str], ...] = ()
    region: GivenRegion | None = None


@dataclass(frozen=True, eq=False)
class EditOutput:
    """What a method made.

    Attributes:
        latents: Of the edited picture. Shape: (1, L, C).
        mask: Where attention was emphasised, if it was. Shape: (rows, cols).
        blocks: Layers whose maps made that mask.
        region: How much each latent pixel may change, if the method knows; else it is found where
            something is to be kept. Shape: (2 rows, 2 cols).
        weights: Hash of the weights that painted it, where they are the method's own.
    """

    latents: Tensor
    mask: Tensor | None = None
    blocks: tuple[int, ...] = ()
    region: Tensor | None = None
    weights: str = ""


Solver = Callable[..., "Tensor"]
"""``integrate``, ``integrate_euler`` or ``integrate_taylor``."""


def invert(
    context: EditContext,
    *,
    said: TextEmbedding | None = None,
    control: Control | None = None,
    guided: Hashable = None,
    solver: Solver = integrate,
) -> Tensor:
    """Walk the current picture to noise, or remember the last such walk.

    Args:
        context: The edit.
        said: What the model is told; None leaves it to the settings.
        control: Guidance, if any.
        guided: The numbers ``control`` was made from, by which the walk is remembered.
        solver: How to walk.

    Returns:
        The state at t = 1. Shape: (1, L, C).
    """
    said = said or inversion_text(context)
    key = (inversion_key(context, said), guided, solver.__name__)
    walk = conditioned_velocity(context, said, context.settings.invert_guidance)
    return context.inversions.get(
        key, lambda: walk_to_noise(context, walk, context.current, control=control, solver=solver)
    )


def inverted_path(context: EditContext, scale: float = 1.0) -> Tensor:
    """Walk the current picture to noise by Euler steps and remember every state.

    Args:
        context: The edit.
        scale: What the picture's latents are multiplied by first.

    Returns:
        States from the picture to noise. Shape: (steps + 1, 1, L, C).
    """
    import torch

    said = inversion_text(context)

    def walk() -> Tensor:
        states = [scale * context.current]
        velocity = conditioned_velocity(context, said, context.settings.invert_guidance)
        walk_to_noise(context, velocity, states[0], solver=integrate_euler,
                      on_step=lambda step: states.append(step.x))  # fmt: skip
        return torch.stack(states)

    return context.inversions.get((inversion_key(context, said), "path", scale), walk)


def walk_to_noise(
    context: EditContext,
    velocity: Velocity,
    start: Tensor,
    *,
    solver: Solver,
    control: Control | None = None,
    on_step: OnStep | None = None,
) -> Tensor:
    """Walk from ``start`` to noise without remembering it. Shape: (1, L, C)."""
    times = times_of(context).flip(0)
    heard = step_callback(context, "invert", on_step)
    return solver(velocity, start, times, control=control, on_step=heard)


def inversion_text(context: EditContext) -> TextEmbedding:
    """What the settings say that the model is told while inverting."""
    return (
        context.source
        if context.settings.inversion_prompt == "source"
        else context.model.encode_text("")
    )


def inversion_key(context: EditContext, said: TextEmbedding) -> Hashable:
    """What any inversion depends on: the picture, the words and the numbers."""
    s = context.settings
    return tensor_hash(context.current), said.prompt, context.canvas, s.steps, s.invert_guidance


def sample(
    context: EditContext,
    noise: Tensor,
    *,
    velocity: Velocity | None = None,
    control: Control | None = None,
    solver: Solver = integrate,
    on_step: OnStep | None = None,
) -> Tensor:
    """Walk from ``noise`` to a picture, by default under the target prompt. Shape: (1, L, C)."""
    times = times_of(context)
    velocity = drafted(
        context,
        velocity or conditioned_velocity(context, context.target, context.settings.guidance),
    )
    heard = step_callback(context, "sample", on_step)
    return solver(velocity, noise, times, control=control, on_step=heard)


def drafted(context: EditContext, velocity: Velocity) -> Velocity:
    """Return the velocity of one walk to the picture: itself, or in a draft part of it reused.

    A model that was distilled to a few steps drafts in those, and reuses none of them.
    """
    s = context.settings
    reused = s.draft and not context.model.spec.few_steps
    return reusing(velocity, round(EXACT * s.steps)) if reused else velocity


def conditioned_velocity(context: EditContext, text: TextEmbedding, guidance: float) -> Velocity:
    """Return the model's velocity under a prompt."""
    model, canvas = context.model, context.canvas
    return lambda x, t, call: model.velocity(x, t, text, guidance=guidance, canvas=canvas)


def step_callback(context: EditContext, phase: str, also: OnStep | None = None) -> OnStep:
    """Return what tells ``also`` of every step, then those who follow the edit."""

    def on_step(step: SolverStep) -> None:
        if also:
            also(step)
        if context.seen and phase == "sample":
            context.seen(step.pred_x0)
        context.progress(phase, step.index, step.of)

    return on_step


def times_of(context: EditContext) -> Tensor:
    """Return the model's schedule for this edit, falling. Shape: (steps + 1,), float64."""
    return context.model.times(context.settings.steps, context.canvas)
