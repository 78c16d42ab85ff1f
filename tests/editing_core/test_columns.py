"""Columns of attention equal those of the dense matrix, by norms and by marks, on every device."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from editing_core import attention_probs
from editing_core.attention_probs import attend_with_probs
from editing_core.bench.timing import LiveBytes
from editing_core.models.base import AttentionCall
from editing_core.models.diffusers_internals import dispatch_attention_fn

TEXT, PICTURE, HEADS, SIZE = 9, 23, 3, 16
CHOSEN = (1, 4, 30)


def random_qkv(device: str = "cpu", dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (1, TEXT + PICTURE, HEADS, SIZE)
    return [torch.randn(shape, generator=generator).to(device, dtype) for _ in range(3)]


def call(*qkv: torch.Tensor, text: int = TEXT, mask: torch.Tensor | None = None) -> AttentionCall:
    """A layer's attention, whose layer nobody asks for."""
    query, key, value = qkv
    return AttentionCall(
        layer=None,  # type: ignore[arg-type]
        query=query,
        key=key,
        value=value,
        text=slice(0, text),
        image=slice(text, query.shape[1]),
        mask=mask,
        attend=partial(dispatch_attention_fn, attn_mask=mask),
    )


def dense(query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    scores = torch.einsum("bqhd,bkhd->bhqk", query.float(), key.float()) / SIZE**0.5
    return (scores if mask is None else scores.masked_fill(~mask, -torch.inf)).softmax(-1)


def check(
    device: str,
    dtype: torch.dtype,
    atol: float,
    chosen: tuple[int, ...] = CHOSEN,
    mask: torch.Tensor | None = None,
) -> None:
    query, key, value = random_qkv(device, dtype)
    mixed, paid_to = attend_with_probs(call(query, key, value, text=TEXT, mask=mask))
    paid = paid_to(torch.tensor(chosen, device=device))
    weights = dense(query, key, mask)
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


@pytest.mark.parametrize("queries", [1, TEXT + PICTURE])
def test_hidden_keys_get_no_attention(queries: int) -> None:
    """A mask is obeyed, of the keys alone and of queries and keys."""
    mask = torch.ones(1, 1, queries, TEXT + PICTURE, dtype=torch.bool)
    mask[..., 4:TEXT] = False
    check("cpu", torch.float32, 1e-6, mask=mask)


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
        _, paid_to = attend_with_probs(call(query, key, value, text=512))
        paid_to(torch.arange(40))
    dense_bytes = heads * tokens * tokens * 4
    assert 0 < ours.peak - plain.peak < dense_bytes / 10
