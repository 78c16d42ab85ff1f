"""Z-Image against its stock pipeline, from memory and from a folder; what it needs of memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from drawn_pictures import drawn
from fake_calls import fake_call
from tiny_z_image import write_z
from torch._subclasses.fake_tensor import FakeTensorMode

from editing_core.bench.timing import LiveBytes
from editing_core.editor import draw_noise
from editing_core.models.canvas import Canvas
from editing_core.models.configs import Z_IMAGE
from editing_core.models.load import load
from editing_core.models.memory_plan import GB, TYPICAL, forward_bytes, sizes_of
from editing_core.models.z_image import ZImageTurbo


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
