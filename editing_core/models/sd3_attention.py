"""Attention layers of Stable Diffusion 3.5: joint ones, in which the text stands behind the image.

The processor follows diffusers' own (`JointAttnProcessor2_0`) and equals it where a hook only
attends. The medium model's second attention, of the image alone, is left to diffusers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from editing_core.models.base import AttentionLayer
from editing_core.models.hooked_attention import (
    TextLastProcessor,
    TokenLayout,
    hooked_layers,
    projected,
)


def layers_of(transformer: Any, layout: TokenLayout) -> list[AttentionLayer]:
    """Return the layers of a transformer, as they are called."""
    blocks = [(block, block.attn) for block in transformer.transformer_blocks]
    return hooked_layers(
        [
            (block, attn, "joint", attn.inner_dim // attn.heads, SD3Processor)
            for block, attn in blocks
        ],
        layout,
    )


class SD3Processor(TextLastProcessor):
    """Attention of image and text with weights of their own; places are in the tokens already."""

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # it changes from step to step
    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Attend; get image and text, (1, L, D) and (1, T, D), and return both."""
        text = encoder_hidden_states
        joint = projected(attn, hidden_states, text, self.layer.head_size)
        mixed = self.attended(joint, attention_mask)
        tokens = text.shape[1]
        out = attn.to_out[1](attn.to_out[0](mixed[:, tokens:].contiguous()))
        said = mixed[:, :tokens].contiguous()
        return out, said if attn.context_pre_only else attn.to_add_out(said)
