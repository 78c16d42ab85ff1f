"""What every method gets, what it returns, and the two walks they share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from torch import Tensor

from editing_core.flow import Control, OnStep, Step, Velocity, integrate, time_grid
from editing_core.flux import Flux, Text
from editing_core.latents import Canvas
from editing_core.recent import Recent
from editing_core.settings import EditSettings

Progress = Callable[[str, int, int], None]
"""``progress(phase, index, of)``: a step of "invert" or "sample" is done; index counts from 0."""


@dataclass(frozen=True, eq=False)
class Task:
    """One edit in latents.

    Attributes:
        flux: The model.
        current: Picture to edit, X_{k-1}. Shape: (1, L, 64).
        original: Picture the chain of edits began from, X_0. Shape: (1, L, 64).
        source: Prompt that describes ``current``.
        target: Prompt that describes the wanted picture.
        columns: Tokens of the edit words in ``target``; none leaves attention alone.
        canvas: Size of the picture.
        settings: The numbers.
        noise: The only randomness of an edit, N(0, 1). Shape: (1, L, 64).
        seed: What ``noise`` was drawn from.
        inversions: Inversions done before.
        progress: Hears of every solver step.
    """

    flux: Flux
    current: Tensor
    original: Tensor
    source: Text
    target: Text
    columns: tuple[int, ...]
    canvas: Canvas
    settings: EditSettings
    noise: Tensor
    seed: int
    inversions: Recent[Tensor]
    progress: Progress


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a method made.

    Attributes:
        latents: Of the edited picture. Shape: (1, L, 64).
        mask: Where attention was emphasised, if it was. Shape: (rows, cols).
        blocks: Double blocks whose maps made that mask.
    """

    latents: Tensor
    mask: Tensor | None = None
    blocks: tuple[int, ...] = ()


Solver = Callable[..., Tensor]
"""``integrate`` or ``integrate_euler``."""


def invert(task: Task, *, control: Control | None = None, solver: Solver = integrate) -> Tensor:
    """Walk the current picture to noise under the source prompt, or remember the last such walk.

    Args:
        task: The edit.
        control: Guidance made from the task's own noise and settings, if any.
        solver: How to walk.

    Returns:
        The state at t = 1. Shape: (1, L, 64).
    """
    s = task.settings
    said = task.source if s.inversion_prompt == "source" else task.flux.text("")

    def walk() -> Tensor:
        times = time_grid(s.steps, task.canvas.tokens).flip(0)
        velocity = _told(task, said, s.invert_guidance)
        heard = _heard(task.progress, "invert")
        return solver(velocity, task.current, times, control=control, on_step=heard)

    guided = (task.seed, s.gamma, s.inversion_denominator) if control else None
    asked = (said.prompt, task.canvas, s.steps, s.invert_guidance)
    return task.inversions.get((_digest(task.current), asked, guided, solver.__name__), walk)


def sample(
    task: Task,
    noise: Tensor,
    *,
    control: Control | None = None,
    solver: Solver = integrate,
    on_step: OnStep | None = None,
) -> Tensor:
    """Walk from ``noise`` to a picture under the target prompt. Shape: (1, L, 64)."""
    times = time_grid(task.settings.steps, task.canvas.tokens)
    velocity = _told(task, task.target, task.settings.guidance)
    heard = _heard(task.progress, "sample", on_step)
    return solver(velocity, noise, times, control=control, on_step=heard)


def _told(task: Task, text: Text, guidance: float) -> Velocity:
    flux, canvas = task.flux, task.canvas
    return lambda x, t: flux.velocity(x, t, text, guidance=guidance, canvas=canvas)


def _heard(progress: Progress, phase: str, also: OnStep | None = None) -> OnStep:
    def on_step(step: Step) -> None:
        if also:
            also(step)
        progress(phase, step.index, step.of)

    return on_step


def _digest(x: Tensor) -> Hashable:
    return hashlib.sha256(x.cpu().contiguous().numpy().tobytes()).digest()
