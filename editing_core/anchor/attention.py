"""Attention that reaches across turns, whatever the transformer: frames are folded into the batch.

A batch of B sessions of F frames goes through the transformer as (B * F, ...). Times, modulation
and instructions are each frame's own by construction; only self-attention connects frames: the
picture tokens of earlier frames are keys and values for a later one. Spatial places are the
transformer's own affair; the temporal axis of its rotary embedding is turned here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from editing_core.models.diffusers_internals import (
    backend_of,
    dispatch_attention_fn,
    get_1d_rotary_pos_embed,
    parallel_config_of,
)

WINDOW = 3


@dataclass(frozen=True, eq=False)
class Frame:
    """What every layer keeps of one picture.

    Attributes:
        turn: The picture's place in the conversation; 0 is the original.
        kept: Keys, after all rotations, and values. Shape: (layers, 2, B, L, heads, width).
    """

    turn: int
    kept: Tensor


@dataclass(frozen=True)
class KVCache:
    """Frames in the order of their turns; the first is the anchor and is never forgotten.

    Attributes:
        frames: The original, then the latest ``window`` results.
        window: How many results the next picture sees besides the original.
    """

    frames: tuple[Frame, ...] = ()
    window: int = WINDOW

    @property
    def seen(self) -> tuple[Frame, ...]:
        """What the next picture attends to."""
        return self.frames

    @property
    def next_turn(self) -> int:
        """The turn whose picture comes next."""
        return self.frames[-1].turn + 1 if self.frames else 0

    def append(self, frame: Frame) -> KVCache:
        """Return a memory with one more frame; the oldest result goes when there are too many."""
        if frame.turn < self.next_turn:
            raise ValueError(f"turn {frame.turn} is remembered after turn {self.next_turn - 1}")
        if not self.frames:
            return replace(self, frames=(frame,))
        results = (*self.frames[1:], frame)[-self.window :] if self.window else ()
        return replace(self, frames=(*self.frames[:1], *results))


STRIDE = 4  # temporal places from one turn to the next

Visibility = Sequence[Sequence[int]]
"""For each frame, which other frames of the same call it sees."""


def causal(frames: int, window: int | None = None) -> Visibility:
    """Every frame sees the first one and the ``window`` before it; without a window, all."""
    reach = frames if window is None else window
    return [[*range(min(f, 1)), *range(max(1, f - reach), f)] for f in range(frames)]


@dataclass(frozen=True, eq=False)
class TurnContext:
    """What attention needs to know during one call of a transformer.

    Attributes:
        frames: F.
        text: Tokens of an instruction that go before a frame's own; 0 where text is elsewhere.
        rotation: Cosine and sine of each frame's temporal place. Shape: (B * F, 1, 1, axis).
        visibility: Who sees whom.
        memory: Frames of earlier calls, which all see.
        kv_out: Receives each layer's keys and values: (2, B, F, L, heads, width).
    """

    frames: int
    text: int
    rotation: tuple[Tensor, Tensor]
    visibility: Visibility
    memory: Sequence[Frame] = ()
    kv_out: list[Tensor] | None = None


def frame_attention(
    q: Tensor, k: Tensor, v: Tensor, context: TurnContext, layer: int, processor: Any
) -> Tensor:
    """Attend each frame to itself, its text, the frames it sees, and what is remembered.

    Args:
        q: Queries, normalised and spatially rotated. Shape: (B * F, text + L, heads, width).
        k: Keys, likewise.
        v: Values.
        context: Who sees whom.
        layer: Counted through all blocks.
        processor: The attention processor, which knows the back end.

    Returns:
        Shape: that of ``q``.
    """
    q, k = _rotated(q, context.rotation), _rotated(k, context.rotation)
    q, k, v = (x.unflatten(0, (-1, context.frames)) for x in (q, k, v))
    shown_k, shown_v = k[:, :, context.text :], v[:, :, context.text :]
    if context.kv_out is not None:
        context.kv_out.append(torch.stack([shown_k, shown_v]))
    remembered = [frame.kept[layer] for frame in context.memory]
    seen = []
    for f, others in enumerate(context.visibility):
        keys = [k[:, f], *(shown_k[:, g] for g in others), *(m[0] for m in remembered)]
        values = [v[:, f], *(shown_v[:, g] for g in others), *(m[1] for m in remembered)]
        seen.append(
            dispatch_attention_fn(
                q[:, f], torch.cat(keys, 1), torch.cat(values, 1),
                backend=backend_of(processor), parallel_config=parallel_config_of(processor),
            )
        )  # fmt: skip
    return torch.stack(seen, 1).flatten(0, 1)


def rotation(turns: Tensor, axis: int, stride: int = STRIDE) -> tuple[Tensor, Tensor]:
    """Cosine and sine of the temporal places of turns (B, F): (B * F, 1, 1, axis) each."""
    cosine, sine = get_1d_rotary_pos_embed(
        axis,
        (stride * turns.flatten()).double(),
        repeat_interleave_real=True,
        use_real=True,
        freqs_dtype=torch.float64,
    )
    return cosine[:, None, None], sine[:, None, None]


def _rotated(x: Tensor, by: tuple[Tensor, Tensor]) -> Tensor:
    """Turn the first axis of heads, which the spatial embedding left at place 0."""
    cosine, sine = by
    axis = cosine.shape[-1]
    turned = x[..., :axis].float()
    real, imaginary = turned.unflatten(-1, (-1, 2)).unbind(-1)
    across = torch.stack([-imaginary, real], -1).flatten(-2)
    return torch.cat([(turned * cosine + across * sine).to(x.dtype), x[..., axis:]], -1)
