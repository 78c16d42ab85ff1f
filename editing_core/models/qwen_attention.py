"""Attention layers of Qwen-Image: joint ones alone, rotated by complex numbers.

The processor follows diffusers' own (`QwenDoubleStreamAttnProcessor2_0`) and equals it where a hook
only attends.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from editing_core.models.base import AttentionLayer
from editing_core.models.hooked_attention import (
    HookedProcessor,
    TokenLayout,
    hooked_layers,
    projected,
)

Rotary = tuple[Tensor, Tensor]
"""Complex numbers that turn image and text. Shape of each: (tokens, head size / 2)."""


def layers_of(transformer: Any, layout: TokenLayout) -> list[AttentionLayer]:
    """Return the layers of a transformer, as they are called."""
    blocks = [(block, block.attn) for block in transformer.transformer_blocks]
    return hooked_layers(
        [
            (block, attn, "joint", attn.inner_dim // attn.heads, QwenProcessor)
            for block, attn in blocks
        ],
        layout,
    )


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
        text = encoder_hidden_states
        query, key, value = projected(attn, hidden_states, text, self.layer.head_size)
        if image_rotary_emb is not None:
            of_image, of_text = image_rotary_emb
            by = torch.cat([of_text, of_image])
            query, key = turned(query, by), turned(key, by)
        mixed = self.attended((query, key, value), attention_mask)
        tokens = text.shape[1]
        out = attn.to_out[1](attn.to_out[0](mixed[:, tokens:].contiguous()))
        return out, attn.to_add_out(mixed[:, :tokens].contiguous())


def turned(x: Tensor, by: Tensor) -> Tensor:
    """Turn pairs of neighbouring numbers by complex ones.

    Args:
        x: Shape: (1, tokens, heads, size).
        by: Shape: (tokens, size / 2).
    """
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * by[:, None]).flatten(-2).type_as(x)
