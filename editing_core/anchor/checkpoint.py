"""The anchor model's parts, written to and read from a folder."""

from __future__ import annotations

from pathlib import Path

import torch

from editing_core.errors import ModelMissing
from editing_core.portraits.model import Parts

MODELS = ("transformer", "text_encoder", "text_encoder_2")
TOKENIZERS = ("tokenizer", "tokenizer_2")


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
