"""Which fused attention suits a device: FlashAttention 3 on Hopper GPUs where it is installed.

It takes no mask, and none is asked for: FLUX attends from all to all, and maps and emphasis come
from norms or marked values (see ``attention_probs``).
"""

from __future__ import annotations

import logging
from typing import Any

import torch

from editing_core.models.context_parallel import processes

logger = logging.getLogger(__name__)
HOPPER = (9, 0)  # the compute capability that FlashAttention 3 is made for
SAID = {
    "native": "PyTorch's own",
    "_native_cudnn": "cuDNN",
    "_flash_3": "FlashAttention 3",
    "_flash_3_hub": "FlashAttention 3 (from the hub)",
}
"""Attention by diffusers' names, as people know it."""


def attention_for(device: torch.device, dtype: torch.dtype) -> str:
    """Name the attention of ``SAID`` that suits a device; several GPUs cannot share "_flash_3"."""
    from diffusers.utils import (
        is_flash_attn_3_available,
        is_kernels_available,
        is_kernels_version,
    )

    halves = dtype in (torch.bfloat16, torch.float16)
    if device.type != "cuda" or not halves or torch.cuda.get_device_capability(device) != HOPPER:
        return "native"
    if is_flash_attn_3_available() and processes() == 1:
        return "_flash_3"
    if is_kernels_available() and is_kernels_version(">=", "0.12"):
        return "_flash_3_hub"
    return "_native_cudnn"


def use_fused_attention(transformer: Any, device: torch.device, dtype: torch.dtype) -> None:
    """Let every block attend as ``attention_for`` says, if that proves right on this machine."""
    from editing_core.models.diffusers_internals import attention_backend

    backend = attention_for(device, dtype)
    if backend == "native":
        return
    with attention_backend("native"):  # what others use stays as it is
        try:
            transformer.set_attention_backend(backend)
            _try(backend, device, dtype)
        except Exception as error:  # kernels are fetched and choosy, and have errors of their own
            reason = str(error).partition("\n")[0]
            logger.warning("Attention is PyTorch's own, since %s fails: %s", SAID[backend], reason)
            transformer.set_attention_backend("native")


def attention_of(transformer: Any) -> str:
    """Say by what a transformer attends."""
    from editing_core.models.diffusers_internals import backend_of

    attending = (part for part in transformer.modules() if hasattr(part, "processor"))
    used = backend_of(next(attending).processor)
    return SAID[used.value if used else "native"]


def _try(backend: str, device: torch.device, dtype: torch.dtype) -> None:
    """Attend with FLUX's shape to values that are all alike."""
    from editing_core.models.diffusers_internals import dispatch_attention_fn

    query = torch.ones(1, 96, 24, 128, device=device, dtype=dtype)
    key = torch.ones(1, 160, 24, 128, device=device, dtype=dtype)
    with torch.no_grad():
        mixed = dispatch_attention_fn(query, key, key, backend=backend)
    torch.testing.assert_close(mixed, query, atol=1e-2, rtol=0)
