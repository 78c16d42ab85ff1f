"""A model to train: begun from a FLUX that draws, with the words of instructions."""

from __future__ import annotations

import random
from itertools import islice
from typing import TYPE_CHECKING

import torch

from editing_core.models.checkpoints import PARTS
from editing_core.models.load import load
from editing_core.portraits.instructions import instruction
from editing_core.portraits.model import Parts, sample_captions, t5_tokenizer
from editing_core.portraits.sessions import sessions

if TYPE_CHECKING:
    from torch import Tensor

T5_LENGTH = 16  # tokens of an instruction; "replace the hat with a blue cap" has nine
CLIP_LENGTH = 32  # its pieces are smaller


def begun(model: str = "portraits") -> Parts:
    """Take a FLUX's parts, and teach its tokenizer the words of instructions."""
    flux = load(model, dtype=torch.float32)
    parts = Parts(**{part: getattr(flux, part) for part in PARTS})
    parts.vae = None
    parts.tokenizer.model_max_length = CLIP_LENGTH
    return with_words(parts, sample_captions(4000) + sample_instructions(12_000))


def with_words(parts: Parts, texts: list[str]) -> Parts:
    """Give the T5 a vocabulary of whole words from `texts`; those it knows keep their vectors."""
    old, new = parts.tokenizer_2.get_vocab(), t5_tokenizer(texts, T5_LENGTH)
    known: Tensor = parts.text_encoder_2.get_input_embeddings().weight.data
    generator = torch.Generator().manual_seed(0)
    fresh = torch.randn(len(new), known.shape[1], generator=generator) * known.std()
    for piece, number in new.get_vocab().items():
        if piece in old:
            fresh[number] = known[old[piece]]
    parts.text_encoder_2.resize_token_embeddings(len(new), mean_resizing=False)
    with torch.no_grad():
        parts.text_encoder_2.get_input_embeddings().weight.copy_(fresh)
    parts.tokenizer_2 = new
    return parts


def sample_instructions(count: int, seed: int = 1) -> list[str]:
    """Instructions as people might give them."""
    rng = random.Random(seed)
    return [
        instruction(before.attributes.visible(), after.attributes.visible(), rng)
        for before, after in islice(sessions(1, seed), count)
    ]
