"""Calls of transformers whose tensors take no memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from editing_core.models.canvas import Canvas
from editing_core.models.configs import Configs
from editing_core.models.layouts import build

TEXT = 512  # tokens of a prompt


def fake_call(configs: Configs, canvas: Canvas, dtype: torch.dtype) -> tuple[Any, Any]:
    """A transformer within FakeTensorMode, which takes no memory, and a call of it."""
    torch.set_default_dtype(dtype)
    try:
        transformer = build(configs, only="transformer")["transformer"]
    finally:
        torch.set_default_dtype(torch.float32)
    given = INPUTS[type(transformer).__name__](transformer.config, canvas, dtype)

    @torch.no_grad()
    def call() -> None:
        transformer(**given, return_dict=False)

    return transformer, call


def _flux1(config: Any, canvas: Canvas, dtype: torch.dtype) -> dict[str, Any]:
    return {
        "timestep": torch.ones(1),
        "hidden_states": torch.zeros(1, canvas.tokens, config.in_channels, dtype=dtype),
        "guidance": torch.ones(1),
        "encoder_hidden_states": torch.zeros(1, TEXT, config.joint_attention_dim, dtype=dtype),
        "pooled_projections": torch.zeros(1, config.pooled_projection_dim, dtype=dtype),
        "txt_ids": torch.zeros(TEXT, 3),
        "img_ids": torch.zeros(canvas.tokens, 3),
    }


def _flux2(config: Any, canvas: Canvas, dtype: torch.dtype) -> dict[str, Any]:
    return {
        "timestep": torch.ones(1),
        "hidden_states": torch.zeros(1, canvas.tokens, config.in_channels, dtype=dtype),
        "encoder_hidden_states": torch.zeros(1, TEXT, config.joint_attention_dim, dtype=dtype),
        "txt_ids": torch.zeros(TEXT, 4),
        "img_ids": torch.zeros(canvas.tokens, 4),
    }


def _qwen(config: Any, canvas: Canvas, dtype: torch.dtype) -> dict[str, Any]:
    return {
        "timestep": torch.ones(1),
        "hidden_states": torch.zeros(1, canvas.tokens, config.in_channels, dtype=dtype),
        "encoder_hidden_states": torch.zeros(1, TEXT, config.joint_attention_dim, dtype=dtype),
        "img_shapes": [[(1, canvas.rows, canvas.cols)]],
    }


def _z_image(config: Any, canvas: Canvas, dtype: torch.dtype) -> dict[str, Any]:
    latents = torch.zeros(config.in_channels, 1, 2 * canvas.rows, 2 * canvas.cols, dtype=dtype)
    return {
        "t": torch.ones(1),
        "x": [latents],
        "cap_feats": [torch.zeros(TEXT, config.cap_feat_dim, dtype=dtype)],
    }


def _sd3(config: Any, canvas: Canvas, dtype: torch.dtype) -> dict[str, Any]:
    return {
        "timestep": torch.ones(1),
        "hidden_states": torch.zeros(
            1, config.in_channels, 2 * canvas.rows, 2 * canvas.cols, dtype=dtype
        ),
        "encoder_hidden_states": torch.zeros(1, 333, config.joint_attention_dim, dtype=dtype),
        "pooled_projections": torch.zeros(1, config.pooled_projection_dim, dtype=dtype),
    }


INPUTS: dict[str, Callable[[Any, Canvas, torch.dtype], dict[str, Any]]] = {
    "FluxTransformer2DModel": _flux1,
    "Flux2Transformer2DModel": _flux2,
    "QwenImageTransformer2DModel": _qwen,
    "ZImageTransformer2DModel": _z_image,
    "SD3Transformer2DModel": _sd3,
}
