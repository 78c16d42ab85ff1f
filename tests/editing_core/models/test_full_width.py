"""Blocks of every family's full width edit alike however they are run, in the memory predicted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from typing import Any

import pytest
import torch
from tiny_flux import noise_picture
from wide_models import WIDE

from editing_core import attention_guidance, attention_probs
from editing_core.bench.speed import SOURCE, TARGET, WORDS
from editing_core.bench.timing import LiveBytes
from editing_core.editor import Editor, EditRequest, Picture, draw_noise
from editing_core.models.base import AttentionCall
from editing_core.models.load import FAMILIES
from editing_core.models.memory_plan import forward_bytes, sizes_in
from editing_core.models.placement import compile_blocks, emptied
from editing_core.settings import EditSettings

pytestmark = pytest.mark.slow
SETTINGS = EditSettings(steps=4, guide_from=1, tau=0.6)
"""Few steps, of which most are watched and scaled; a threshold that only a part comes over."""


@pytest.fixture(scope="module", params=WIDE)
def wide(request: pytest.FixtureRequest) -> Any:
    """One block of each kind, or two; no more than 700 million weights, of one family at a time."""
    emptied()
    return WIDE[request.param]()


def edited(model: Any) -> torch.Tensor:
    picture = Picture(noise_picture(64, 48))
    request = EditRequest(picture, picture, SOURCE, TARGET, WORDS)
    result = Editor(model).edit(request, settings=SETTINGS, seed=1)
    assert result.mask is not None, "attention is to be scaled somewhere"
    return result.latents


def apart(got: torch.Tensor, expected: torch.Tensor) -> float:
    return float((got - expected).norm() / expected.norm())


def dense(call: AttentionCall) -> Any:
    """The whole matrix of weights: what stands in the paper."""
    scores = torch.einsum("bqhd,bkhd->bhqk", call.query, call.key) / call.query.shape[-1] ** 0.5
    weights = scores.softmax(-1)
    mixed = torch.einsum("bhqk,bkhd->bqhd", weights, call.value)
    return mixed, lambda columns: weights[:, :, call.image][..., columns]


@contextmanager
def compiled(model: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if type(model.transformer).__name__ != "FluxTransformer2DModel":
        pytest.skip("one family is enough: compiling takes minutes")
    compile_blocks(model.transformer)
    yield
    for block in model.transformer.modules():
        block._compiled_call_impl = None


@contextmanager
def by_marks(model: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(attention_probs, "_with_norms", lambda *qkv: None)
    yield


@contextmanager
def dense_attention(model: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(attention_guidance, "attend_with_probs", dense)
    yield


@contextmanager
def streamed(model: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    pytest.importorskip("accelerate", reason="needs: pip install accelerate")
    with copied(model):
        model.transformer.enable_group_offload(
            onload_device=torch.device("cpu"), offload_type="block_level", num_blocks_per_group=1
        )
        yield


@contextmanager
def int8(model: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    quantization = pytest.importorskip("torchao.quantization", reason="needs: pip install torchao")
    with copied(model):
        quantization.quantize_(model.transformer, quantization.Int8WeightOnlyConfig())
        yield


@contextmanager
def copied(model: Any) -> Iterator[None]:
    """Let a copy of the transformer be changed inside."""
    whole = model.transformer
    model.transformer = deepcopy(whole)
    try:
        yield
    finally:
        model.transformer = whole


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
    wide: Any,
    run: Callable[..., AbstractContextManager[None]],
    tolerance: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with run(wide, monkeypatch):
        got = edited(wide)
    monkeypatch.undo()
    expected = edited(wide)
    assert torch.equal(edited(wide), expected), "eager is the same every time"
    assert apart(got, expected) <= tolerance


def test_every_family_is_here_at_its_width(wide: Any) -> None:
    from editing_core.models.layouts import LAYOUTS

    kind = type(wide.transformer).__name__
    published = LAYOUTS[kind].published["transformer"]
    shallow = {"num_layers", "num_single_layers", "n_layers", "n_refiner_layers"}
    for name in published.keys() - shallow - {"_class_name"}:
        assert _plain(wide.transformer.config[name]) == _plain(published[name]), name
    assert set(WIDE) == set(FAMILIES)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def test_a_call_needs_the_memory_that_is_predicted(wide: Any) -> None:
    """Measured on real tensors, all made and freed on the way."""
    canvas, text = wide.canvas(256, 256), wide.encode_text(TARGET)
    sizes = sizes_in(
        {part: getattr(wide, part) for part in wide.spec.parts}, text_tokens=text.embeds.shape[1]
    )
    noise = draw_noise(0, canvas, wide.channels)
    with LiveBytes(wide.transformer) as alive:
        wide.velocity(noise, 0.5, text, guidance=1.0, canvas=canvas)
    assert forward_bytes(sizes, canvas, 4) == pytest.approx(alive.peak, rel=0.15)
