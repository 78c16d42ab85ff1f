"""Feature injection: what chosen layers compute in one model call stands in for another call's.

Rivals of the paper keep a picture by letting its own queries, keys, values or attention outputs
stand in for those of the walk to the target. This is their common part. Only attention's inputs
and outputs are exchanged, never score matrices, so it is exact and works with every backend.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from editing_core.attention_hook import AttentionHook

if TYPE_CHECKING:
    from torch import Tensor

    from editing_core.models.base import AttentionCall, AttentionLayer

Part = Literal["query", "key", "value", "output"]
"""What can be lent; keys and queries after their rotation, the output before its projection."""

Features = dict[tuple[int, Part], "Tensor"]
"""By layer and part. Shape of each: (1, tokens, heads, head size)."""

FLUX_JOINT, FLUX_SINGLE = 19, 38  # layers of FLUX.1, whose numbers papers quote


class FeatureInjection(AttentionHook):
    """Records and lends features of a model while it is entered.

    Attributes:
        text: Whether features of text tokens are lent, too, or those of the image alone.
        recorded: Where features go now, if anywhere.
        lent: Features that now stand in for the model's own.
    """

    def __init__(
        self,
        layers: Iterable[AttentionLayer],
        parts: Mapping[int, Iterable[Part]],
        *,
        text: bool = False,
    ) -> None:
        """Prepare to share these parts of these layers, by number; nothing is installed yet."""
        super().__init__(layer for layer in layers if layer.index in parts)
        self.text = text
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

    def attended(self, call: AttentionCall) -> Tensor:
        """Attend with what is lent, where it is, and record what is wanted."""
        mixed = call.attend(
            self._exchanged(call, "query", call.query),
            self._exchanged(call, "key", call.key),
            self._exchanged(call, "value", call.value),
        )
        return self._exchanged(call, "output", mixed)

    def _exchanged(self, call: AttentionCall, part: Part, own: Tensor) -> Tensor:
        """Record a layer's own feature, of all tokens, and return it or what stands in for it."""
        import torch

        index = call.layer.index
        first = call.text.start if self.text else call.image.start
        if self.recorded is not None and call.prompted and part in self._parts[index]:
            self.recorded[index, part] = own[:, first : call.image.stop]
        if (index, part) not in self.lent:
            return own
        lent = self.lent[index, part].to(own)
        if lent.shape[1] != call.image.stop - first:  # under a prompt of another length
            first = call.image.start
            lent = lent[:, first - call.image.stop :]
        return torch.cat([own[:, :first], lent, own[:, call.image.stop :]], dim=1)


def layers_like(
    layers: Sequence[AttentionLayer], joint: Iterable[int], single: Iterable[int]
) -> tuple[int, ...]:
    """Find the layers that stand for these of FLUX.1 (19 joint, 38 single ones).

    A layer of a shallower model stands for several; it is chosen if half of them are.

    Args:
        layers: Of any model.
        joint: Joint layers of FLUX.1, from 0.
        single: Single layers of FLUX.1, from 0.

    Returns:
        Their numbers.
    """
    ours = {
        stream: [layer.index for layer in layers if layer.stream == stream]
        for stream in ("joint", "single")
    }
    return (
        *_standing_for(joint, FLUX_JOINT, ours["joint"]),
        *_standing_for(single, FLUX_SINGLE, ours["single"]),
    )


def later_layers(layers: Sequence[AttentionLayer], share: float) -> tuple[int, ...]:
    """Return the numbers of all layers but the first ``share`` of them."""
    return tuple(layer.index for layer in layers[round(share * len(layers)) :])


def _standing_for(chosen: Iterable[int], of: int, among: Sequence[int]) -> list[int]:
    """Return which layers stand for the chosen ones of ``of``, by half of each or more."""
    chosen, depth = set(chosen), len(among)
    stands_for: list[list[bool]] = [[] for _ in among]
    for layer in range(of if among else 0):
        stands_for[min(layer * depth // of, depth - 1)].append(layer in chosen)
    return [
        layer
        for layer, votes in zip(among, stands_for, strict=True)
        if votes and 2 * sum(votes) >= len(votes)
    ]
