"""Which numbers a machine multiplies fastest: measured at the start of training, not assumed.

Where a CPU has AMX or AVX512-BF16, matrix products in bfloat16 are several times faster than in
float32; on others they are up to a hundred times slower.
"""

from __future__ import annotations

import time

import torch

SIDE = 768  # of the matrices that are multiplied


def fastest(device: torch.device) -> torch.dtype:
    """bfloat16 if it is at least a fifth faster than float32 here, else float32."""
    if device.type == "cuda":
        return torch.bfloat16
    single, half = (seconds(dtype) for dtype in (torch.float32, torch.bfloat16))
    print(
        f"matrix products: float32 {rate(single):.0f} GFLOP/s, bfloat16 {rate(half):.0f}",
        flush=True,
    )
    return torch.bfloat16 if half < 0.8 * single else torch.float32


def rate(seconds_of_one: float) -> float:
    """GFLOP/s of one product of two square matrices."""
    return 2 * SIDE**3 / seconds_of_one / 1e9


def seconds(dtype: torch.dtype, tries: int = 5) -> float:
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
