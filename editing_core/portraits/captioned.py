"""What both editions of the portraits' model train: a transformer with its text encoders."""

from __future__ import annotations

import random
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from editing_core.portraits.captions import caption
from editing_core.portraits.model import TEXT_LENGTH, Parts

UNCAPTIONED = 0.1  # share of pictures without caption, for guidance
CANONICAL = 0.5  # share of the others whose caption is complete, in the words that a chat uses


class Captioned(nn.Module):
    """The transformer with its two text encoders, trained together."""

    def __init__(self, parts: Parts) -> None:
        """Wrap the parts; the tokenizers pad as the stock pipeline does."""
        super().__init__()
        self.transformer = parts.transformer
        self.clip, self.t5 = parts.text_encoder, parts.text_encoder_2
        self._tokenizers = (parts.tokenizer, parts.tokenizer_2)

    def text(self, captions: list[str]) -> tuple[Tensor, Tensor]:
        """T5 embeddings (B, TEXT_LENGTH, width) and CLIP's pooled embedding (B, pooled)."""
        clip_ids, t5_ids = (
            tokenizer(
                captions,
                padding="max_length",
                max_length=TEXT_LENGTH,
                truncation=True,
                return_tensors="pt",
            ).input_ids.to(self.transformer.device)
            for tokenizer in self._tokenizers
        )
        return self.t5(t5_ids)[0], self.clip(clip_ids).pooler_output

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        text: tuple[Tensor, Tensor],
        guidance: Tensor,
        grid: tuple[int, int],
    ) -> Tensor:
        """Velocity (B, L, channels) at times t (B,) in [0, 1].

        Args:
            x: Packed latents. Shape: (B, rows * columns, channels).
            t: Times, 1 is noise. Shape: (B,).
            text: What `text` returned.
            guidance: Its strength. Shape: (B,).
            grid: Rows and columns of tokens.
        """
        places = torch.zeros(*grid, 3)
        places[..., 1] += torch.arange(grid[0])[:, None]
        places[..., 2] += torch.arange(grid[1])
        velocity: Tensor = self.transformer(
            hidden_states=x,
            timestep=t,
            guidance=guidance,
            encoder_hidden_states=text[0],
            pooled_projections=text[1],
            img_ids=places.reshape(-1, 3),
            txt_ids=torch.zeros(text[0].shape[1], 3),
            return_dict=False,
        )[0]
        return velocity

    @torch.no_grad()
    def guided(
        self, x: Tensor, t: Tensor, captions: list[str], guidance: Tensor, grid: tuple[int, int]
    ) -> Tensor:
        """The velocity by classifier-free guidance (Ho and Salimans 2022), two calls."""
        one = torch.ones(len(x))
        without = self(x, t, self.text([""] * len(x)), one, grid)
        given = self(x, t, self.text(captions), one, grid)
        velocity: Tensor = without + guidance[:, None, None] * (given - without)
        return velocity


def training_caption(attributes: Mapping[str, str], rng: random.Random) -> str:
    """A caption as a chat writes it, or as people might; now and then none."""
    if rng.random() < UNCAPTIONED:
        return ""
    if rng.random() < CANONICAL:
        return caption(attributes)
    return caption(attributes, rng, rng.choice((1.0, rng.uniform(0.3, 1))))
