"""Calls of a transformer whose tensors take no memory."""

from __future__ import annotations

from typing import Any

import torch

from editing_core.models.canvas import Canvas
from editing_core.models.configs import Configs
from editing_core.models.layouts import build


def fake_call(configs: Configs, canvas: Canvas, dtype: torch.dtype) -> tuple[Any, Any]:
    """A transformer within FakeTensorMode, which takes no memory, and a call of it."""
    torch.set_default_dtype(dtype)
    try:
        transformer = build(configs, only="transformer")["transformer"]
    finally:
        torch.set_default_dtype(torch.float32)

    @torch.no_grad()
    def call() -> None:
        transformer(
            hidden_states=torch.zeros(1, canvas.tokens, 64, dtype=dtype),
            timestep=torch.ones(1),
            guidance=torch.ones(1),
            encoder_hidden_states=torch.zeros(1, 512, 4096, dtype=dtype),
            pooled_projections=torch.zeros(1, 768, dtype=dtype),
            txt_ids=torch.zeros(512, 3),
            img_ids=torch.zeros(canvas.tokens, 3),
            return_dict=False,
        )

    return transformer, call


def fake_call2(configs: Configs, canvas: Canvas, dtype: torch.dtype) -> tuple[Any, Any]:
    """The same of FLUX.2 klein."""
    torch.set_default_dtype(dtype)
    try:
        transformer = build(configs, only="transformer")["transformer"]
    finally:
        torch.set_default_dtype(torch.float32)
    config = transformer.config

    @torch.no_grad()
    def call() -> None:
        transformer(
            hidden_states=torch.zeros(1, canvas.tokens, config.in_channels, dtype=dtype),
            timestep=torch.ones(1),
            guidance=None,
            encoder_hidden_states=torch.zeros(1, 512, config.joint_attention_dim, dtype=dtype),
            txt_ids=torch.zeros(512, 4),
            img_ids=torch.zeros(canvas.tokens, 4),
            return_dict=False,
        )

    return transformer, call
