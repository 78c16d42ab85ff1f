"""Attention layers of Z-Image: single ones alone, in which the text stands behind the image.

The processor follows diffusers' own (`ZSingleStreamAttnProcessor`) and equals it where a hook only
attends.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from editing_core.models.base import AttentionLayer
from editing_core.models.hooked_attention import TextLastProcessor, TokenLayout, hooked_layers
from editing_core.models.qwen_attention import turned

MULTIPLE = 32  # text and image are each filled up to so many tokens, or twice ...


def padded(tokens: int) -> int:
    """Return how many tokens the network makes of so many, by filling up."""
    return -(-tokens // MULTIPLE) * MULTIPLE


def layers_of(transformer: Any, layout: TokenLayout) -> list[AttentionLayer]:
    """Return the layers in which text and image meet, as they are called."""
    blocks = [(block, block.attention) for block in transformer.layers]
    return hooked_layers(
        [
            (block, attn, "single", attn.inner_dim // attn.heads, ZImageProcessor)
            for block, attn in blocks
        ],
        layout,
    )


class ZImageProcessor(TextLastProcessor):
    """Attention of one stream of tokens: image, its filling, text with its own.

    Hooks get text, image and the image's filling.
    """

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # it changes from step to step
    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        freqs_cis: Tensor | None = None,
    ) -> Tensor:
        """Attend. Shape: (1, tokens, D), like ``hidden_states``."""
        size = self.layer.head_size
        query, key, value = (
            project(hidden_states).unflatten(-1, (-1, size))
            for project in (attn.to_q, attn.to_k, attn.to_v)
        )
        query, key = attn.norm_q(query), attn.norm_k(key)
        if freqs_cis is not None:
            query, key = turned(query, freqs_cis[0]), turned(key, freqs_cis[0])
        front = self.text_first
        mixed = self.attended((front(query), front(key), front(value)), attention_mask)
        made: Tensor = attn.to_out[0](self.text_last(mixed))
        return made
