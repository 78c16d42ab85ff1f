"""FLUX.1 (Black Forest Labs 2024) and Kontext (2025): T5 and CLIP read, guidance is an input."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from editing_core.models.base import Tensors, TextEmbedding, VelocityCall
from editing_core.models.canvas import Canvas
from editing_core.models.diffusers_model import LONGEST_TEXT, DiffusersModel
from editing_core.models.loader import LoadSpec
from editing_core.models.offers import FLUX1, KONTEXT


class Flux1(DiffusersModel):
    """A guidance-distilled FLUX.1. See ``Model``."""

    family = FLUX1

    def __init__(
        self,
        *,
        transformer: Any,
        vae: Any,
        text_encoder: Any,
        text_encoder_2: Any,
        tokenizer: Any,
        tokenizer_2: Any,
        name: str,
        held: LoadSpec | None = None,
    ) -> None:
        """Take the parts of a ``FluxPipeline``; ``held`` says how they were loaded."""
        self.text_encoder: Any
        self.text_encoder_2: Any
        self.tokenizer = tokenizer  # CLIP's
        self.tokenizer_2 = tokenizer_2  # T5's
        models = {
            "transformer": transformer,
            "vae": vae,
            "text_encoder": text_encoder,
            "text_encoder_2": text_encoder_2,
        }
        super().__init__(models, name=name, held=held)

    @property
    def text_length(self) -> int:
        """T5 tokens a prompt is padded to."""
        return min(int(self.tokenizer_2.model_max_length), LONGEST_TEXT)

    @torch.no_grad()
    def _encoded(self, prompt: str) -> Tensors:
        """Encode as ``FluxPipeline`` does; padding is not masked, also as there."""

        def tokens(tokenizer: Any, length: int, **more: bool) -> Any:
            return tokenizer(
                prompt,
                padding="max_length",
                max_length=length,
                truncation=True,
                return_tensors="pt",
                **more,
            )

        pieces = tokens(self.tokenizer_2, self.text_length, return_offsets_mapping=True)
        summary = tokens(self.tokenizer, int(self.tokenizer.model_max_length))
        return {
            "embeds": self.text_encoder_2(pieces.input_ids.to(self.device))[0],
            "pooled": self.text_encoder(summary.input_ids.to(self.device)).pooler_output,
            "offsets": pieces.offset_mapping[0],
        }

    def _shift(self, steps: int, canvas: Canvas) -> float:
        """On the line through (256 tokens, 0.5) and (4096 tokens, 1.15), also beyond its ends."""
        return 0.5 + (1.15 - 0.5) * (canvas.tokens - 256) / (4096 - 256)

    def _guided(
        self, tokens: Tensor, t: float, text: TextEmbedding, guidance: float, canvas: Canvas
    ) -> Tensor:
        return self._called([VelocityCall(tokens, t, text, guidance, canvas)])

    def velocities(self, calls: Sequence[VelocityCall]) -> list[Tensor]:
        """Answer several calls by one of the network, each at a time of its own.

        Args:
            calls: Of one shape and canvas, without references.

        Returns:
            The velocity of each. Shape: (1, L, C), float32.
        """
        self._layout.text, self._layout.references = calls[0].text.embeds.shape[1], 0
        return list(self._called(calls).float().split(1))

    def _called(self, calls: Sequence[VelocityCall]) -> Tensor:
        first = calls[0]
        self.forwards += 1
        tokens = torch.cat([call.x for call in calls]).to(self.dtype)
        scales = [call.guidance for call in calls]
        guided = self.transformer.config.guidance_embeds
        v: Tensor = self.transformer(
            hidden_states=tokens,
            timestep=torch.tensor([call.t for call in calls], device=self.device),
            guidance=torch.tensor(scales, device=self.device) if guided else None,
            encoder_hidden_states=torch.cat([call.text.embeds for call in calls]).to(self.dtype),
            pooled_projections=_pooled(calls).to(self.dtype),
            txt_ids=torch.zeros(first.text.embeds.shape[1], 3, device=self.device),
            img_ids=_positions(first.canvas, tokens.shape[1] // first.canvas.tokens, self.device),
            return_dict=False,
        )[0]
        return v


class Kontext(Flux1):
    """FLUX.1 Kontext, which looks at the picture to edit. Its network is FLUX.1's."""

    family = KONTEXT


def _pooled(calls: Sequence[VelocityCall]) -> Tensor:
    """Return the summaries of all texts: (B, P)."""
    return torch.cat([call.text.pooled for call in calls if call.text.pooled is not None])


@lru_cache(8)
def _positions(canvas: Canvas, pictures: int, device: torch.device) -> Tensor:
    """Places (0, row, col) of the picture's tokens, then (1, row, col) of the other's: (P L, 3)."""
    rows, cols = torch.arange(canvas.rows), torch.arange(canvas.cols)
    return torch.cartesian_prod(torch.arange(pictures), rows, cols).float().to(device)
