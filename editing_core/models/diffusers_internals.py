"""Everything that is used of diffusers beyond its public interface, in one place.

`tests/test_diffusers_internals.py` says which of these names moved when an update moves one.
"""

from __future__ import annotations

from typing import Any

from diffusers.models.attention_dispatch import attention_backend, dispatch_attention_fn
from diffusers.models.embeddings import apply_rotary_emb, get_1d_rotary_pos_embed
from diffusers.models.transformers.transformer_flux import _get_qkv_projections as qkv_projections

__all__ = [
    "apply_rotary_emb",
    "attention_backend",
    "backend_of",
    "context_parallel_plan",
    "dispatch_attention_fn",
    "get_1d_rotary_pos_embed",
    "parallel_config_of",
    "qkv_projections",
    "repeated_blocks_of",
    "split_over_processes",
]


def backend_of(processor: Any) -> Any:
    """Return the attention backend that a processor was set to; None is PyTorch's own."""
    return getattr(processor, "_attention_backend", None)  # Stable Diffusion 3 knows no other


def parallel_config_of(processor: Any) -> Any:
    """Return how a processor's tokens are split over processes; None if they are not."""
    return getattr(processor, "_parallel_config", None)


def split_over_processes(transformer: Any) -> bool:
    """Say whether several processes share each call of a transformer."""
    return bool(transformer._parallel_config)


def repeated_blocks_of(transformer: Any) -> Any:
    """Return the classes of blocks that a transformer is made of many times; None if not said."""
    return transformer._repeated_blocks


def context_parallel_plan(transformer: Any) -> Any:
    """Return what a transformer splits over processes, by name of the module."""
    return transformer._cp_plan
