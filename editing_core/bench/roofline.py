"""What work must take at least: counted operations and bytes over what the machine can do."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from editing_core.models.canvas import Canvas

TRIES = 5
COPIED = 1 << 28  # bytes


@dataclass(frozen=True)
class Machine:
    """What a device was seen to do.

    Attributes:
        operations: Of matrix products at the model's width, a second.
        bandwidth: Bytes read or written, a second.
    """

    operations: float
    bandwidth: float

    def seconds(self, operations: float, moved: float = 0) -> float:
        """The least that work of so many operations, which moves so many bytes, can take."""
        return max(operations / self.operations, moved / self.bandwidth)


def measured(device: torch.device, dtype: torch.dtype, tokens: int, width: int) -> Machine:
    """Time products of (tokens, width) with (width, 4 width), and copies; the best of a few."""
    x = torch.randn(tokens, width, device=device, dtype=dtype)
    weights = torch.randn(width, 4 * width, device=device, dtype=dtype)
    block = torch.zeros(COPIED // 4, device=device)
    product = min(seconds(lambda: x @ weights, device) for _ in range(TRIES))
    copy = min(seconds(block.clone, device) for _ in range(TRIES))
    return Machine(2 * tokens * width * 4 * width / product, 2 * COPIED / copy)


def seconds(work: Callable[[], Any], device: torch.device) -> float:
    """Time a piece of work until the device has done it; see ``now``."""
    _done(device)
    started = now(device)
    work()
    _done(device)
    return now(device) - started


def now(device: torch.device) -> float:
    """A clock: on a CPU its own seconds a thread, which other work on the machine leaves alone."""
    if device.type == "cpu":
        return time.process_time() / torch.get_num_threads()
    return time.perf_counter()


def _done(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def call_operations(config: Any, canvas: Canvas, text_tokens: int) -> float:
    """Operations of one call of the transformer: two a weight and token, and attention's.

    Args:
        config: The transformer's.
        canvas: The picture's size.
        text_tokens: Tokens of the prompt.
    """
    width = config.num_attention_heads * config.attention_head_dim
    tokens = canvas.tokens + text_tokens
    blocks = config.num_layers + config.num_single_layers
    attention = 4 * tokens**2 * width
    linear = 2 * 12 * width**2 * tokens  # queries, keys, values, output: 4; the MLP: 8
    modulation = 2 * width**2 * (12 * config.num_layers + 3 * config.num_single_layers + 2)
    embedders = 2 * width * (
        2 * config.in_channels * canvas.tokens
        + config.joint_attention_dim * text_tokens
        + 2 * 256 + config.pooled_projection_dim + 3 * width
    )  # fmt: skip
    return float(blocks * (attention + linear) + modulation + embedders)


def counted(work: Callable[[], Any]) -> float:
    """Count the operations of a piece of work while it is done."""
    cpu = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu

    def of_attention(query: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> int:
        return int(sdpa_flop_count(query, key, value))

    counter = FlopCounterMode(display=False, custom_mapping={cpu: of_attention})
    with counter:
        work()
    return float(counter.get_total_flops())
