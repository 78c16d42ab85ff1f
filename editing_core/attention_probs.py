"""Columns of the attention matrix from its logarithmic norms: neither the matrix nor a second pass.

Fused attention leaves behind log(sum(exp(scores))) of every query. With it the attention paid to a
few keys is exp(score - norm) of just those, which costs as much as they are few.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from editing_core.models.base import AttentionCall

ATEN = torch.ops.aten
ColumnProbs = Callable[[Tensor], Tensor]
"""How much each query attends to the keys of these indices, (n,), which lie on the same device.
Shape: (1, heads, queries, n), float32."""


def attend_with_probs(call: AttentionCall) -> tuple[Tensor, ColumnProbs]:
    """Attend, and return what tells the attention that the image's queries pay to chosen keys.

    Where the backend tells no norms, or a mask hides keys, chosen keys cost another pass.

    Returns:
        What was attended to, of the shape of ``call.query``, and what tells of the image's queries.
    """
    query, key, value = call.query, call.key, call.value
    if call.mask is None and (known := _with_norms(query, key, value)):
        mixed, norms = known

        def from_norms(columns: Tensor) -> Tensor:
            few = key[:, columns]
            scores = torch.einsum("bqhd,bkhd->bhqk", query[:, call.image], few).float()
            scale = query.shape[-1] ** -0.5
            return scores.mul_(scale).sub_(norms[:, :, call.image, None]).exp_()

        return mixed, from_norms

    def from_marks(columns: Tensor) -> Tensor:
        """Attention to values that are 1 in a channel of their own; as many fit as a head has."""
        seen = []
        for some in columns.split(value.shape[-1]):
            marked = torch.zeros_like(value)
            marked[:, some, :, torch.arange(len(some), device=some.device)] = 1
            seen.append(call.attend(query, key, marked)[:, call.image, :, : len(some)])
        return torch.cat(seen, -1).transpose(1, 2).float()

    return call.attend(query, key, value), from_marks


def _with_norms(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor] | None:
    """Attend and keep the norms (1, heads, queries); None where fused attention has none."""
    q, k, v = (x.transpose(1, 2) for x in (query, key, value))
    if q.device.type == "cpu":
        mixed, norms = ATEN._scaled_dot_product_flash_attention_for_cpu(q, k, v)
    elif q.device.type == "cuda" and q.dtype in (torch.bfloat16, torch.float16):
        mixed, norms = ATEN._scaled_dot_product_flash_attention(q, k, v)[:2]
    elif q.device.type == "cuda":
        mixed, norms = ATEN._scaled_dot_product_efficient_attention(q, k, v, None, True)[:2]
    else:
        return None
    return mixed.transpose(1, 2), norms[:, :, : query.shape[1]]
