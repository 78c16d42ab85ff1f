"""Attention layers of FLUX.1 and FLUX.2 behind one interface.

The processors here follow diffusers' own (`FluxAttnProcessor`, `Flux2AttnProcessor`,
`Flux2ParallelSelfAttnProcessor`) and equal them where a hook only attends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from editing_core.models.base import AttentionLayer, Stream
from editing_core.models.diffusers_internals import apply_rotary_emb, qkv_projections
from editing_core.models.hooked_attention import QKV, HookedProcessor, TokenLayout, hooked_layers

Rotary = tuple[Tensor, Tensor]
"""Cosines and sines of rotary position embeddings."""


def layers_of(transformer: Any, layout: TokenLayout) -> Sequence[AttentionLayer]:
    """Return the layers of a transformer, joint ones before single ones, as they are called."""
    blocks: list[tuple[Any, Stream]] = [
        *((block, "joint") for block in transformer.transformer_blocks),
        *((block, "single") for block in transformer.single_transformer_blocks),
    ]
    return hooked_layers(
        [
            (block, block.attn, stream, int(block.attn.head_dim), _processor_of(block.attn))
            for block, stream in blocks
        ],
        layout,
    )


def _processor_of(attn: Any) -> type[HookedProcessor]:
    return FusedProcessor if hasattr(attn, "to_qkv_mlp_proj") else JointProcessor


class JointProcessor(HookedProcessor):
    """Attention whose projections stand alone: joint layers, and FLUX.1's single ones."""

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # it changes from step to step
    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        image_rotary_emb: Rotary | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Attend; joint layers get image and text, (1, L, D) and (1, T, D), and return both."""
        qkv = joint_qkv(attn, hidden_states, encoder_hidden_states, image_rotary_emb)
        mixed = self.attended(qkv, attention_mask)
        if encoder_hidden_states is None:
            return mixed
        text = encoder_hidden_states.shape[1]
        image = attn.to_out[1](attn.to_out[0](mixed[:, text:].contiguous()))
        return image, attn.to_add_out(mixed[:, :text].contiguous())


class FusedProcessor(HookedProcessor):
    """Attention whose projections are one matrix with the MLP's: FLUX.2's single layers."""

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # it changes from step to step
    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        image_rotary_emb: Rotary | None = None,
    ) -> Tensor:
        """Attend, and run the MLP beside it. Shape: (1, T + L, D), like ``hidden_states``."""
        widths = [3 * attn.inner_dim, attn.mlp_hidden_dim * attn.mlp_mult_factor]
        projected, mlp = attn.to_qkv_mlp_proj(hidden_states).split(widths, dim=-1)
        query, key, value = (x.unflatten(-1, (-1, attn.head_dim)) for x in projected.chunk(3, -1))
        query, key = _rotated(attn.norm_q(query), attn.norm_k(key), image_rotary_emb)
        mixed = self.attended((query, key, value), attention_mask)
        made: Tensor = attn.to_out(torch.cat([mixed, attn.mlp_act_fn(mlp)], dim=-1))
        return made


def joint_qkv(attn: Any, image: Tensor, text: Tensor | None, rotary: Rotary | None) -> QKV:
    """Queries, keys and values of text and image. Shape of each: (1, T + L, heads, head size).

    Single-stream layers hand over both as one ``image``, without ``text``.
    """
    projected = qkv_projections(attn, image, text)
    query, key, value = (x.unflatten(-1, (-1, attn.head_dim)) for x in projected[:3])
    query, key = attn.norm_q(query), attn.norm_k(key)
    if text is not None:
        of_text = (x.unflatten(-1, (-1, attn.head_dim)) for x in projected[3:])
        text_query, text_key, text_value = of_text
        query = torch.cat([attn.norm_added_q(text_query), query], dim=1)
        key = torch.cat([attn.norm_added_k(text_key), key], dim=1)
        value = torch.cat([text_value, value], dim=1)
    return (*_rotated(query, key, rotary), value)


def _rotated(query: Tensor, key: Tensor, rotary: Rotary | None) -> tuple[Tensor, Tensor]:
    if rotary is None:
        return query, key
    return (
        apply_rotary_emb(query, rotary, sequence_dim=1),
        apply_rotary_emb(key, rotary, sequence_dim=1),
    )
