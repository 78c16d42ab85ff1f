"""Columns of attention equal those of the dense matrix, by norms and by marks, on every device."""

from __future__ import annotations

import pytest
import torch
from diffusers.models.attention_dispatch import dispatch_attention_fn

from editing_core import attention_probs
from editing_core.attention_probs import attend_with_probs
from editing_core.bench.memory_tracker import LiveBytes

TEXT, PICTURE, HEADS, SIZE = 9, 23, 3, 16
CHOSEN = (1, 4, 30)


def random_qkv(device: str = "cpu", dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (1, TEXT + PICTURE, HEADS, SIZE)
    return [torch.randn(shape, generator=generator).to(device, dtype) for _ in range(3)]


def dense(query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    scores = torch.einsum("bqhd,bkhd->bhqk", query.float(), key.float()) / SIZE**0.5
    return scores.softmax(-1)


def check(device: str, dtype: torch.dtype, atol: float, chosen: tuple[int, ...] = CHOSEN) -> None:
    query, key, value = random_qkv(device, dtype)
    mixed, paid_to = attend_with_probs(dispatch_attention_fn, query, key, value, TEXT)
    paid = paid_to(torch.tensor(chosen, device=device))
    weights = dense(query, key)
    torch.testing.assert_close(paid, weights[:, :, TEXT:][..., chosen], atol=atol, rtol=0)
    expected = torch.einsum("bhqk,bkhd->bqhd", weights, value.float())
    torch.testing.assert_close(mixed.float(), expected, atol=atol, rtol=0)


def test_by_norms() -> None:
    check("cpu", torch.float32, 1e-6)


@pytest.mark.parametrize("chosen", [CHOSEN, tuple(range(20))])
def test_by_marks(monkeypatch: pytest.MonkeyPatch, chosen: tuple[int, ...]) -> None:
    """Also of more columns than a head has numbers."""
    monkeypatch.setattr(attention_probs, "_with_norms", lambda *qkv: None)
    check("cpu", torch.float32, 1e-6, chosen)


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("dtype", "atol"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2), (torch.float16, 2e-3)]
)
def test_on_a_gpu(dtype: torch.dtype, atol: float) -> None:
    check("cuda", dtype, atol)


def test_memory_is_a_tenth_of_the_dense_formulas() -> None:
    """With FLUX.1-dev's 24 heads of 128 at 512 x 512 pixels, and a prompt of 40 tokens."""
    tokens, heads = 512 + 1024, 24
    query, key, value = (torch.randn(1, tokens, heads, 128) for _ in range(3))
    with LiveBytes() as plain:
        dispatch_attention_fn(query, key, value)
    with LiveBytes() as ours:
        _, paid_to = attend_with_probs(dispatch_attention_fn, query, key, value, 512)
        paid_to(torch.arange(40))
    dense_bytes = heads * tokens * tokens * 4
    assert 0 < ours.peak - plain.peak < dense_bytes / 10
