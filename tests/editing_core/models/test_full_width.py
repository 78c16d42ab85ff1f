"""Blocks of FLUX.1-dev's full width edit alike however they are run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import pytest
import torch
from tiny_flux import noise_picture

from editing_core import attention_guidance, attention_probs
from editing_core.bench.random_weights import NARROW_TEXT, random_flux
from editing_core.bench.speed import SOURCE, TARGET, WORDS
from editing_core.editor import Editor, EditRequest, Picture
from editing_core.models.configs import with_depth
from editing_core.models.flux1 import Flux1
from editing_core.models.placement import compile_blocks
from editing_core.settings import EditSettings

SETTINGS = EditSettings(steps=4, guide_from=1, tau=0.6)
"""Few steps, of which most are watched and scaled; a threshold that only a part comes over."""


@pytest.fixture(scope="module")
def flux() -> Flux1:
    """One block of each kind, 24 heads of 128: 480 million weights."""
    configs = with_depth(1, 1)
    configs["text_encoder_2"] = configs["text_encoder_2"] | NARROW_TEXT | {"n_positions": 64}
    configs["vae"] = configs["vae"] | {"block_out_channels": [32] * 4, "layers_per_block": 1}
    return random_flux(configs, [SOURCE, TARGET])


def edited(flux: Flux1) -> torch.Tensor:
    picture = Picture(noise_picture(64, 48))
    request = EditRequest(picture, picture, SOURCE, TARGET, WORDS)
    result = Editor(flux).edit(request, settings=SETTINGS, seed=1)
    assert result.mask is not None, "attention is to be scaled somewhere"
    return result.latents


def apart(got: torch.Tensor, expected: torch.Tensor) -> float:
    return float((got - expected).norm() / expected.norm())


def dense(attend: Any, query: Any, key: Any, value: Any, since: int) -> Any:
    """The whole matrix of weights: what stands in the paper."""
    scores = torch.einsum("bqhd,bkhd->bhqk", query, key) / query.shape[-1] ** 0.5
    weights = scores.softmax(-1)
    mixed = torch.einsum("bhqk,bkhd->bqhd", weights, value)
    return mixed, lambda chosen: weights[:, :, since:][..., chosen]


@contextmanager
def compiled(flux: Flux1, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    compile_blocks(flux.transformer)
    yield
    for block in (
        *flux.transformer.transformer_blocks,
        *flux.transformer.single_transformer_blocks,
    ):
        block._compiled_call_impl = None


@contextmanager
def by_marks(flux: Flux1, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(attention_probs, "_with_norms", lambda *qkv: None)
    yield


@contextmanager
def dense_attention(flux: Flux1, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(attention_guidance, "attend_telling", dense)
    yield


@contextmanager
def streamed(flux: Flux1, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    pytest.importorskip("accelerate", reason="needs: pip install accelerate")
    whole = flux.transformer
    flux.transformer = deepcopy(whole)
    flux.transformer.enable_group_offload(
        onload_device=torch.device("cpu"), offload_type="block_level", num_blocks_per_group=1
    )
    yield
    flux.transformer = whole


@contextmanager
def int8(flux: Flux1, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    quantization = pytest.importorskip("torchao.quantization", reason="needs: pip install torchao")
    whole = flux.transformer
    flux.transformer = deepcopy(whole)
    quantization.quantize_(flux.transformer, quantization.Int8WeightOnlyConfig())
    yield
    flux.transformer = whole


@pytest.mark.slow
@pytest.mark.parametrize(
    ("run", "tolerance"),
    [
        (by_marks, 1e-5),
        (dense_attention, 1e-5),
        (compiled, 1e-5),
        (streamed, 1e-7),
        (int8, 0.02),
    ],
)
def test_the_same_edit(
    flux: Flux1,
    run: Callable[..., Any],
    tolerance: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = edited(flux)
    assert torch.equal(edited(flux), expected), "eager is the same every time"
    with run(flux, monkeypatch):
        assert apart(edited(flux), expected) <= tolerance
