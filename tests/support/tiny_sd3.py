"""A Stable Diffusion 3.5 of random weights, small enough to build in every test run."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from drawn_pictures import PROMPT

from editing_core.models.canvas import Canvas, unpack
from editing_core.models.sd3 import PUBLISHED, StableDiffusion3
from editing_core.portraits.model import clip_tokenizer, t5_tokenizer

WORDS = ["a portrait of a smiling young woman with a brown bob, a red hat, blue t-shirt"]


@lru_cache(1)
def tiny_sd3_parts() -> dict[str, Any]:
    from diffusers import AutoencoderKL, SD3Transformer2DModel

    torch.manual_seed(0)
    transformer = SD3Transformer2DModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        num_layers=4,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=48,
        caption_projection_dim=32,
        pooled_projection_dim=24,
        pos_embed_max_size=32,
        dual_attention_layers=(0, 1),
        qk_norm="rms_norm",
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        scaling_factor=1.5,
        shift_factor=0.06,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )
    return {"transformer": transformer.eval(), "vae": vae.eval()} | _readers()


def _readers() -> dict[str, Any]:
    from transformers import (
        CLIPTextConfig,
        CLIPTextModelWithProjection,
        T5Config,
        T5EncoderModel,
    )

    tokenizer, t5 = clip_tokenizer(WORDS, 77), t5_tokenizer(WORDS, 32)

    def clip(width: int, summary: int) -> Any:
        config = CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=2 * width,
            num_attention_heads=2,
            num_hidden_layers=2,
            max_position_embeddings=77,
            projection_dim=summary,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        return CLIPTextModelWithProjection(config).eval()

    config = T5Config(
        vocab_size=len(t5),
        d_model=48,
        d_kv=16,
        d_ff=64,
        num_layers=1,
        num_heads=2,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
    )
    return {
        "text_encoder": clip(16, 8),
        "text_encoder_2": clip(24, 16),
        "text_encoder_3": T5EncoderModel(config).eval(),
        "tokenizer": tokenizer,
        "tokenizer_2": clip_tokenizer(WORDS, 77),
        "tokenizer_3": t5,
    }


def sd3_pipeline() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, StableDiffusion3Pipeline

    scheduler = FlowMatchEulerDiscreteScheduler(**PUBLISHED)
    pipeline = StableDiffusion3Pipeline(scheduler=scheduler, **tiny_sd3_parts())
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def write_sd3(folder: Path) -> Path:
    """Write every file of the repository."""
    sd3_pipeline().save_pretrained(folder)
    return folder


@lru_cache(1)
def tiny_sd3() -> StableDiffusion3:
    return StableDiffusion3(**tiny_sd3_parts(), name="tiny")


def stock(noise: torch.Tensor, canvas: Canvas, *, steps: int, guidance: float, **more: Any) -> Any:
    return sd3_pipeline()(
        prompt=PROMPT,
        guidance_scale=guidance,
        height=canvas.height,
        width=canvas.width,
        num_inference_steps=steps,
        latents=unpack(noise, canvas),
        max_sequence_length=32,
        **more,
    ).images
