"""The anchor model's parts: begun from a FLUX that draws, written to and read from a folder."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from editing_core.errors import ModelMissing
from editing_core.models.checkpoints import PARTS
from editing_core.models.load import load
from editing_core.portraits.instructions import instruction
from editing_core.portraits.model import Parts, sample_captions, t5_tokenizer
from editing_core.portraits.sessions import sessions

if TYPE_CHECKING:
    from torch import Tensor

T5_LENGTH = 16  # tokens of an instruction; "replace the hat with a blue cap" has nine
CLIP_LENGTH = 32  # its pieces are smaller
MODELS = ("transformer", "text_encoder", "text_encoder_2")
TOKENIZERS = ("tokenizer", "tokenizer_2")


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


def save(parts: Parts, folder: Path) -> None:
    """Write transformer, text encoders and tokenizers in 16 bits; the VAE is the FLUX's."""
    parts.transformer.register_to_config(_name_or_path="")  # a folder of whoever trained it
    for name in MODELS:
        model = getattr(parts, name)
        model.to(torch.float16).save_pretrained(folder / name)
        model.to(torch.float32)
    for tokenizer in (parts.tokenizer, parts.tokenizer_2):  # training padded and cut
        tokenizer.backend_tokenizer.no_padding()
        tokenizer.backend_tokenizer.no_truncation()
    parts.tokenizer.save_pretrained(folder / "tokenizer")
    parts.tokenizer_2.save_pretrained(folder / "tokenizer_2")


def opened(folder: Path) -> Parts:
    """Read what ``save`` wrote.

    Raises:
        ModelMissing: It is not there.
    """
    from diffusers import FluxTransformer2DModel
    from transformers import AutoTokenizer, CLIPTextModel, T5EncoderModel

    missing = [name for name in (*MODELS, *TOKENIZERS) if not (folder / name).is_dir()]
    if missing:
        raise ModelMissing(
            f"The anchor model in {folder} has no {', '.join(missing)}; fetch it again with git "
            "or train it with python -m editing_core.anchor.train."
        )
    path = {name: str(folder / name) for name in (*MODELS, *TOKENIZERS)}
    return Parts(
        transformer=FluxTransformer2DModel.from_pretrained(
            path["transformer"], torch_dtype=torch.float32, low_cpu_mem_usage=False
        ),
        vae=None,
        text_encoder=CLIPTextModel.from_pretrained(path["text_encoder"], dtype=torch.float32),
        text_encoder_2=T5EncoderModel.from_pretrained(path["text_encoder_2"], dtype=torch.float32),
        tokenizer=AutoTokenizer.from_pretrained(path["tokenizer"]),
        tokenizer_2=AutoTokenizer.from_pretrained(path["tokenizer_2"]),
    )
