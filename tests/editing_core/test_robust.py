"""What goes wrong on a GPU: memory runs out, numbers run away. An edit goes on, or says why not."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flux_files import PROMPTS, random_model, write_repository
from tiny_flux import noise_picture

from editing_core.editor import Editor, EditRequest, EditResult, Picture
from editing_core.errors import EditError
from editing_core.models.configs import FLUX_DEV
from editing_core.models.flux1 import Flux1
from editing_core.models.layouts import build
from editing_core.models.load import load
from editing_core.models.memory_plan import MemoryPlan, Sizes, missing, plans
from editing_core.models.placement import take_tiles
from editing_core.settings import EditSettings
from editing_core.worlds.registry import shipped_world

QUICK = EditSettings(steps=2)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repository(random_model(), tmp_path_factory.mktemp("FLUX.1-dev"), bfl=False)


@pytest.fixture
def flux(repository: Path) -> Flux1:
    return load(str(repository), device="cpu", memory="full")


def edit(editor: Editor) -> EditResult:
    picture = Picture(noise_picture(48, 32))
    return editor.edit(EditRequest(picture, picture, *PROMPTS), settings=QUICK, seed=3)


def runs_out(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Let so many calls of the model find no memory left, the first of them in mid-edit."""
    velocity, calls = Flux1.velocity, iter(range(100))

    def scarce(self: Flux1, *args: Any, **kwargs: Any) -> torch.Tensor:
        if 1 <= next(calls) <= times:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
        return velocity(self, *args, **kwargs)

    monkeypatch.setattr(Flux1, "velocity", scarce)


def test_out_of_memory_takes_smaller_tiles_and_makes_the_same_picture(
    flux: Flux1, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = edit(Editor(flux))
    runs_out(monkeypatch, 1)
    transformer = flux.transformer
    with caplog.at_level(logging.WARNING):
        result = edit(Editor(flux))
    assert torch.equal(result.latents, expected.latents)
    assert (flux.vae.tile_sample_min_size, flux.vae.tile_latent_min_size) == (512, 64)
    assert flux.transformer is transformer
    assert "Out of memory, so from now on everything stays there" in caplog.text


def test_out_of_memory_loads_the_next_level(flux: Flux1, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice, so that not smaller tiles alone but streamed text encoders are next."""

    def as_on_a_gpu(sizes: Sizes, *, each: int, device: str) -> Iterator[MemoryPlan]:
        return plans(sizes, each=each)

    pytest.importorskip("accelerate", reason="needs: pip install accelerate")
    monkeypatch.setattr("editing_core.models.loader.plans", as_on_a_gpu)
    expected = edit(Editor(flux))
    runs_out(monkeypatch, 2)
    transformer, forwards = flux.transformer, flux.forwards
    result = edit(Editor(flux))
    assert flux.held is not None and flux.held.plan is not None
    assert flux.held.plan.level.name == "lean"
    assert flux.transformer is not transformer
    assert flux.forwards > forwards
    torch.testing.assert_close(result.latents, expected.latents, atol=1e-5, rtol=0)


def test_with_no_level_left_it_is_said(flux: Flux1, monkeypatch: pytest.MonkeyPatch) -> None:
    runs_out(monkeypatch, 99)
    with pytest.raises(EditError, match="not enough memory.*2 GiB.*smaller picture"):
        edit(Editor(flux))


def test_a_model_without_a_plan_says_so_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flux = Flux1(**vars(random_model()), name="random")
    runs_out(monkeypatch, 1)
    with pytest.raises(EditError, match="not enough memory"):
        edit(Editor(flux))


def test_numbers_that_are_none_are_reported_and_forgotten(
    flux: Flux1, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor, velocity = Editor(flux), Flux1.velocity
    expected = edit(Editor(flux))
    monkeypatch.setattr(Flux1, "velocity", lambda self, x, *a, **k: x * float("nan"))
    with pytest.raises(EditError, match="NaN"):
        edit(editor)
    monkeypatch.setattr(Flux1, "velocity", velocity)
    assert torch.equal(edit(editor).latents, expected.latents)


def test_a_black_picture_is_reported(flux: Flux1, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = flux.vae.decode

    def black(latents: torch.Tensor) -> Any:
        decoded = decode(latents)
        decoded.sample.fill_(-1)
        return decoded

    monkeypatch.setattr(flux.vae, "decode", black)
    with pytest.raises(EditError, match="black"):
        edit(Editor(flux))


@pytest.mark.weights
def test_tiles_of_256_pixels_shift_colours_by_few_levels() -> None:
    """Of 255, on average and in the worst 32 x 32 pixels, with the shipped VAE."""
    shipped, picture = load(), shipped_world().draw({}, side=384)[0]
    canvas = shipped.canvas(*picture.size)
    latents = shipped.encode(picture)
    whole = np.asarray(shipped.decode(latents, canvas)).astype(float)
    take_tiles(shipped.vae, 256)
    apart = np.asarray(shipped.decode(latents, canvas)) - whole
    blocks = apart.reshape(12, 32, 12, 32, 3).mean((1, 3))
    assert 0 < np.abs(apart).mean() < 2.5
    assert np.abs(blocks).max() < 6


def test_tiles_of_fluxs_vae_shift_the_mean_colour_little() -> None:
    """Its levels, norms and attention with random weights, a quarter as wide; in deviations."""
    narrow = FLUX_DEV["vae"] | {"block_out_channels": [32, 64, 128, 128]}
    torch.manual_seed(0)
    vae = build(FLUX_DEV | {"vae": narrow}, only="vae")["vae"].eval()
    latents = torch.randn(1, 16, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = vae.decode(latents).sample
        take_tiles(vae, 192)
        apart = (vae.decode(latents).sample - whole) / whole.std()
    assert apart.shape == (1, 3, 256, 256)
    assert 0 < apart.mean((0, 2, 3)).abs().max() < 0.1


@pytest.mark.weights
def test_tiles_keep_the_size_and_the_picture() -> None:
    """Of an odd size. Norms see a tile alone, so colours shift, the more the smaller the tiles."""
    shipped = load()
    picture = shipped_world().sample()[0].resize((201, 133))
    canvas = shipped.canvas(*picture.size)
    whole = shipped.decode(shipped.encode(picture), canvas)
    take_tiles(shipped.vae, 64)
    tiled = shipped.decode(shipped.encode(picture), canvas)
    assert tiled.size == whole.size == picture.size
    apart = np.abs(np.asarray(tiled).astype(int) - np.asarray(whole))
    assert 0 < apart.mean() < 15


@pytest.mark.parametrize("level", ["lean", "int8", "fp8", "stream"])
def test_every_level_makes_nearly_the_same_velocity(
    flux: Flux1, repository: Path, level: str
) -> None:
    """Where only memory is saved the same; in 8 bits within what rounding costs."""
    from editing_core.models.memory_plan import BY_NAME

    if lacking := missing(BY_NAME[level]):
        pytest.skip(f"needs: pip install {' '.join(lacking)}")
    held = load(str(repository), device="cpu", memory=level)
    expected, got = (edit(Editor(one)).latents for one in (flux, held))
    error = (got - expected).norm() / expected.norm()
    assert error <= {"lean": 1e-6, "stream": 1e-6, "int8": 0.02, "fp8": 0.1}[level]
    assert (error > 0) == (level in ("int8", "fp8"))
