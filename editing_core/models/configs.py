"""The shapes of published models.

What a model's speed and memory depend on is all in its published configurations, so both can be
known, and every path through the code tried, without its weights.
"""

from __future__ import annotations

from typing import Any

Configs = dict[str, dict[str, Any]]
"""By part of a pipeline (transformer, vae, text_encoder ...), as in its config.json."""

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

KLEIN_BASE: Configs = {
    "transformer": {
        "_class_name": "Flux2Transformer2DModel",
        "attention_head_dim": 128,
        "axes_dims_rope": [32, 32, 32, 32],
        "guidance_embeds": False,
        "in_channels": 128,
        "joint_attention_dim": 7680,
        "mlp_ratio": 3.0,
        "num_attention_heads": 24,
        "num_layers": 5,
        "num_single_layers": 20,
        "patch_size": 1,
        "rope_theta": 2000,
        "timestep_guidance_channels": 256,
    },
    "vae": {
        "_class_name": "AutoencoderKLFlux2",
        "batch_norm_eps": 1e-4,
        "block_out_channels": [128, 256, 512, 512],
        "latent_channels": 32,
        "layers_per_block": 2,
        "norm_num_groups": 32,
        "sample_size": 1024,
    },
    "text_encoder": {  # Qwen3-4B
        "model_type": "qwen3",
        "head_dim": 128,
        "hidden_size": 2560,
        "intermediate_size": 9728,
        "num_attention_heads": 32,
        "num_hidden_layers": 36,
        "num_key_value_heads": 8,
        "tie_word_embeddings": True,
        "vocab_size": 151936,
    },
}
"""FLUX.2 [klein] 4B Base."""


QWEN_IMAGE: Configs = {
    "transformer": {
        "_class_name": "QwenImageTransformer2DModel",
        "attention_head_dim": 128,
        "axes_dims_rope": [16, 56, 56],
        "guidance_embeds": False,
        "in_channels": 64,
        "joint_attention_dim": 3584,
        "num_attention_heads": 24,
        "num_layers": 60,
        "out_channels": 16,
        "patch_size": 2,
    },
    "vae": {
        "_class_name": "AutoencoderKLQwenImage",
        "attn_scales": [],
        "base_dim": 96,
        "dim_mult": [1, 2, 4, 4],
        "dropout": 0.0,
        "num_res_blocks": 2,
        "temperal_downsample": [False, True, True],
        "z_dim": 16,
    },
    "text_encoder": {  # Qwen2.5-VL-7B
        "model_type": "qwen2_5_vl",
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "max_window_layers": 28,
        "num_attention_heads": 28,
        "num_hidden_layers": 28,
        "num_key_value_heads": 4,
        "rope_scaling": {"mrope_section": [16, 24, 24], "rope_type": "default"},
        "tie_word_embeddings": False,
        "vision_config": {
            "depth": 32,
            "hidden_size": 1280,
            "intermediate_size": 3420,
            "num_heads": 16,
            "out_hidden_size": 3584,
        },
        "vocab_size": 152064,
    },
}


QWEN_IMAGE_EDIT: Configs = QWEN_IMAGE | {
    "transformer": QWEN_IMAGE["transformer"] | {"zero_cond_t": True}
}
"""Qwen-Image-Edit-2511; its references are always told to be clean."""


Z_IMAGE: Configs = {
    "transformer": {
        "_class_name": "ZImageTransformer2DModel",
        "all_f_patch_size": [1],
        "all_patch_size": [2],
        "axes_dims": [32, 48, 48],
        "axes_lens": [1536, 512, 512],
        "cap_feat_dim": 2560,
        "dim": 3840,
        "in_channels": 16,
        "n_heads": 30,
        "n_kv_heads": 30,
        "n_layers": 30,
        "n_refiner_layers": 2,
        "norm_eps": 1e-5,
        "qk_norm": True,
        "rope_theta": 256.0,
        "t_scale": 1000.0,
    },
    "vae": FLUX_DEV["vae"],
    "text_encoder": KLEIN_BASE["text_encoder"],
}


SD35_LARGE: Configs = {
    "transformer": {
        "_class_name": "SD3Transformer2DModel",
        "attention_head_dim": 64,
        "caption_projection_dim": 2432,
        "in_channels": 16,
        "joint_attention_dim": 4096,
        "num_attention_heads": 38,
        "num_layers": 38,
        "out_channels": 16,
        "patch_size": 2,
        "pooled_projection_dim": 2048,
        "pos_embed_max_size": 192,
        "qk_norm": "rms_norm",
        "sample_size": 128,
    },
    "vae": FLUX_DEV["vae"] | {"scaling_factor": 1.5305, "shift_factor": 0.0609},
    "text_encoder": FLUX_DEV["text_encoder"],
    "text_encoder_2": {  # OpenCLIP ViT-bigG/14
        "model_type": "clip_text_model",
        "hidden_act": "gelu",
        "hidden_size": 1280,
        "intermediate_size": 5120,
        "num_attention_heads": 20,
        "num_hidden_layers": 32,
        "max_position_embeddings": 77,
        "projection_dim": 1280,
        "vocab_size": 49408,
        "bos_token_id": 0,
        "eos_token_id": 2,
    },
    "text_encoder_3": FLUX_DEV["text_encoder_2"],
}


SD35_MEDIUM: Configs = SD35_LARGE | {
    "transformer": SD35_LARGE["transformer"]
    | {
        "caption_projection_dim": 1536,
        "dual_attention_layers": list(range(13)),
        "num_attention_heads": 24,
        "num_layers": 24,
        "pos_embed_max_size": 384,
    }
}

PUBLISHED = {
    "flux-dev": FLUX_DEV,
    "kontext": FLUX_DEV,
    "klein": KLEIN_BASE,
    "klein-distilled": KLEIN_BASE,
    "qwen-image": QWEN_IMAGE,
    "qwen-image-edit": QWEN_IMAGE_EDIT,
    "z-image": Z_IMAGE,
    "z-image-turbo": Z_IMAGE,
    "sd3.5": SD35_LARGE,
    "sd3.5-medium": SD35_MEDIUM,
    "sd3.5-turbo": SD35_LARGE,
}
"""By the names in ``offers.HUB``."""


def with_depth(double: int, single: int) -> Configs:
    """FLUX.1-dev with so many blocks, and all else as it is."""
    transformer = FLUX_DEV["transformer"] | {"num_layers": double, "num_single_layers": single}
    return FLUX_DEV | {"transformer": transformer}
