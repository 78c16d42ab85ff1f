"""The attention that suits a device is chosen by what it can and what is installed, and said."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from diffusers.models import attention_dispatch as dispatch
from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry
from method_cases import request
from tiny_flux import tiny_flux, tiny_parts
from torch import Tensor

from editing_core import attention_probs
from editing_core.editor import Editor
from editing_core.models import attention_backend
from editing_core.models.attention_backend import attention_for, attention_of, use_fused_attention
from editing_core.models.checkpoints import SHIPPED_FOLDERS, ModelSource
from editing_core.models.configs import FLUX_DEV
from editing_core.models.flux1 import Flux1
from editing_core.models.loader import LoadSpec
from editing_core.models.memory_plan import choose, sizes_of
from editing_core.settings import EditSettings

PORTRAITS = SHIPPED_FOLDERS["portraits"]
GPU = torch.device("cuda")
SETTINGS = EditSettings(steps=4, guide_from=1, guidance=2.5)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Says what GPU there is and what is installed."""

    def has(capability: tuple[int, int], *, flash_3: bool = False, kernels: str = "") -> None:
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
        monkeypatch.setattr("diffusers.utils.is_flash_attn_3_available", lambda: flash_3)
        monkeypatch.setattr("diffusers.utils.is_kernels_available", lambda: bool(kernels))
        monkeypatch.setattr(
            "diffusers.utils.is_kernels_version",
            lambda op, needed: op == ">=" and _numbers(kernels) >= _numbers(needed),
        )

    return has


@pytest.mark.parametrize(
    ("capability", "installed", "chosen"),
    [
        ((9, 0), {"flash_3": True, "kernels": "0.13"}, "_flash_3"),
        ((9, 0), {"kernels": "0.13"}, "_flash_3_hub"),
        ((9, 0), {"kernels": "0.9"}, "_native_cudnn"),
        ((9, 0), {}, "_native_cudnn"),
        ((8, 9), {"flash_3": True, "kernels": "0.13"}, "native"),
        ((10, 0), {"flash_3": True, "kernels": "0.13"}, "native"),
    ],
)
def test_it_is_chosen_by_the_device(machine, capability, installed, chosen) -> None:
    machine(capability, **installed)
    assert attention_for(GPU, torch.bfloat16) == chosen
    assert AttentionBackendName(chosen) in _AttentionBackendRegistry._backends


def test_what_it_cannot_do_it_is_not_asked_for(machine, monkeypatch) -> None:
    machine((9, 0), flash_3=True, kernels="0.13")
    assert attention_for(GPU, torch.float32) == "native"
    assert attention_for(torch.device("cpu"), torch.bfloat16) == "native"
    monkeypatch.setenv("WORLD_SIZE", "2")
    shared = attention_for(GPU, torch.bfloat16)
    assert shared == "_flash_3_hub"
    assert _AttentionBackendRegistry._is_context_parallel_available(AttentionBackendName(shared))


def test_it_is_said_before_loading(machine, monkeypatch) -> None:
    machine((9, 0), flash_3=True)
    monkeypatch.setattr("editing_core.models.loader.free_bytes", lambda device: 80 * 10**9)
    sizes = sizes_of(FLUX_DEV)
    held = LoadSpec(
        ModelSource("flux-dev", PORTRAITS),
        GPU,
        torch.bfloat16,
        plan=choose(sizes, 80 * 10**9),
    )
    held.__dict__["sizes"] = sizes
    assert held.said().endswith("everything stays there; attention: FlashAttention 3.")


def maskless(query: Tensor, key: Tensor, value: Tensor, attn_mask: Any = None, **_: Any) -> Tensor:
    """As FlashAttention 3: no mask, and no norms for the asking."""
    assert attn_mask is None
    CALLS.append(query.shape)
    q, k, v = (x.transpose(1, 2) for x in (query, key, value))
    mixed: Tensor = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    return mixed.transpose(1, 2)


CALLS: list[torch.Size] = []


@pytest.fixture
def flux_3(machine, monkeypatch) -> Iterator[Flux1]:
    """A model that attends by a stand-in for FlashAttention 3."""
    machine((9, 0), flash_3=True)
    name = AttentionBackendName._FLASH_3
    monkeypatch.setitem(_AttentionBackendRegistry._backends, name, maskless)
    known = set(_AttentionBackendRegistry._supported_arg_names[name])
    monkeypatch.setitem(_AttentionBackendRegistry._supported_arg_names, name, known)
    monkeypatch.setattr(dispatch, "_CAN_USE_FLASH_ATTN_3", True)
    monkeypatch.setattr(attention_backend, "_try", lambda *_: None)  # there is no such device
    parts = vars(tiny_parts()) | {"transformer": copy.deepcopy(tiny_flux().transformer)}
    flux = Flux1(**parts, name="tiny")
    use_fused_attention(flux.transformer, GPU, torch.bfloat16)
    CALLS.clear()
    yield flux


@pytest.mark.parametrize("method", ["steady", "mtc", "masactrl"])
def test_edits_are_the_same_without_masks_and_norms(flux_3, monkeypatch, method) -> None:
    expected = Editor(tiny_flux()).edit(request(), settings=SETTINGS, seed=7, method=method)
    assert not CALLS
    monkeypatch.setattr(attention_probs, "_with_norms", lambda *_: None)
    made = Editor(flux_3).edit(request(), settings=SETTINGS, seed=7, method=method)
    assert CALLS and attention_of(flux_3.transformer) == "FlashAttention 3"
    assert made.report.blocks == expected.report.blocks
    torch.testing.assert_close(made.latents, expected.latents, atol=1e-4, rtol=0)


def test_others_attend_as_before(flux_3) -> None:
    assert attention_of(tiny_flux().transformer) == "PyTorch's own"
    assert _AttentionBackendRegistry._active_backend == AttentionBackendName.NATIVE


@pytest.mark.parametrize("wrong", ["no CUDA here", ""])
def test_one_that_fails_is_not_used(machine, monkeypatch, caplog, wrong) -> None:
    """Too old a diffusers, kernels that cannot be fetched, a result that is not right."""

    def fail(*_: Any) -> None:
        raise AssertionError(wrong)

    machine((9, 0))
    monkeypatch.setattr(attention_backend, "_try", fail)
    transformer = copy.deepcopy(tiny_flux().transformer)
    with caplog.at_level(logging.WARNING):
        use_fused_attention(transformer, GPU, torch.bfloat16)
    assert attention_of(transformer) == "PyTorch's own"
    assert f"cuDNN fails: {wrong}" in caplog.text


@pytest.mark.gpu
def test_the_one_chosen_works_here() -> None:
    transformer = copy.deepcopy(tiny_flux().transformer).to("cuda", torch.bfloat16)
    use_fused_attention(transformer, torch.device("cuda"), torch.bfloat16)
    chosen = attention_for(torch.device("cuda"), torch.bfloat16)
    assert attention_of(transformer) == attention_backend.SAID[chosen]
