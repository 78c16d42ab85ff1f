"""One turn after another: paint a picture from memory, then remember it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from editing_core.anchor.memory import Frame, Memory
from editing_core.anchor.model import PORTRAIT, Anchor, Said
from editing_core.latents import Canvas

FOUR = (1.0, 0.75, 0.5, 0.25)
"""Times of the four steps."""
ALONE = ((),)


def remember(
    anchor: Anchor,
    memory: Memory,
    x: Tensor,
    said: Said,
    turn: int,
    canvas: Canvas = PORTRAIT,
) -> Memory:
    """Write a finished picture into the memory, at time 0.

    Args:
        anchor: The model.
        memory: What it remembers so far.
        x: Packed latents of B pictures. Shape: (B, L, C).
        said: The instructions that made them, one frame each; empty ones for originals.
        turn: Their place in the conversation.
        canvas: Their size.
    """
    written: list[Tensor] = []
    places = torch.full((len(x), 1), turn, device=x.device)
    anchor(x[:, None], torch.zeros_like(places, dtype=torch.float32), places, said, ALONE,
           memory=memory.seen, written=written, canvas=canvas)  # fmt: skip
    return memory.remember(Frame(turn, torch.stack(written)[:, :, :, 0]))


def paint(
    anchor: Anchor,
    memory: Memory,
    said: Said,
    turn: int,
    noise: Tensor,
    times: Sequence[float] = FOUR,
    seed: int | None = 0,
    canvas: Canvas = PORTRAIT,
    on_step: Callable[[int], None] | None = None,
) -> Tensor:
    """Follow an instruction: from noise to the picture of a turn.

    Every step predicts the finished picture and takes it back to the next time with fresh noise,
    or, without a seed, along the straight line of Euler's method.

    Args:
        anchor: The model.
        memory: The original and the last pictures.
        said: The instructions, one frame each.
        turn: The pictures' place in the conversation.
        noise: N(0, 1). Shape: (B, L, C).
        times: Falling, the first is 1.
        seed: Of the fresh noise.
        canvas: The pictures' size.
        on_step: Hears of every step, from 0.

    Returns:
        Packed latents. Shape: (B, L, C).
    """
    chance = torch.Generator().manual_seed(seed or 0)
    places = torch.full((len(noise), 1), turn, device=noise.device)
    x = noise
    for n, (t, then) in enumerate(zip(times, (*times[1:], 0.0), strict=True)):
        at = torch.full(places.shape, t, device=noise.device)
        v = anchor(x[:, None], at, places, said, ALONE, memory=memory.seen, canvas=canvas)[:, 0]
        if seed is None or then == 0:
            x = x + (then - t) * v
        else:
            fresh = torch.randn(x.shape, generator=chance).to(x)
            x = (1 - then) * (x - t * v) + then * fresh
        if on_step:
            on_step(n)
    return x
