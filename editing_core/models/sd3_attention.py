"""Attention layers of Stable Diffusion 3.5: joint ones, in which the text stands behind the image.

The processor follows diffusers' own (`JointAttnProcessor2_0`) and equals it where a hook only
attends. The medium model's second attention, of the image alone, is left to diffusers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from editing_core.models.base import AttentionLayer
from editing_core.models.hooked_attention import HookedLayer, TextLastProcessor, TokenLayout


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
            SD3Processor,
        )
        for index, block in enumerate(blocks)
    ]


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
        size = self.layer.head_size

        def heads(x: Tensor) -> Tensor:
            split: Tensor = x.unflatten(-1, (-1, size))
            return split

        image, text = hidden_states, encoder_hidden_states
        query = attn.norm_q(heads(attn.to_q(image)))
        key = attn.norm_k(heads(attn.to_k(image)))
        joint = (
            torch.cat([attn.norm_added_q(heads(attn.add_q_proj(text))), query], dim=1),
            torch.cat([attn.norm_added_k(heads(attn.add_k_proj(text))), key], dim=1),
            torch.cat([heads(attn.add_v_proj(text)), heads(attn.to_v(image))], dim=1),
        )
        mixed = self.attended(joint, attention_mask)
        tokens = text.shape[1]
        out = attn.to_out[1](attn.to_out[0](mixed[:, tokens:].contiguous()))
        said = mixed[:, :tokens].contiguous()
        return out, said if attn.context_pre_only else attn.to_add_out(said)
