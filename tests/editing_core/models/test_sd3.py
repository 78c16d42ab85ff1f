"""Stable Diffusion 3.5 against its stock pipeline, from memory and a folder; what it needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from drawn_pictures import drawn
from fake_calls import fake_call
from tiny_sd3 import tiny_sd3, write_sd3
from torch._subclasses.fake_tensor import FakeTensorMode

from editing_core.bench.timing import LiveBytes
from editing_core.editor import draw_noise
from editing_core.models.canvas import Canvas
from editing_core.models.configs import SD35_LARGE
from editing_core.models.load import load
from editing_core.models.memory_plan import GB, TYPICAL, forward_bytes, sizes_of
from editing_core.models.placement import compile_blocks
from editing_core.models.sd3 import StableDiffusion3Turbo


def test_a_distilled_one_is_known_by_its_name(tmp_path: Path) -> None:
    """It takes one call a step, whatever guidance is asked for, and cannot be inverted."""
    model = load(str(write_sd3(tmp_path / "stable-diffusion-3.5-large-turbo")), device="cpu")
    assert type(model) is StableDiffusion3Turbo and not model.spec.invertible
    canvas = model.canvas(48, 32)
    drawn(model, draw_noise(0, canvas, model.channels), canvas, 2, 4.0)
    assert model.forwards == 2


def test_its_blocks_can_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[Any] = []
    monkeypatch.setattr("torch.nn.Module.compile", lambda self, **how: compiled.append(self))
    compile_blocks(tiny_sd3().transformer)
    assert compiled == list(tiny_sd3().transformer.transformer_blocks)


def test_the_parameters_of_the_large_one() -> None:
    """As published: 8.06 billion, beside a table of 192 x 192 places; both CLIPs and T5."""
    sizes = sizes_of(SD35_LARGE)
    assert (sizes.transformer - 192 * 192 * 2432) / GB == pytest.approx(8.06, abs=0.01)
    assert sizes.text / GB == pytest.approx(5.58, abs=0.01)


@pytest.mark.parametrize("each", [2, 4])
@pytest.mark.parametrize("canvas", [TYPICAL, Canvas(1440, 1024)])
def test_a_call_needs_what_is_predicted(canvas: Canvas, each: int) -> None:
    """Counted on fake tensors of its width; depth does not matter."""
    shallow = SD35_LARGE["transformer"] | {"num_layers": 2}
    dtype = torch.bfloat16 if each == 2 else torch.float32
    with FakeTensorMode():
        transformer, call = fake_call(SD35_LARGE | {"transformer": shallow}, canvas, dtype)
        with LiveBytes(transformer) as alive:
            call()
    predicted = forward_bytes(sizes_of(SD35_LARGE), canvas, each)
    assert predicted == pytest.approx(alive.peak, rel=0.1)
