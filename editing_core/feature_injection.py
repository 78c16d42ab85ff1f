"""Sharing features: what chosen blocks compute in one model call is lent to another.

Rivals of the paper keep a picture by letting its own queries, keys, values or attention outputs
stand in for those of the walk to the target. This is their common part. Only attention's inputs
and outputs are exchanged, never score matrices, so it is exact and works with every backend.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor

from editing_core.attention_processor import QKV, Attend, AttentionHook

Part = Literal["query", "key", "value", "output"]
"""What can be lent; keys and queries after their rotation, the output before its projection."""

Features = dict[tuple[int, Part], Tensor]
"""By block and part. Shape of each: (1, tokens, heads, head size)."""

FLUX_DOUBLE, FLUX_SINGLE = 19, 38  # blocks of FLUX.1, whose numbers papers quote


class FeatureInjection(AttentionHook):
    """Records and lends features of a transformer while it is entered.

    Blocks count from 0, the double blocks before the single ones.

    Attributes:
        first: The first token that is lent: 0 lends text and picture, the number of text tokens
            the picture alone.
        recorded: Where features go now, if anywhere.
        lent: Features that now stand in for the model's own.
    """

    def __init__(self, transformer: Any, parts: Mapping[int, Iterable[Part]], first: int) -> None:
        """Prepare to share these parts of these blocks; nothing is installed yet."""
        blocks = _blocks(transformer)
        super().__init__({index: blocks[index] for index in parts})
        self.first = first
        self.recorded: Features | None = None
        self.lent: Features = {}
        self._parts = {index: frozenset(wanted) for index, wanted in parts.items()}

    @contextmanager
    def record(self) -> Iterator[Features]:
        """Collect the features of the model call made inside."""
        self.recorded = {}
        try:
            yield self.recorded
        finally:
            self.recorded = None

    @contextmanager
    def lend(self, features: Features) -> Iterator[None]:
        """Let these features stand in for the model's own inside."""
        self.lent = features
        try:
            yield
        finally:
            self.lent = {}

    def attended(self, block: int, qkv: QKV, text_tokens: int, attend: Attend) -> Tensor:
        """Attend with what is lent, where it is, and record what is wanted."""
        query, key, value = qkv
        mixed = attend(
            self.exchanged(block, "query", query),
            self.exchanged(block, "key", key),
            self.exchanged(block, "value", value),
        )
        return self.exchanged(block, "output", mixed)

    def exchanged(self, block: int, part: Part, own: Tensor) -> Tensor:
        """Record a block's own feature and return it or what stands in for it.

        Args:
            block: Which one.
            part: Of what.
            own: Of text and picture. Shape: (1, T + L, heads, head size).
        """
        if self.recorded is not None and part in self._parts[block]:
            self.recorded[block, part] = own[:, self.first :]
        if (block, part) not in self.lent:
            return own
        return torch.cat([own[:, : self.first], self.lent[block, part].to(own)], dim=1)


def depth(transformer: Any) -> int:
    """How many blocks a transformer has."""
    return len(_blocks(transformer))


def blocks_like(transformer: Any, double: Iterable[int], single: Iterable[int]) -> tuple[int, ...]:
    """Find the blocks that stand for these of FLUX.1 (19 double, 38 single blocks).

    A block of a shallower transformer stands for several; it is chosen if half of them are.

    Args:
        transformer: Of any depth.
        double: Double blocks of FLUX.1, from 0.
        single: Single blocks of FLUX.1, from 0.

    Returns:
        Blocks counted through.
    """
    doubles = len(transformer.transformer_blocks)
    among_double = _standing_for(double, FLUX_DOUBLE, doubles)
    among_single = _standing_for(single, FLUX_SINGLE, depth(transformer) - doubles)
    return (*among_double, *(doubles + block for block in among_single))


def later_blocks(transformer: Any, share: float) -> range:
    """All blocks but the first ``share`` of them."""
    return range(round(share * depth(transformer)), depth(transformer))


def _standing_for(chosen: Iterable[int], of: int, depth: int) -> list[int]:
    """Which of ``depth`` blocks stand for the chosen ones of ``of``, by half of each or more."""
    chosen = set(chosen)
    stands_for: list[list[bool]] = [[] for _ in range(depth)]
    for block in range(of):
        stands_for[min(block * depth // of, depth - 1)].append(block in chosen)
    return [
        block for block, votes in enumerate(stands_for) if votes and 2 * sum(votes) >= len(votes)
    ]


def _blocks(transformer: Any) -> list[Any]:
    return [*transformer.transformer_blocks, *transformer.single_transformer_blocks]
