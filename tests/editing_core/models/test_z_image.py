"""Z-Image against its stock pipeline, from memory and from a folder; what it needs of memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake_calls import fake_call
from tiny_z_image import tiny_z, write_z, z_pipeline
from torch._subclasses.fake_tensor import FakeTensorMode

from editing_core.bench.timing import LiveBytes
from editing_core.editor import draw_noise
from editing_core.models.canvas import Canvas, unpack
from editing_core.models.configs import Z_IMAGE
from editing_core.models.load import load
from editing_core.models.memory_plan import GB, TYPICAL, forward_bytes, sizes_of
from editing_core.models.z_image import ZImage, ZImageTurbo
from editing_core.solvers import integrate_euler

PROMPT = "a young woman with a brown bob, a red hat"


def stock(noise: torch.Tensor, canvas: Canvas, *, steps: int, guidance: float, **more: Any) -> Any:
    """What the stock pipeline makes, whose scale is 0 where ours is 1."""
    return z_pipeline()(
        prompt=PROMPT,
        guidance_scale=guidance - 1,
        height=canvas.height,
        width=canvas.width,
        num_inference_steps=steps,
        latents=unpack(noise, canvas),
        max_sequence_length=tiny_z().text_length,
        **more,
    ).images


def drawn(
    model: ZImage, noise: torch.Tensor, canvas: Canvas, steps: int, guidance: float
) -> torch.Tensor:
    text = model.encode_text(PROMPT)
    return integrate_euler(
        lambda x, t, call: model.velocity(x, t, text, guidance=guidance, canvas=canvas),
        noise,
        model.times(steps, canvas),
    )


@pytest.mark.parametrize("guidance", [1.0, 4.0])
@pytest.mark.parametrize("steps", [1, 4])
def test_it_draws_what_the_stock_pipeline_draws(steps: int, guidance: float) -> None:
    """Text, places, guidance and schedule; one step ends at noise - v, so v is known, too."""
    model = tiny_z()
    canvas = model.canvas(48, 80)
    noise = draw_noise(3, canvas, model.channels)
    ours = drawn(model, noise, canvas, steps, guidance)
    expected = stock(noise, canvas, steps=steps, guidance=guidance, output_type="latent")
    torch.testing.assert_close(unpack(ours, canvas), expected, atol=1e-5, rtol=0)


def test_its_pictures_are_the_stock_pipelines() -> None:
    model = tiny_z()
    canvas = model.canvas(48, 80)
    noise = draw_noise(3, canvas, model.channels)
    (expected,) = stock(noise, canvas, steps=2, guidance=1.0, output_type="np")
    picture = np.asarray(model.decode(drawn(model, noise, canvas, 2, 1.0), canvas))
    assert np.abs(picture / 255 - expected).max() <= 0.5 / 255 + 1e-4


def test_a_folder_is_loaded(tmp_path: Path) -> None:
    model = load(str(write_z(tmp_path)), device="cpu")
    assert type(model) is ZImage and model.spec.invertible
    canvas = model.canvas(48, 32)
    noise = draw_noise(0, canvas, model.channels)
    torch.testing.assert_close(
        drawn(model, noise, canvas, 2, 4.0),
        drawn(tiny_z(), noise, canvas, 2, 4.0),
        atol=1e-5,
        rtol=0,
    )


def test_a_distilled_one_is_known_by_its_name(tmp_path: Path) -> None:
    """It takes one call a step, whatever guidance is asked for, and cannot be inverted."""
    model = load(str(write_z(tmp_path / "Z-Image-Turbo")), device="cpu")
    assert type(model) is ZImageTurbo and not model.spec.invertible
    canvas = model.canvas(48, 32)
    drawn(model, draw_noise(0, canvas, model.channels), canvas, 2, 4.0)
    assert model.forwards == 2


def test_the_parameters_of_z_image() -> None:
    """As published: 6.15 billion."""
    sizes = sizes_of(Z_IMAGE)
    assert sizes.transformer / GB == pytest.approx(6.15, abs=0.01)
    assert 2 * sizes.text / GB == pytest.approx(8.05, abs=0.006)


@pytest.mark.parametrize("each", [2, 4])
@pytest.mark.parametrize("canvas", [TYPICAL, Canvas(1536, 1024)])
def test_a_call_needs_what_is_predicted(canvas: Canvas, each: int) -> None:
    """Counted on fake tensors of its width; depth does not matter."""
    shallow = Z_IMAGE["transformer"] | {"n_layers": 1, "n_refiner_layers": 1}
    dtype = torch.bfloat16 if each == 2 else torch.float32
    with FakeTensorMode():
        transformer, call = fake_call(Z_IMAGE | {"transformer": shallow}, canvas, dtype)
        with LiveBytes(transformer) as alive:
            call()
    predicted = forward_bytes(sizes_of(Z_IMAGE), canvas, each)
    assert predicted == pytest.approx(alive.peak, rel=0.1)
