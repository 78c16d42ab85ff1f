"""Models of every family at the published width, with few blocks and random weights."""

from collections.abc import Callable
from typing import Any

import torch
from tiny_flux2 import qwen_tokenizer
from tiny_sd3 import WORDS

from editing_core.bench.random_weights import NARROW_TEXT, random_flux
from editing_core.bench.speed import SOURCE, TARGET
from editing_core.models.configs import (
    KLEIN_BASE,
    QWEN_IMAGE,
    SD35_LARGE,
    Z_IMAGE,
    Configs,
    with_depth,
)
from editing_core.models.diffusers_model import DiffusersModel
from editing_core.models.flux2 import Flux2
from editing_core.models.layouts import build
from editing_core.models.qwen_image import QwenImage
from editing_core.models.sd3 import StableDiffusion3
from editing_core.models.z_image import ZImage
from editing_core.portraits.model import clip_tokenizer, t5_tokenizer

VAE = {"block_out_channels": [32] * 4, "layers_per_block": 1}
THIN = {"intermediate_size": 64, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16}
"""A Qwen3 of full width between its layers, and of little within."""


def changed(configs: Configs, **parts: dict[str, Any]) -> Configs:
    """The same configurations with other values in some parts."""
    return configs | {part: configs[part] | values for part, values in parts.items()}


def built(configs: Configs) -> dict[str, Any]:
    torch.manual_seed(0)
    return build(configs)


def wide_flux1() -> DiffusersModel:
    """480 million weights: 24 heads of 128."""
    configs = changed(with_depth(1, 1), text_encoder_2=NARROW_TEXT | {"n_positions": 64}, vae=VAE)
    return random_flux(configs, [SOURCE, TARGET])


def wide_flux2() -> Flux2:
    tokenizer = qwen_tokenizer()
    configs = changed(
        KLEIN_BASE,
        transformer={"num_layers": 1, "num_single_layers": 1},
        text_encoder=THIN | {"num_hidden_layers": 3, "vocab_size": len(tokenizer)},
        vae=VAE,
    )
    return Flux2(**built(configs), tokenizer=tokenizer, name="wide", text_layers=(1, 2, 3))


def wide_qwen() -> QwenImage:
    tokenizer = qwen_tokenizer()
    vision = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2}
    configs = changed(
        QWEN_IMAGE,
        transformer={"num_layers": 1},
        text_encoder={
            "num_hidden_layers": 1,
            "intermediate_size": 64,
            "vocab_size": len(tokenizer),
            "vision_config": vision | {"out_hidden_size": 3584},
        },
        vae={
            "base_dim": 16,
            "num_res_blocks": 1,
            "latents_mean": [0.0] * 16,
            "latents_std": [1.0] * 16,
        },
    )
    return QwenImage(**built(configs), tokenizer=tokenizer, name="wide")


def wide_z() -> ZImage:
    tokenizer = qwen_tokenizer()
    configs = changed(
        Z_IMAGE,
        transformer={"n_layers": 1, "n_refiner_layers": 1},
        text_encoder=THIN | {"num_hidden_layers": 2, "vocab_size": len(tokenizer)},
        vae=VAE,
    )
    return ZImage(**built(configs), tokenizer=tokenizer, name="wide")


def wide_sd3() -> StableDiffusion3:
    clip, t5 = clip_tokenizer(WORDS, 77), t5_tokenizer(WORDS, 64)
    special = {
        "vocab_size": len(clip),
        "bos_token_id": clip.bos_token_id,
        "eos_token_id": clip.eos_token_id,
        "pad_token_id": clip.pad_token_id,
        "num_hidden_layers": 2,
        "intermediate_size": 64,
    }
    configs = changed(
        SD35_LARGE,
        transformer={"num_layers": 2},
        text_encoder=special,
        text_encoder_2=special,
        text_encoder_3=NARROW_TEXT | {"vocab_size": len(t5)},
        vae=VAE,
    )
    return StableDiffusion3(
        **built(configs),
        tokenizer=clip,
        tokenizer_2=clip_tokenizer(WORDS, 77),
        tokenizer_3=t5,
        name="wide",
    )


WIDE: dict[str, Callable[[], Any]] = {
    "FluxTransformer2DModel": wide_flux1,
    "Flux2Transformer2DModel": wide_flux2,
    "QwenImageTransformer2DModel": wide_qwen,
    "ZImageTransformer2DModel": wide_z,
    "SD3Transformer2DModel": wide_sd3,
}
"""By the class of the transformer."""
