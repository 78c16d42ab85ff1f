"""A Z-Image of random weights, small enough to build in every test run."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from drawn_pictures import PROMPT
from tiny_flux2 import qwen_tokenizer

from editing_core.models.canvas import Canvas, unpack
from editing_core.models.z_image import PUBLISHED, ZImage


@lru_cache(1)
def tiny_z_parts() -> dict[str, Any]:
    from diffusers import AutoencoderKL, ZImageTransformer2DModel
    from transformers import Qwen3Config, Qwen3Model

    tokenizer = qwen_tokenizer()
    torch.manual_seed(0)
    transformer = ZImageTransformer2DModel(
        in_channels=4,
        dim=32,
        n_layers=4,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=32,
        axes_dims=[8, 4, 4],
        axes_lens=[256, 64, 64],
    )
    for token in (transformer.x_pad_token, transformer.cap_pad_token):
        torch.nn.init.normal_(token, std=0.02)  # made empty, since weights come from a file
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        scaling_factor=0.5,
        shift_factor=0.1,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )
    text_encoder = Qwen3Model(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=3,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=16,
        )
    )
    return {
        "transformer": transformer.eval(),
        "vae": vae.eval(),
        "text_encoder": text_encoder.eval(),
        "tokenizer": tokenizer,
    }


def z_pipeline() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, ZImagePipeline

    scheduler = FlowMatchEulerDiscreteScheduler(**PUBLISHED)
    pipeline = ZImagePipeline(scheduler=scheduler, **tiny_z_parts())
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def write_z(folder: Path) -> Path:
    """Write every file of Z-Image's repository."""
    z_pipeline().save_pretrained(folder)
    return folder


@lru_cache(1)
def tiny_z() -> ZImage:
    return ZImage(**tiny_z_parts(), name="tiny")


def stock(noise: torch.Tensor, canvas: Canvas, *, steps: int, guidance: float, **more: Any) -> Any:
    """What the stock pipeline makes, whose scale is 0 where ours is 1."""
    return z_pipeline()(
        prompt=PROMPT,
        guidance_scale=guidance - 1,
        height=canvas.height,
        width=canvas.width,
        num_inference_steps=steps,
        latents=unpack(noise, canvas),
        max_sequence_length=tiny_z().text_length,
        **more,
    ).images
