"""FLUX.2 klein (Black Forest Labs 2026): Qwen3 reads the prompt, other pictures can be shown."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from editing_core.models.base import Tensors, TextEmbedding
from editing_core.models.canvas import Canvas, pack, unpack
from editing_core.models.diffusers_model import LONGEST_TEXT
from editing_core.models.guided_model import SingleTextModel, within
from editing_core.models.offers import FLUX2, FLUX2_DISTILLED

TEXT_LAYERS = (9, 18, 27)
"""Layers of Qwen3-4B whose states, side by side, are the text."""
REFERENCE_TIME = 10  # places on the time axis from one reference picture to the next


class Flux2(SingleTextModel):
    """A FLUX.2 klein, before its distillation to four steps. See ``Model``."""

    family = FLUX2

    def __init__(self, *, text_layers: tuple[int, ...] = TEXT_LAYERS, **parts: Any) -> None:
        """Take the parts of a ``Flux2KleinPipeline``, and which layers' states are the text."""
        self.text_layers = text_layers
        super().__init__(**parts)

    @property
    def text_length(self) -> int:
        """Tokens that a prompt, with the template around it, is padded to."""
        return min(int(self.tokenizer.model_max_length), LONGEST_TEXT)

    @torch.no_grad()
    def _encoded(self, prompt: str) -> Tensors:
        """Encode as ``Flux2KleinPipeline`` does, within the chat template of Qwen3."""
        chat: str = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,
        )
        pieces = self.tokenizer(
            chat,
            padding="max_length",
            max_length=self.text_length,
            truncation=True,
            return_tensors="pt",
            return_offsets_mapping=True,
        )
        states = self._states(pieces)
        embeds = torch.cat([states[layer] for layer in self.text_layers], dim=-1)
        begin = chat.find(prompt) if prompt else len(chat)
        return {"embeds": embeds, "offsets": within(pieces.offset_mapping[0], begin, len(prompt))}

    def _normalised(self, latents: Tensor) -> Tensor:
        mean, deviation = self._statistics
        return (pack(latents) - mean) / deviation

    def _denormalised(self, x: Tensor, canvas: Canvas) -> Tensor:
        mean, deviation = self._statistics
        return unpack(x * deviation + mean, canvas)

    @property
    def _statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of each channel of a token, as the VAE knows them. Shape: (C,)."""
        norm = self.vae.bn
        return norm.running_mean, (norm.running_var + self.vae.config.batch_norm_eps).sqrt()

    def _shift(self, steps: int, canvas: Canvas) -> float:
        """The pipeline's fit: by tokens, and for pictures up to 4300 tokens by steps as well."""
        at_200 = 0.00016927 * canvas.tokens + 0.45666666
        if canvas.tokens > 4300:
            return at_200
        at_10 = 8.73809524e-05 * canvas.tokens + 1.89833333
        slope = (at_200 - at_10) / 190
        return slope * (steps - 200) + at_200

    def _call(self, tokens: Tensor, t: float, text: TextEmbedding, canvas: Canvas) -> Tensor:
        self.forwards += 1
        v: Tensor = self.transformer(
            hidden_states=tokens,
            timestep=torch.full((1,), t, device=self.device),
            guidance=None,
            encoder_hidden_states=text.embeds.to(self.dtype),
            txt_ids=_text_positions(text.embeds.shape[1], self.device),
            img_ids=_positions(canvas, tokens.shape[1] // canvas.tokens, self.device),
            return_dict=False,
        )[0]
        return v


class DistilledFlux2(Flux2):
    """A FLUX.2 klein that was distilled to four steps, and so to one guidance."""

    family = FLUX2_DISTILLED


@lru_cache(8)
def _text_positions(tokens: int, device: torch.device) -> Tensor:
    """Places of text tokens, on the last of four axes. Shape: (T, 4)."""
    places = torch.zeros(tokens, 4)
    places[:, 3] = torch.arange(tokens)
    return places.to(device)


@lru_cache(8)
def _positions(canvas: Canvas, pictures: int, device: torch.device) -> Tensor:
    """Places (time, row, col, 0) of the picture's tokens, then of each reference's. (P L, 4)."""
    times = REFERENCE_TIME * torch.arange(pictures)
    rows, cols = torch.arange(canvas.rows), torch.arange(canvas.cols)
    return torch.cartesian_prod(times, rows, cols, torch.arange(1)).to(device)
