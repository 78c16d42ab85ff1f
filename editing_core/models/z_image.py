"""Z-Image (Alibaba 2025): Qwen3 reads the prompt, text and image share one stream of tokens."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from editing_core.models.base import AttentionLayer, Tensors, TextEmbedding
from editing_core.models.canvas import Canvas, pack, unpack
from editing_core.models.diffusers_model import LONGEST_TEXT
from editing_core.models.guided_model import SingleTextModel, within
from editing_core.models.hooked_attention import (
    TextLastProcessor,
    turned,
    uniform_layers,
)
from editing_core.models.offers import Z_IMAGE, Z_IMAGE_TURBO
from editing_core.models.schedule import Schedule, times_by

PUBLISHED: Schedule = {"shift": 6.0}
"""The schedule of the published model, the same for all pictures."""


class ZImage(SingleTextModel):
    """A Z-Image. See ``Model``."""

    family = Z_IMAGE

    @property
    def text_length(self) -> int:
        """Tokens that a prompt, with the template around it, may have; nothing is padded."""
        return min(int(self.tokenizer.model_max_length), LONGEST_TEXT)

    @property
    def channels(self) -> int:
        """Numbers a packed image token holds (64)."""
        return 4 * int(self.transformer.config.in_channels)

    @torch.no_grad()
    def _encoded(self, prompt: str) -> Tensors:
        """Encode as ``ZImagePipeline`` does, within the chat template of Qwen3."""
        chat: str = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=True,
        )
        pieces = self.tokenizer(
            chat,
            max_length=self.text_length,
            truncation=True,
            return_tensors="pt",
            return_offsets_mapping=True,
        )
        states = self._states(pieces)[-2]
        begin = chat.find(prompt) if prompt else len(chat)
        return {"embeds": states, "offsets": within(pieces.offset_mapping[0], begin, len(prompt))}

    def times(self, steps: int, canvas: Canvas) -> Tensor:
        """Times from 1 (noise) to 0. See ``Model.times``."""
        return times_by(self.schedule(PUBLISHED), steps, canvas.tokens)

    def _call(self, tokens: Tensor, t: float, text: TextEmbedding, canvas: Canvas) -> Tensor:
        """Call the network, whose time runs the other way and whose velocity points so, too."""
        self.forwards += 1
        self._layout.text = padded(text.embeds.shape[1])
        self._layout.references = padded(canvas.tokens) - canvas.tokens  # its own filling
        toward_picture: Tensor = self.transformer(
            [unpack(tokens, canvas)[0, :, None]],  # a picture is a video of one frame
            (1000 - torch.full((1,), 1000 * t, device=self.device)) / 1000,  # rounded as there
            [text.embeds[0].to(self.dtype)],
            return_dict=False,
        )[0][0]
        v: Tensor = -pack(toward_picture[None, :, 0])
        return v

    def _layers(self) -> list[AttentionLayer]:
        blocks = [(block, block.attention) for block in self.transformer.layers]
        return uniform_layers(blocks, "single", ZImageProcessor, self._layout)


class ZImageTurbo(ZImage):
    """A Z-Image that was distilled to a few steps without guidance."""

    family = Z_IMAGE_TURBO


MULTIPLE = 32  # text and image are each filled up to so many tokens, or twice ...


def padded(tokens: int) -> int:
    """Return how many tokens the network makes of so many, by filling up."""
    return -(-tokens // MULTIPLE) * MULTIPLE


class ZImageProcessor(TextLastProcessor):
    """Attention of one stream of tokens: image, its filling, text with its own.

    Hooks get text, image and the image's filling. It follows diffusers' own
    (`ZSingleStreamAttnProcessor`) and equals it where a hook only attends.
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
