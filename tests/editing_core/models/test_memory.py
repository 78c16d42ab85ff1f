"""How much memory FLUX.1-dev needs at each level, and which level a GPU gets."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any, get_args

import pytest
import torch
from fake_calls import fake_call
from flux_files import NARROW, random_model
from torch._subclasses.fake_tensor import FakeTensorMode

from agent.options import MemoryUse
from agent.settings import AppSettings
from editing_core.bench.timing import LiveBytes
from editing_core.errors import ModelMissing
from editing_core.models.canvas import Canvas
from editing_core.models.checkpoints import SHIPPED_FOLDERS, ModelSource, configs
from editing_core.models.configs import FLUX_DEV, with_depth
from editing_core.models.layouts import build
from editing_core.models.load import load
from editing_core.models.loader import LoadSpec, planned
from editing_core.models.memory_plan import (
    BY_NAME,
    GB,
    LEVELS,
    NAMES,
    TYPICAL,
    Sizes,
    choose,
    forward_bytes,
    missing,
    peak_bytes,
    plans,
    sentence,
    sizes_of,
    transformer_bytes,
    vae_bytes,
)

PORTRAITS = SHIPPED_FOLDERS["portraits"]


@lru_cache
def flux_dev() -> Sizes:
    return sizes_of(FLUX_DEV)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Packages that count as installed; all that any level needs."""
    there = {name for level in LEVELS for name in level.packages}
    monkeypatch.setattr(
        "editing_core.models.memory_plan.find_spec", lambda n: n if n in there else None
    )
    return there


def bytes_of(model: torch.nn.Module) -> int:
    """Bytes of all parameters, those of quantised ones with their scales."""

    def held(tensor: Any) -> int:
        if hasattr(tensor, "__tensor_flatten__"):
            return sum(held(getattr(tensor, name)) for name in tensor.__tensor_flatten__()[0])
        return int(tensor.numel() * tensor.element_size())

    return sum(held(parameter) for parameter in model.parameters())


def test_the_parameters_of_flux_dev() -> None:
    """As published: 12 billion, T5 XXL's encoder 4.8, CLIP's 0.12, and the VAE's 84 million."""
    sizes = flux_dev()
    assert sizes.transformer == 11_901_408_320
    assert sizes.text == 4_762_310_656 + 123_060_480
    assert sizes.vae == 83_819_683
    assert (sizes.block, sizes.widest) == (339_831_296, 3072 * 18432)
    assert sizes.blocks == 19 * sizes.block + 38 * 141_591_808


@pytest.mark.parametrize(
    ("level", "tile", "expected"),
    [
        # 23.80 transformer + 9.77 text + 0.34 VAE + 3.22 of its work
        ("full", 1024, 37.13),
        ("lean", 1024, 27.36),
        ("lean", 512, 24.94),
        ("int8", 1024, 15.48),
        ("nf4", 512, 7.84),
        ("stream", 512, 2.30),
    ],
)
def test_the_peak_of_flux_dev(level: str, tile: int, expected: float) -> None:
    assert peak_bytes(flux_dev(), BY_NAME[level], TYPICAL, tile, 2) / GB == pytest.approx(
        expected, abs=0.02
    )


@pytest.mark.parametrize(
    ("free", "level", "tile"),
    [
        (141, "full", 1024),
        (80, "full", 1024),
        (40, "full", 1024),
        (32, "lean", 1024),
        (24, "int8", 1024),
        (16, "int8", 512),
        (12, "nf4", 1024),
        (8.5, "nf4", 512),
        (8, "stream", 1024),
        (3, "stream", 512),
    ],
)
def test_a_card_gets_the_fastest_level_that_fits(
    installed: set[str], free: float, level: str, tile: int
) -> None:
    plan = choose(flux_dev(), int(free * GB))
    assert (plan.level.name, plan.tile) == (level, tile)
    assert plan.peak < free * GB


def test_each_plan_needs_less_than_the_one_before() -> None:
    peaks = [plan.peak for plan in plans(flux_dev())]
    assert peaks == sorted(peaks, reverse=True)
    assert len(peaks) == len(set(peaks)) > 5


def test_the_flag_knows_every_level() -> None:
    assert get_args(MemoryUse) == NAMES
    assert get_args(AppSettings.model_fields["memory"].annotation) == NAMES


def test_a_level_may_be_named(installed: set[str]) -> None:
    for name in NAMES[1:]:
        assert choose(flux_dev(), 24 * GB, wanted=name).level.name == name
    with pytest.raises(ModelMissing, match="choose one of: auto, full, lean"):
        choose(flux_dev(), 24 * GB, wanted="tiny")


def test_what_a_level_needs_installed_is_said(installed: set[str]) -> None:
    installed -= {"torchao", "bitsandbytes"}
    with pytest.raises(ModelMissing, match="--memory int8 needs: pip install torchao$"):
        choose(flux_dev(), 24 * GB, wanted="int8")
    plan = choose(flux_dev(), 24 * GB)
    assert plan.level.name == "stream"
    assert "faster after: pip install torchao" in sentence(plan, flux_dev(), 24 * GB)
    installed.clear()
    with pytest.raises(ModelMissing, match="24 GB are free; with pip install"):
        choose(flux_dev(), 24 * GB)


def test_a_card_too_small_for_anything(installed: set[str]) -> None:
    with pytest.raises(ModelMissing, match=r"needs 2\.3 GB of memory at least, and 2\.0 GB are"):
        choose(flux_dev(), 2 * GB)


def test_it_is_said_in_one_sentence(installed: set[str]) -> None:
    sizes = flux_dev()
    assert sentence(choose(sizes, 24 * GB), sizes, 24 * GB) == (
        "needs 37 GB, you have 24 GB: will need 15 GB at level int8 (8 bits a weight, text "
        "encoders in ordinary memory)"
    )
    assert sentence(choose(sizes, 80 * GB), sizes, 80 * GB) == (
        "needs 37 GB, you have 80 GB: everything stays there"
    )


def test_gguf_files_keep_their_weights(installed: set[str]) -> None:
    """6.8 GB of weights in 4 bits: on 12 GB the text encoders must wait outside."""
    sizes = replace(flux_dev(), stored=6_800_000_000)
    assert choose(sizes, 24 * GB).level.name == "full"
    assert choose(sizes, 12 * GB).level.name == "lean"
    with pytest.raises(ModelMissing, match="GGUF file stay as they are"):
        choose(sizes, 24 * GB, wanted="nf4")


def test_on_a_cpu_all_is_kept_or_refused(installed: set[str]) -> None:
    assert choose(flux_dev(), 128 * GB, each=4, device="cpu").level.name == "full"
    with pytest.raises(ModelMissing, match="needs 68 GB of memory at least.*--memory full"):
        choose(flux_dev(), 32 * GB, each=4, device="cpu")


@pytest.mark.weights
def test_predicted_and_real_bytes_of_the_shipped_model() -> None:
    flux, sizes = load(), sizes_of(configs(ModelSource("portraits", PORTRAITS)))
    assert transformer_bytes(sizes, "plain", 4) == bytes_of(flux.transformer)
    assert 4 * sizes.vae == bytes_of(flux.vae)
    assert 4 * sizes.text == bytes_of(flux.text_encoder) + bytes_of(flux.text_encoder_2)


@pytest.mark.parametrize("weights", ["plain", "int8", "fp8"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_predicted_and_real_bytes_of_quantised_weights(
    weights: str, dtype: torch.dtype, tmp_path: Any
) -> None:
    from diffusers import FluxTransformer2DModel

    from editing_core.models.placement import _transformer

    if lacking := missing(BY_NAME["full" if weights == "plain" else weights]):
        pytest.skip(f"needs: pip install {' '.join(lacking)}")
    parts, level = random_model(), replace(LEVELS[0], name=weights, weights=weights)
    parts.transformer.save_pretrained(tmp_path / "transformer")
    source = ModelSource("random", tmp_path)
    real = _transformer(source, FluxTransformer2DModel, level, dtype)
    sizes = sizes_of(NARROW)
    assert transformer_bytes(sizes, weights, dtype.itemsize) == bytes_of(real)  # type: ignore[arg-type]


def test_predicted_and_real_bytes_of_four_bits() -> None:
    """One linear layer of FLUX.1-dev's, as bitsandbytes keeps it: half a byte, and scales."""
    functional = pytest.importorskip(
        "bitsandbytes.functional", reason="needs: pip install bitsandbytes"
    )
    packed, state = functional.quantize_4bit(torch.randn(3072, 3072), quant_type="nf4")
    real = packed.numel() * packed.element_size() + state.absmax.numel() * 4
    sizes = replace(flux_dev(), transformer=3072 * 3072, linear=3072 * 3072)
    assert transformer_bytes(sizes, "nf4", 2) == real


@pytest.mark.parametrize("each", [2, 4])
@pytest.mark.parametrize("canvas", [Canvas(512, 512), Canvas(1024, 1024), Canvas(2048, 1360)])
def test_a_call_needs_what_is_predicted(canvas: Canvas, each: int) -> None:
    """Counted on fake tensors of FLUX.1-dev's width; depth does not matter."""
    with FakeTensorMode():
        dtype = torch.bfloat16 if each == 2 else torch.float32
        transformer, call = fake_call(with_depth(1, 1), canvas, dtype)
        with LiveBytes(transformer) as alive:
            call()
    predicted = forward_bytes(flux_dev(), canvas, each)
    assert predicted == pytest.approx(alive.peak, rel=0.1)


@pytest.mark.parametrize("side", [512, 1024])
def test_the_vae_needs_what_is_predicted(side: int) -> None:
    with FakeTensorMode():
        vae = build(FLUX_DEV, only="vae")["vae"].eval()
        with torch.no_grad(), LiveBytes(vae) as alive:
            vae.encode(torch.zeros(1, 3, side, side))
            vae.decode(torch.zeros(1, 16, side // 8, side // 8))
    predicted = vae_bytes(flux_dev(), Canvas(side, side), 1024)
    assert predicted == pytest.approx(alive.peak, rel=0.1)


def test_large_pictures_pass_the_vae_in_tiles() -> None:
    sizes = flux_dev()
    assert vae_bytes(sizes, Canvas(2048, 2048), 1024) == vae_bytes(sizes, Canvas(1024, 1024), 1024)
    assert vae_bytes(sizes, Canvas(1024, 1024), 512) == vae_bytes(sizes, Canvas(512, 512), 1024)


def test_the_shipped_model_is_not_planned_for() -> None:
    """It fits everywhere, and starting is quick."""
    held = planned("portraits", device="cpu")
    assert held.plan is None and held.said() == "" and held.lighter() is None


def test_a_plan_is_made_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("editing_core.models.loader.free_bytes", lambda device: 10_000_000)
    with pytest.raises(ModelMissing, match="are free"):
        planned(str(PORTRAITS), device="cpu")
    held: LoadSpec = planned(str(PORTRAITS), device="cpu", memory="full")
    assert held.plan is not None and held.plan.level.name == "full"


def test_the_person_is_told_before_loading(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    from agent.bootstrap import studio_of

    events: list[str] = []
    monkeypatch.setattr(
        "tools.edit_picture.load_editor", lambda model, **how: events.append(f"loaded {how}")
    )
    settings = AppSettings(model=str(PORTRAITS), memory="full", device="cpu", home=tmp_path)
    studio_of(settings, person=True, note=events.append)
    assert [line.split()[0] for line in events[-3:]] == [
        "loading",
        str(PORTRAITS),
        "loaded",
    ]
    assert "everything stays there; attention: PyTorch's own." in events[-2]
    assert "'memory': 'full'" in events[-1]
