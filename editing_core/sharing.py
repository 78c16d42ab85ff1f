"""Sharing features: what chosen blocks compute in one model call is lent to another.

Rivals of the paper keep a picture by letting its own queries, keys, values or attention outputs
stand in for those of the walk to the target. This is their common part. Only attention's inputs
and outputs are exchanged, never score matrices, so it is exact and works with every backend.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Literal

import torch
from diffusers.models.attention_dispatch import dispatch_attention_fn
from torch import Tensor

from editing_core.attention import joint_qkv

Part = Literal["query", "key", "value", "output"]
"""What can be lent; keys and queries after their rotation, the output before its projection."""

Features = dict[tuple[int, Part], Tensor]
"""By block and part. Shape of each: (1, tokens, heads, head size)."""

FLUX_DOUBLE, FLUX_SINGLE = 19, 38  # blocks of FLUX.1, whose numbers papers quote


class Sharing:
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
        self.first = first
        self.recorded: Features | None = None
        self.lent: Features = {}
        blocks = _blocks(transformer)
        self._parts = {index: frozenset(wanted) for index, wanted in parts.items()}
        self._blocks = {index: blocks[index] for index in self._parts}
        self._replaced: dict[int, Any] = {}

    def __enter__(self) -> Sharing:
        """Install the processors."""
        self._replaced = {index: block.attn.processor for index, block in self._blocks.items()}
        for index, old in self._replaced.items():
            self._blocks[index].attn.set_processor(SharedAttention(self, index, old))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Put the old processors back, whatever happened."""
        for index, old in self._replaced.items():
            self._blocks[index].attn.set_processor(old)

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


class SharedAttention:
    """FLUX's attention, of double and single blocks alike, under a ``Sharing``.

    Follows diffusers' ``FluxAttnProcessor`` and equals it when nothing is lent.
    """

    _attention_backend: Any = None
    _parallel_config: Any = None

    def __init__(self, sharing: Sharing, block: int, replaced: Any) -> None:
        """Serve one block, with the backend of the processor it replaces."""
        self._sharing = sharing
        self._block = block
        self._attention_backend = getattr(replaced, "_attention_backend", None)
        self._parallel_config = getattr(replaced, "_parallel_config", None)

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        image_rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Attend; double blocks get picture and text, (1, L, D) and (1, T, D), and return both."""
        own = joint_qkv(attn, hidden_states, encoder_hidden_states, image_rotary_emb)
        mixed = dispatch_attention_fn(
            self._exchanged("query", own[0]),
            self._exchanged("key", own[1]),
            self._exchanged("value", own[2]),
            attn_mask=attention_mask,
            backend=self._attention_backend,
            parallel_config=self._parallel_config,
        )
        mixed = self._exchanged("output", mixed).flatten(2).to(hidden_states.dtype)
        if encoder_hidden_states is None:
            return mixed
        text_tokens = encoder_hidden_states.shape[1]
        picture = attn.to_out[1](attn.to_out[0](mixed[:, text_tokens:].contiguous()))
        return picture, attn.to_add_out(mixed[:, :text_tokens].contiguous())

    def _exchanged(self, part: Part, own: Tensor) -> Tensor:
        return self._sharing.exchanged(self._block, part, own)


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
