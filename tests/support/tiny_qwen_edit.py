"""Qwen-Image-Edit, both editions, of random weights, and their stock pipelines."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from drawn_pictures import PROMPT
from PIL import Image
from tiny_flux2 import qwen_tokenizer
from tiny_qwen import qwen_pipeline, tiny_qwen_parts
from transformers import ProcessorMixin, Qwen2VLImageProcessorPil, Qwen2VLProcessor

from editing_core.models.canvas import Canvas
from editing_core.models.qwen_image import PUBLISHED
from editing_core.models.qwen_image_edit import FirstQwenImageEdit, QwenImageEdit

PATCH, VIDEO = "<|image_pad|>", "<|video_pad|>"
MARKS = ("<|vision_start|>", "<|vision_end|>", PATCH, VIDEO)

SIZES = {"shortest_edge": 56 * 56, "longest_edge": 28 * 28 * 16384}
"""Fewest and most pixels, as published."""


class PictureProcessor(Qwen2VLProcessor):
    """The published processor without its part for videos, which needs torchvision."""

    def __init__(self, image_processor: Any = None, tokenizer: Any = None) -> None:
        self.image_token, self.video_token = PATCH, VIDEO
        self.image_token_id, self.video_token_id = tokenizer.convert_tokens_to_ids([PATCH, VIDEO])
        ProcessorMixin.__init__(self, image_processor, tokenizer)


@lru_cache(2)
def edit_parts(*, first: bool = False) -> dict[str, Any]:
    """All parts; later editions are told that references are clean."""
    from diffusers import QwenImageTransformer2DModel
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    tokenizer = qwen_tokenizer(*MARKS)
    tokenizer.model_max_length = 131072
    plain = tiny_qwen_parts()
    torch.manual_seed(0)
    transformer = QwenImageTransformer2DModel.from_config(
        dict(plain["transformer"].config) | {"zero_cond_t": not first, "num_layers": 3}
    )
    text = plain["text_encoder"].config.text_config.to_dict() | {"vocab_size": len(tokenizer)}
    start, _, patch, video = tokenizer.convert_tokens_to_ids(list(MARKS))
    text_encoder = Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            text_config=text,
            vision_config={
                "depth": 2,
                "fullatt_block_indexes": [1],
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_heads": 2,
                "out_hidden_size": 32,
            },
            vision_start_token_id=start,
            image_token_id=patch,
            video_token_id=video,
        )
    )
    for layer in text_encoder.model.language_model.layers:  # or places would hardly matter
        layer.self_attn.q_proj.weight.data.mul_(30)
        layer.self_attn.k_proj.weight.data.mul_(30)
    return {
        "transformer": transformer.eval(),
        "vae": plain["vae"],
        "text_encoder": text_encoder.eval(),
        "tokenizer": tokenizer,
        "processor": Qwen2VLImageProcessorPil(size=SIZES),
    }


@lru_cache(1)
def tiny_qwen_edit() -> QwenImageEdit:
    return QwenImageEdit(**edit_parts(), name="tiny")


@lru_cache(1)
def tiny_first_edit() -> FirstQwenImageEdit:
    return FirstQwenImageEdit(**edit_parts(first=True), name="tiny, first edition")


def write_qwen_edit(folder: Path, *, first: bool = False) -> Path:
    """Write every file of a repository."""
    parts = dict(edit_parts(first=first))
    processor = parts.pop("processor")
    qwen_pipeline(parts).save_pretrained(folder)
    processor.save_pretrained(folder / "processor")
    index = folder / "model_index.json"
    name = "QwenImageEditPipeline" if first else "QwenImageEditPlusPipeline"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"_class_name": name}))
    return folder


@contextmanager
def told_apart(text_encoder: Any, patch: int) -> Iterator[None]:
    """Tell a reader which tokens are of pictures, as a fixed pipeline does (diffusers' 14189)."""

    def told(module: Any, args: Any, given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        of_pictures = (given["input_ids"] == patch).int()
        return args, {"mm_token_type_ids": of_pictures} | given

    hook = text_encoder.register_forward_pre_hook(told, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()


def stock(
    noise: torch.Tensor,
    canvas: Canvas,
    pictures: Sequence[Image.Image],
    *,
    steps: int,
    guidance: float,
    first: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """What the stock pipeline makes of noise and pictures, at a canvas's size, not at its own."""
    from diffusers import (
        FlowMatchEulerDiscreteScheduler,
        QwenImageEditPipeline,
        QwenImageEditPlusPipeline,
    )
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit as of_first
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus as of_later

    parts = edit_parts(first=first)
    kind = QwenImageEditPipeline if first else QwenImageEditPlusPipeline
    processor = PictureProcessor(parts["processor"], parts["tokenizer"])
    pipeline = kind(
        scheduler=FlowMatchEulerDiscreteScheduler(**PUBLISHED), **parts | {"processor": processor}
    )
    pipeline.set_progress_bar_config(disable=True)
    area, sized = canvas.width * canvas.height, of_first.calculate_dimensions
    monkeypatch.setattr(of_first, "calculate_dimensions", lambda _, ratio: sized(area, ratio))
    monkeypatch.setattr(of_later, "CONDITION_IMAGE_SIZE", area)
    monkeypatch.setattr(of_later, "VAE_IMAGE_SIZE", area)
    with told_apart(parts["text_encoder"], processor.image_token_id):
        return pipeline(
            image=pictures[0] if first else list(pictures),
            prompt=PROMPT,
            negative_prompt=" " if guidance > 1 else None,
            true_cfg_scale=guidance,
            height=canvas.height,
            width=canvas.width,
            num_inference_steps=steps,
            latents=noise,
            output_type="latent",
        ).images
