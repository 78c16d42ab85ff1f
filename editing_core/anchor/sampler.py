"""One turn after another: paint a picture from memory, then remember it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from editing_core.anchor.attention import Frame, KVCache
from editing_core.anchor.model import PORTRAIT, Anchor, InstructionEmbeddings
from editing_core.models.canvas import Canvas

FOUR_STEP_TIMES = (1.0, 0.75, 0.5, 0.25)
"""Times of the four steps."""
SELF_ONLY = ((),)
EARLY, LATE = 0.8, 0.4
"""Between these times it shows best where an instruction acts."""
LAYOUT, RISE = 0.75, 2.5
"""Below this time guidance rises, by so much a unit of time: 1.625 at the third step, 2.25 at the
last. Above it, where the picture takes shape, any guidance made more of the rest change."""


def rising_guidance(t: float) -> float:
    """Guidance of a time: none while the layout takes shape."""
    return 1 + RISE * max(0.0, LAYOUT - t)


@dataclass(frozen=True, eq=False)
class ClassifierFreeGuidance:
    """What an instruction is compared with: one that asks for nothing.

    Attributes:
        unconditional: The encoded instructions to change nothing.
        strength: Of the instruction, 1 as usual; 0 is to change nothing.
        guidance: How far beyond doing nothing to go at a time (classifier-free guidance).
        differences: Receives the conditional minus the unconditional velocity, (B, L, C) each.
    """

    unconditional: InstructionEmbeddings
    strength: float = 1.0
    guidance: Callable[[float], float] = rising_guidance
    differences: list[Tensor] = field(default_factory=list)

    def scale(self, t: float) -> float:
        """Guidance with the strength."""
        return self.strength * self.guidance(t)

    def is_guided(self, t: float) -> bool:
        """Whether a step is compared."""
        return self.scale(t) != 1 or LATE <= t <= EARLY

    def guided(self, conditional: Tensor, unconditional: Tensor, t: float) -> Tensor:
        """The velocity to follow."""
        if LATE <= t <= EARLY:
            self.differences.append(conditional - unconditional)
        return unconditional + self.scale(t) * (conditional - unconditional)


def encode_frame(
    anchor: Anchor,
    memory: KVCache,
    x: Tensor,
    instructions: InstructionEmbeddings,
    turn: int,
    canvas: Canvas = PORTRAIT,
) -> Frame:
    """What is to be remembered of a finished picture, seen at time 0.

    Args:
        anchor: The model.
        memory: What it remembers so far.
        x: Packed latents of B pictures. Shape: (B, L, C).
        instructions: The instructions that made them, one frame each; empty ones for originals.
        turn: Their place in the conversation.
        canvas: Their size.
    """
    kv_out: list[Tensor] = []
    places = torch.full((len(x), 1), turn, device=x.device)
    anchor(
        x[:, None],
        torch.zeros_like(places, dtype=torch.float32),
        places,
        instructions,
        SELF_ONLY,
        memory=memory.seen,
        kv_out=kv_out,
        canvas=canvas,
    )
    return Frame(turn, torch.stack(kv_out)[:, :, :, 0])


def sample(
    anchor: Anchor,
    memory: KVCache,
    instructions: InstructionEmbeddings,
    turn: int,
    noise: Tensor,
    times: Sequence[float] = FOUR_STEP_TIMES,
    seed: int | None = 0,
    canvas: Canvas = PORTRAIT,
    on_step: Callable[[int], None] | None = None,
    guide: ClassifierFreeGuidance | None = None,
) -> Tensor:
    """Follow an instruction: from noise to the picture of a turn.

    Every step predicts the finished picture and takes it back to the next time with fresh noise,
    or, without a seed, along the straight line of Euler's method.

    Args:
        anchor: The model.
        memory: The original and the last pictures.
        instructions: The instructions, one frame each.
        turn: The pictures' place in the conversation.
        noise: N(0, 1). Shape: (B, L, C).
        times: Falling, the first is 1.
        seed: Of the fresh noise.
        canvas: The pictures' size.
        on_step: Hears of every step, from 0.
        guide: Compares with doing nothing.

    Returns:
        Packed latents. Shape: (B, L, C).
    """
    chance = torch.Generator().manual_seed(seed or 0)
    x = noise
    for n, (t, then) in enumerate(zip(times, (*times[1:], 0.0), strict=True)):
        v = _velocity(anchor, memory, instructions, turn, x, t, canvas, guide)
        if seed is None or then == 0:
            x = x + (then - t) * v
        else:
            fresh = torch.randn(x.shape, generator=chance).to(x)
            x = (1 - then) * (x - t * v) + then * fresh
        if on_step:
            on_step(n)
    return x


def _velocity(
    anchor: Anchor,
    memory: KVCache,
    instructions: InstructionEmbeddings,
    turn: int,
    x: Tensor,
    t: float,
    canvas: Canvas,
    guide: ClassifierFreeGuidance | None,
) -> Tensor:
    """Where a painting goes at a time: told and, where a guide looks, untold beside it."""
    guided = guide is not None and guide.is_guided(t)
    ways = [instructions, guide.unconditional] if guide is not None and guided else [instructions]
    places = torch.full((len(x), len(ways)), turn, device=x.device)
    v = anchor(
        torch.stack([x] * len(ways), 1),
        torch.full(places.shape, t, device=x.device),
        places,
        InstructionEmbeddings(
            torch.cat([w.embeds for w in ways], 1), torch.cat([w.pooled for w in ways], 1)
        ),
        SELF_ONLY * len(ways),
        memory=memory.seen,
        canvas=canvas,
    )
    return guide.guided(v[:, 0], v[:, 1], t) if guide is not None and guided else v[:, 0]
