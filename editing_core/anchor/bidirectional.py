"""Memories that see each other both ways, to measure what their causal order is worth.

What a picture's keys and values say then depends on the pictures after it as well, so that they
are made anew for every turn, from the frames that this turn remembers.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor

from editing_core.anchor.attention import Frame, KVCache, Visibility
from editing_core.anchor.engine import AnchorEngine, HistoryTurn, Kept, plain
from editing_core.anchor.model import Anchor, InstructionEmbeddings
from editing_core.models.canvas import Canvas


class BidirectionalAnchor:
    """An anchor in training whose memories see each other both ways.

    Attributes:
        anchor: The model, called with a copy of the memories for every turn, so that no turn is
            told by its memories of the pictures that come after it.
        encode: Encodes instructions.
    """

    def __init__(self, anchor: Anchor) -> None:
        """Call ``anchor``."""
        self.anchor = anchor
        self.encode = anchor.encode

    def __call__(
        self,
        x: Tensor,
        t: Tensor,
        turns: Tensor,
        instructions: InstructionEmbeddings,
        visibility: Visibility,
    ) -> Tensor:
        """Velocities (B, F, L, C) as of ``Anchor``, but those of memories, which come out as 0."""
        past = 1 + max(chain(*visibility))
        remembered = sorted({tuple(seen) for seen in visibility[past:]})
        order = [*chain(*remembered), *range(past, len(visibility))]
        copies: dict[tuple[int, ...], range] = {}
        for seen in remembered:
            first = sum(map(len, copies))
            copies[seen] = range(first, first + len(seen))
        both = [_others(group, frame) for group in copies.values() for frame in group]
        paintings = [list(copies[tuple(seen)]) for seen in visibility[past:]]
        of_each = InstructionEmbeddings(
            instructions.embeds[:, order], instructions.pooled[:, order]
        )
        v = self.anchor(x[:, order], t[:, order], turns[:, order], of_each, [*both, *paintings])
        return torch.cat([torch.zeros_like(x[:, :past]), v[:, len(both) :]], 1)


class BidirectionalEngine(AnchorEngine):
    """An engine that reads the pictures it remembers anew for every turn, all together."""

    @torch.no_grad()
    def memory(
        self, history: Sequence[HistoryTurn], canvas: Canvas, kept: Kept | None = None
    ) -> KVCache:
        """The memory of a conversation."""
        self.forwards += 1
        count, window = len(history), self.empty.window
        turns = [0, *range(max(1, count - window), count)]
        kv_out: list[Tensor] = []
        x = torch.stack([history[turn].latents for turn in turns], 1)
        places = torch.tensor([turns], device=x.device)
        instructions = self.anchor.encode([[plain(history[turn].instruction) for turn in turns]])
        visibility = [_others(range(len(turns)), frame) for frame in range(len(turns))]
        still = torch.zeros(places.shape, device=x.device)
        self.anchor(x, still, places, instructions, visibility, kv_out=kv_out, canvas=canvas)
        read = torch.stack(kv_out).unbind(3)
        frames = tuple(Frame(turn, one) for turn, one in zip(turns, read, strict=True))
        self.latest = KVCache(frames, window)
        return self.latest


def _others(group: Sequence[int], frame: int) -> list[int]:
    return [other for other in group if other != frame]
