"""A Qwen-Image of random weights, small enough to build in every test run."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from drawn_pictures import PROMPT
from tiny_flux2 import qwen_tokenizer

from editing_core.models.canvas import Canvas
from editing_core.models.qwen_image import PUBLISHED, QwenImage


@lru_cache(1)
def tiny_qwen_parts() -> dict[str, Any]:
    from diffusers import AutoencoderKLQwenImage, QwenImageTransformer2DModel
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    tokenizer = qwen_tokenizer()
    tokenizer.model_max_length = 131072  # as published: nothing is padded or cut
    torch.manual_seed(0)
    transformer = QwenImageTransformer2DModel(
        in_channels=16,
        out_channels=4,
        num_layers=4,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        axes_dims_rope=(8, 4, 4),
    )
    vae = AutoencoderKLQwenImage(
        base_dim=8,
        z_dim=4,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=[0.1, -0.2, 0.3, -0.4],
        latents_std=[0.5, 1.0, 1.5, 2.0],
    )
    text_encoder = Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            text_config={
                "vocab_size": len(tokenizer),
                "hidden_size": 32,
                "intermediate_size": 64,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "num_key_value_heads": 1,
                "rope_scaling": {"mrope_section": [2, 3, 3], "rope_type": "default"},
                "rope_theta": 1_000_000.0,
            },
            vision_config={
                "depth": 1,
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_heads": 2,
                "out_hidden_size": 32,
            },
        )
    )
    return {
        "transformer": transformer.eval(),
        "vae": vae.eval(),
        "text_encoder": text_encoder.eval(),
        "tokenizer": tokenizer,
    }


def qwen_pipeline(parts: dict[str, Any] | None = None) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, QwenImagePipeline

    scheduler = FlowMatchEulerDiscreteScheduler(**PUBLISHED)
    pipeline = QwenImagePipeline(scheduler=scheduler, **parts or tiny_qwen_parts())
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def write_qwen(folder: Path) -> Path:
    """Write every file of Qwen-Image's repository."""
    qwen_pipeline().save_pretrained(folder)
    return folder


@lru_cache(1)
def tiny_qwen() -> QwenImage:
    return QwenImage(**tiny_qwen_parts(), name="tiny")


def stock(noise: torch.Tensor, canvas: Canvas, *, steps: int, guidance: float, **more: Any) -> Any:
    return qwen_pipeline()(
        prompt=PROMPT,
        negative_prompt=" " if guidance > 1 else None,
        true_cfg_scale=guidance,
        height=canvas.height,
        width=canvas.width,
        num_inference_steps=steps,
        latents=noise,
        **more,
    ).images
