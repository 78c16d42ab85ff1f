"""The shape of FLUX.1-dev, and networks of any such shape.

What its speed and memory depend on is all in its published configurations, so both can be known,
and every path through the code tried, without its weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Configs = dict[str, dict[str, Any]]
"""By part of a pipeline (transformer, vae, text_encoder, text_encoder_2), as in its config.json."""

FLUX_DEV: Configs = {
    "transformer": {
        "_class_name": "FluxTransformer2DModel",
        "attention_head_dim": 128,
        "axes_dims_rope": [16, 56, 56],
        "guidance_embeds": True,
        "in_channels": 64,
        "joint_attention_dim": 4096,
        "num_attention_heads": 24,
        "num_layers": 19,
        "num_single_layers": 38,
        "patch_size": 1,
        "pooled_projection_dim": 768,
    },
    "vae": {
        "_class_name": "AutoencoderKL",
        "block_out_channels": [128, 256, 512, 512],
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
        "force_upcast": True,
        "latent_channels": 16,
        "layers_per_block": 2,
        "norm_num_groups": 32,
        "sample_size": 1024,
        "scaling_factor": 0.3611,
        "shift_factor": 0.1159,
        "use_post_quant_conv": False,
        "use_quant_conv": False,
    },
    "text_encoder": {  # CLIP ViT-L/14
        "model_type": "clip_text_model",
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_attention_heads": 12,
        "num_hidden_layers": 12,
        "max_position_embeddings": 77,
        "projection_dim": 768,
        "vocab_size": 49408,
        "bos_token_id": 0,
        "eos_token_id": 2,
    },
    "text_encoder_2": {  # T5 v1.1 XXL
        "model_type": "t5",
        "d_model": 4096,
        "d_kv": 64,
        "d_ff": 10240,
        "num_layers": 24,
        "num_heads": 64,
        "feed_forward_proj": "gated-gelu",
        "vocab_size": 32128,
        "dropout_rate": 0.0,
    },
}


def with_depth(double: int, single: int) -> Configs:
    """FLUX.1-dev with so many blocks, and all else as it is."""
    transformer = FLUX_DEV["transformer"] | {"num_layers": double, "num_single_layers": single}
    return FLUX_DEV | {"transformer": transformer}


def build(configs: Configs, *, only: str = "") -> dict[str, Any]:
    """Make the models of these configurations with random weights, where torch now makes them.

    Under ``torch.device("meta")`` that takes neither time nor memory.

    Args:
        configs: Of the four of a pipeline.
        only: One of them; all four if left out.
    """
    from diffusers import AutoencoderKL, FluxTransformer2DModel
    from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

    make: dict[str, Callable[[dict[str, Any]], Any]] = {
        "transformer": FluxTransformer2DModel.from_config,
        "vae": AutoencoderKL.from_config,
        "text_encoder": lambda said: CLIPTextModel(CLIPTextConfig(**said)),
        "text_encoder_2": lambda said: T5EncoderModel(T5Config(**said)),
    }
    return {
        part: made({key: value for key, value in configs[part].items() if key != "model_type"})
        for part, made in make.items()
        if only in ("", part)
    }
