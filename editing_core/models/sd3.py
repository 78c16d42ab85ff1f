"""Stable Diffusion 3.5 (Stability AI 2024): two CLIPs read the prompt, and behind them T5."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from editing_core.models.base import AttentionLayer, Tensors, TextEmbedding
from editing_core.models.canvas import Canvas, pack, unpack
from editing_core.models.guided_model import GuidedModel
from editing_core.models.hooked_attention import (
    TextLastProcessor,
    projected,
    uniform_layers,
)
from editing_core.models.layouts import LAYOUTS
from editing_core.models.loader import LoadSpec
from editing_core.models.offers import SD35, SD35_TURBO
from editing_core.models.schedule import Schedule, times_to_least

PUBLISHED: Schedule = {"shift": 3.0}
"""The schedule of the published model, the same for all pictures."""
T5_TEXT = LAYOUTS["SD3Transformer2DModel"].longest_text


class StableDiffusion3(GuidedModel):
    """A Stable Diffusion 3.5. See ``Model``."""

    family = SD35

    def __init__(
        self,
        *,
        transformer: Any,
        vae: Any,
        text_encoder: Any,
        text_encoder_2: Any,
        text_encoder_3: Any,
        tokenizer: Any,
        tokenizer_2: Any,
        tokenizer_3: Any,
        name: str,
        held: LoadSpec | None = None,
    ) -> None:
        """Take the parts of a ``StableDiffusion3Pipeline``; ``held`` says how they were loaded."""
        self.text_encoder: Any
        self.text_encoder_2: Any
        self.text_encoder_3: Any
        self.tokenizer = tokenizer  # of CLIP ViT-L/14
        self.tokenizer_2 = tokenizer_2  # of OpenCLIP ViT-bigG/14
        self.tokenizer_3 = tokenizer_3  # of T5
        models = {
            "transformer": transformer,
            "vae": vae,
            "text_encoder": text_encoder,
            "text_encoder_2": text_encoder_2,
            "text_encoder_3": text_encoder_3,
        }
        super().__init__(models, name=name, held=held)

    @property
    def text_length(self) -> int:
        """Tokens of both CLIPs, side by side, and behind them T5's."""
        return int(self.tokenizer.model_max_length) + self._t5_length

    @property
    def _t5_length(self) -> int:
        return min(int(self.tokenizer_3.model_max_length), T5_TEXT)

    @property
    def channels(self) -> int:
        """Numbers a packed image token holds (64)."""
        return 4 * int(self.transformer.config.in_channels)

    @torch.no_grad()
    def _encoded(self, prompt: str) -> Tensors:
        """Encode as ``StableDiffusion3Pipeline`` does.

        Offsets are those of T5's tokens: CLIP's, which read the same words, stand for none here.
        """
        clips = [
            self._clip(prompt, self.tokenizer, self.text_encoder),
            self._clip(prompt, self.tokenizer_2, self.text_encoder_2),
        ]
        pieces = self.tokenizer_3(
            prompt,
            padding="max_length",
            max_length=self._t5_length,
            truncation=True,
            return_tensors="pt",
            return_offsets_mapping=True,
        )
        t5: Tensor = self.text_encoder_3(pieces.input_ids.to(self.device))[0]
        clip = torch.cat([states for states, _ in clips], dim=-1)
        clip = F.pad(clip, (0, t5.shape[-1] - clip.shape[-1]))
        none = torch.zeros(clip.shape[1], 2, dtype=pieces.offset_mapping.dtype)
        return {
            "embeds": torch.cat([clip, t5], dim=1),
            "pooled": torch.cat([summary for _, summary in clips], dim=-1),
            "offsets": torch.cat([none, pieces.offset_mapping[0]]),
        }

    def _clip(self, prompt: str, tokenizer: Any, encoder: Any) -> tuple[Tensor, Tensor]:
        """Return the states of the last layer but one, and a summary."""
        pieces = tokenizer(
            prompt,
            padding="max_length",
            max_length=int(self.tokenizer.model_max_length),
            truncation=True,
            return_tensors="pt",
        )
        read = encoder(pieces.input_ids.to(self.device), output_hidden_states=True)
        return read.hidden_states[-2], read.text_embeds

    def times(self, steps: int, canvas: Canvas) -> Tensor:
        """Times from 1 (noise) to 0, the last step a small one. See ``Model.times``."""
        return times_to_least(self.schedule(PUBLISHED), steps, canvas.tokens)

    def _call(self, tokens: Tensor, t: float, text: TextEmbedding, canvas: Canvas) -> Tensor:
        assert text.pooled is not None
        self.forwards += 1
        v: Tensor = self.transformer(
            hidden_states=unpack(tokens, canvas),
            timestep=torch.full((1,), 1000 * t, device=self.device),
            encoder_hidden_states=text.embeds.to(self.dtype),
            pooled_projections=text.pooled.to(self.dtype),
            return_dict=False,
        )[0]
        return pack(v)

    def _layers(self) -> list[AttentionLayer]:
        blocks = [(block, block.attn) for block in self.transformer.transformer_blocks]
        return uniform_layers(blocks, "joint", SD3Processor, self._layout)


class StableDiffusion3Turbo(StableDiffusion3):
    """A Stable Diffusion 3.5 that was distilled to a few steps without guidance."""

    family = SD35_TURBO


class SD3Processor(TextLastProcessor):
    """Attention of image and text with weights of their own; places are in the tokens already.

    It follows diffusers' own (`JointAttnProcessor2_0`) and equals it where a hook only attends. The
    medium model's second attention, of the image alone, is left to diffusers.
    """

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
