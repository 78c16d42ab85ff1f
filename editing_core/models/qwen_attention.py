"""Attention layers of Qwen-Image: joint ones alone, rotated by complex numbers.

The processor follows diffusers' own (`QwenDoubleStreamAttnProcessor2_0`) and equals it where a hook
only attends.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from editing_core.models.base import AttentionLayer
from editing_core.models.hooked_attention import HookedLayer, HookedProcessor, TokenLayout

Rotary = tuple[Tensor, Tensor]
"""Complex numbers that turn image and text. Shape of each: (tokens, head size / 2)."""


def layers_of(transformer: Any, layout: TokenLayout) -> list[AttentionLayer]:
    """Return the layers of a transformer, as they are called."""
    blocks = transformer.transformer_blocks
    last = max(len(blocks) - 1, 1)
    return [
        HookedLayer(
            block.attn,
            index,
            index / last,
            "joint",
            layout,
            block.attn.inner_dim // block.attn.heads,
            QwenProcessor,
        )
        for index, block in enumerate(blocks)
    ]


class QwenProcessor(HookedProcessor):
    """Attention of text and image with weights of their own."""

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # it changes from step to step
    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        encoder_hidden_states_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        image_rotary_emb: Rotary | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Attend; get image and text, (1, L, D) and (1, T, D), and return both."""
        size = self.layer.head_size

        def heads(x: Tensor) -> Tensor:
            split: Tensor = x.unflatten(-1, (-1, size))
            return split

        image, text = hidden_states, encoder_hidden_states
        of_image, of_text = image_rotary_emb or (None, None)
        query = attn.norm_q(heads(attn.to_q(image)))
        key = attn.norm_k(heads(attn.to_k(image)))
        text_query = attn.norm_added_q(heads(attn.add_q_proj(text)))
        text_key = attn.norm_added_k(heads(attn.add_k_proj(text)))
        joint = (
            torch.cat([turned(text_query, of_text), turned(query, of_image)], dim=1),
            torch.cat([turned(text_key, of_text), turned(key, of_image)], dim=1),
            torch.cat([heads(attn.add_v_proj(text)), heads(attn.to_v(image))], dim=1),
        )
        mixed = self.attended(joint, attention_mask)
        tokens = text.shape[1]
        out = attn.to_out[1](attn.to_out[0](mixed[:, tokens:].contiguous()))
        return out, attn.to_add_out(mixed[:, :tokens].contiguous())


def turned(x: Tensor, by: Tensor | None) -> Tensor:
    """Turn pairs of neighbouring numbers by complex ones; None turns nothing.

    Args:
        x: Shape: (1, tokens, heads, size).
        by: Shape: (tokens, size / 2).
    """
    if by is None:
        return x
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * by[:, None]).flatten(-2).type_as(x)
