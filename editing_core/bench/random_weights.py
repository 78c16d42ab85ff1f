"""FLUX.1-dev with random weights: as deep and as thriftily held as there is memory for."""

from __future__ import annotations

from tempfile import TemporaryDirectory

import torch

from editing_core.models.attention_backend import use_fused_attention
from editing_core.models.configs import FLUX_DEV, Configs, with_depth
from editing_core.models.diffusers_model import DiffusersModel
from editing_core.models.flux1 import Flux1
from editing_core.models.layouts import build
from editing_core.models.load import load
from editing_core.models.placement import compile_blocks
from editing_core.portraits.model import Parts, clip_tokenizer, t5_tokenizer

FULL_DEPTH = (19, 38)
NARROW_TEXT = {"num_layers": 1, "d_kv": 8, "d_ff": 64}  # of T5
IN_16_BITS = ("transformer", "text_encoder", "text_encoder_2")


def random_weights(
    depth: tuple[int, int],
    prompts: list[str],
    *,
    device: str | None = None,
    memory: str = "auto",
    compiled: bool = False,
) -> DiffusersModel:
    """Make a model of FLUX.1-dev's width, in bfloat16 on a GPU; T5 is whole only where all is.

    Args:
        depth: Double and single blocks.
        prompts: All that will be said.
        device: Where to run; the first NVIDIA GPU if there is one, else the CPU.
        memory: A level by name passes the weights through files, as real ones come (34 GB at full
            depth); "auto" makes them on the device.
        compiled: Whether the blocks are compiled.
    """
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    dtype = torch.bfloat16 if where.type == "cuda" else torch.float32
    if memory != "auto":
        with TemporaryDirectory() as folder:
            write(depth, prompts, folder, dtype)
            return load(folder, device=str(where), memory=memory, compiled=compiled)
    with where:
        parts = _parts(depth, prompts, dtype)
    flux = Flux1(**vars(parts), name="random")
    use_fused_attention(flux.transformer, where, dtype)
    if compiled:
        compile_blocks(flux.transformer)
    return flux


def write(depth: tuple[int, int], prompts: list[str], folder: str, dtype: torch.dtype) -> None:
    """Write such a model as a folder in diffusers' layout. See ``random_weights``."""
    _parts(depth, prompts, dtype).pipeline().save_pretrained(folder)


def _parts(depth: tuple[int, int], prompts: list[str], dtype: torch.dtype) -> Parts:
    configs = with_depth(*depth)
    if depth != FULL_DEPTH:
        configs["text_encoder_2"] = FLUX_DEV["text_encoder_2"] | NARROW_TEXT
    parts = random_parts(configs, prompts)
    for name in IN_16_BITS:
        getattr(parts, name).to(dtype)
    return parts


def random_parts(configs: Configs, prompts: list[str], seed: int = 0) -> Parts:
    """Make all parts with random weights, the tokenizers from the words of some prompts.

    Args:
        configs: Of the models; vocabularies are cut down to what the prompts need.
        prompts: All that will be said.
        seed: Of the weights.
    """
    length = configs["text_encoder_2"].get("n_positions", 512)
    tokenizer = clip_tokenizer(prompts, configs["text_encoder"]["max_position_embeddings"])
    tokenizer_2 = t5_tokenizer(prompts, length)
    clip = configs["text_encoder"] | {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    t5 = configs["text_encoder_2"] | {"vocab_size": len(tokenizer_2)}
    torch.manual_seed(seed)
    models = build(configs | {"text_encoder": clip, "text_encoder_2": t5})
    return Parts(**models, tokenizer=tokenizer, tokenizer_2=tokenizer_2)


def random_flux(configs: Configs, prompts: list[str], seed: int = 0) -> Flux1:
    """Make a model with random weights; it edits into noise, but in the time a real one takes."""
    return Flux1(**vars(random_parts(configs, prompts, seed)), name="random")
