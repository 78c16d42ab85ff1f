"""Which numbers a machine multiplies fastest: measured at the start of training, not assumed.

Where a CPU has AMX or AVX512-BF16, matrix products in bfloat16 are several times faster than in
float32; on others they are up to a hundred times slower.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

Model = TypeVar("Model", bound=nn.Module)
SIDE = 768  # of the matrices that are multiplied


def fastest_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 if it is at least a fifth faster than float32 here, else float32."""
    if device.type == "cuda":
        return torch.bfloat16
    single, half = (product_seconds(dtype) for dtype in (torch.float32, torch.bfloat16))
    print(
        f"matrix products: float32 {gigaflops(single):.0f} GFLOP/s, bfloat16 {gigaflops(half):.0f}",
        flush=True,
    )
    return torch.bfloat16 if half < 0.8 * single else torch.float32


def gigaflops(seconds_of_one: float) -> float:
    """GFLOP/s of one product of two square matrices."""
    return 2 * SIDE**3 / seconds_of_one / 1e9


def product_seconds(dtype: torch.dtype, tries: int = 5) -> float:
    """The shortest time that one product takes on the CPU."""
    a = torch.ones(SIDE, SIDE, dtype=dtype, device="cpu")
    times = []
    for _ in range(tries):
        start = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - start)
        if times[-1] > 1:  # emulated: no need to measure it again
            break
    return min(times)


def plain_attention() -> AbstractContextManager[None]:
    """Attention by two matrix products, for training.

    On a CPU the backward pass of fused attention in bfloat16 takes longer than all products of
    the transformer; this way a step takes two thirds of the time.
    """
    return sdpa_kernel(SDPBackend.MATH)


class _GroupNorm(nn.GroupNorm):
    def forward(self, x: Tensor) -> Tensor:
        bias, weight = self.bias, self.weight
        return functional.group_norm(x.float(), self.num_groups, weight, bias, self.eps).to(x.dtype)


class _RMSNorm(nn.RMSNorm):
    def forward(self, x: Tensor) -> Tensor:
        shape = self.normalized_shape
        return functional.rms_norm(x.float(), shape, self.weight, self.eps).to(x.dtype)


def single_precision_norms(model: Model) -> Model:
    """Let norms inside work in float32 under autocast; the weights stay as they are.

    On a CPU the backward pass of a group norm in bfloat16 takes four times as long, and a root
    mean square norm of two types is not fused.
    """
    for module in model.modules():
        if type(module) is nn.GroupNorm:
            module.__class__ = _GroupNorm
        if type(module) is nn.RMSNorm:
            module.__class__ = _RMSNorm
    return model
