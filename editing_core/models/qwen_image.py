"""Qwen-Image (Alibaba 2025): Qwen2.5-VL reads the prompt, guidance keeps the velocity's length."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from editing_core.models.base import AttentionLayer, Tensors, TextEmbedding
from editing_core.models.canvas import Canvas, pack, unpack
from editing_core.models.guided_model import SingleTextModel, within
from editing_core.models.hooked_attention import (
    HookedProcessor,
    projected,
    turned,
    uniform_layers,
)
from editing_core.models.layouts import LAYOUTS
from editing_core.models.offers import QWEN_IMAGE
from editing_core.models.schedule import times_by

TEMPLATE = (
    "<|im_start|>system\nDescribe the image by detailing the color, shape, size, texture, quantity,"
    " text, spatial relationships of the objects and background:<|im_end|>\n"
    "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
)
PREFIX = 34  # tokens of the template before the prompt, which the transformer does not see
PUBLISHED = {
    "use_dynamic_shifting": True,
    "base_image_seq_len": 256,
    "max_image_seq_len": 8192,
    "base_shift": 0.5,
    "max_shift": 0.9,
    "shift_terminal": 0.02,
}
"""The schedule of the published model."""


class QwenImage(SingleTextModel):
    """A Qwen-Image. See ``Model``."""

    family = QWEN_IMAGE
    nothing = " "

    @property
    def text_length(self) -> int:
        """Tokens that a prompt may have; nothing is padded."""
        return LAYOUTS["QwenImageTransformer2DModel"].longest_text

    @torch.no_grad()
    def _encoded(self, prompt: str) -> Tensors:
        """Encode as ``QwenImagePipeline`` does, without the template's beginning."""
        pieces = self.tokenizer(
            TEMPLATE.format(prompt),
            max_length=self.text_length + PREFIX,
            truncation=True,
            return_tensors="pt",
            return_offsets_mapping=True,
        )
        states = self._states(pieces)[-1]
        offsets = within(pieces.offset_mapping[0], TEMPLATE.index("{}"), len(prompt))
        return {"embeds": states[:, PREFIX:], "offsets": offsets[PREFIX:]}

    # Pictures: the VAE is one of videos, here of one frame

    @property
    def _halvings(self) -> int:
        return len(self.vae.config.temperal_downsample)

    def _posterior_mean(self, pixels: Tensor) -> Tensor:
        mean: Tensor = self.vae.encode(pixels[:, :, None]).latent_dist.mean
        return mean[:, :, 0]

    def _pixels(self, latents: Tensor) -> Tensor:
        frames: Tensor = self.vae.decode(latents[:, :, None]).sample
        return frames[:, :, 0]

    def _normalised(self, latents: Tensor) -> Tensor:
        mean, deviation = self._statistics
        return pack((latents - mean) / deviation)

    def _denormalised(self, x: Tensor, canvas: Canvas) -> Tensor:
        mean, deviation = self._statistics
        return unpack(x, canvas) * deviation + mean

    @property
    def _statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of each channel of the latents. Shape: (c, 1, 1)."""
        config = self.vae.config
        mean, deviation = (
            torch.tensor(values, device=self.device).view(-1, 1, 1)
            for values in (config.latents_mean, config.latents_std)
        )
        return mean, deviation

    # The flow

    def times(self, steps: int, canvas: Canvas) -> Tensor:
        """Times from 1 (noise) to 0, the last but one 0.02. See ``Model.times``."""
        return times_by(self.schedule(PUBLISHED), steps, canvas.tokens)

    def _call(self, tokens: Tensor, t: float, text: TextEmbedding, canvas: Canvas) -> Tensor:
        self.forwards += 1
        v: Tensor = self.transformer(
            hidden_states=tokens,
            timestep=torch.full((1,), t, device=self.device),
            encoder_hidden_states=text.embeds.to(self.dtype),
            img_shapes=[[(1, canvas.rows, canvas.cols)] * (tokens.shape[1] // canvas.tokens)],
            return_dict=False,
        )[0]
        return v

    def _combined(self, v: Tensor, away: Tensor, guidance: float) -> Tensor:
        """Lead away, and give each token the length that it has without."""
        led = super()._combined(v, away, guidance)
        length: Tensor = v.norm(dim=-1, keepdim=True) / led.norm(dim=-1, keepdim=True)
        return led * length

    def _layers(self) -> list[AttentionLayer]:
        blocks = [(block, block.attn) for block in self.transformer.transformer_blocks]
        return uniform_layers(blocks, "joint", QwenProcessor, self._layout)


Rotary = tuple[Tensor, Tensor]
"""Complex numbers that turn image and text. Shape of each: (tokens, head size / 2)."""


class QwenProcessor(HookedProcessor):
    """Attention of text and image with weights of their own, rotated by complex numbers.

    It follows diffusers' own (`QwenDoubleStreamAttnProcessor2_0`) and equals it where a hook only
    attends.
    """

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
