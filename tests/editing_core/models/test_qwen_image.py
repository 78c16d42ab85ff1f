"""Qwen-Image against its stock pipeline, from memory and from a folder; what it needs of memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from drawn_pictures import PROMPT
from fake_calls import fake_call
from tiny_qwen import tiny_qwen, write_qwen
from torch._subclasses.fake_tensor import FakeTensorMode

from editing_core.bench.timing import LiveBytes
from editing_core.models.canvas import Canvas
from editing_core.models.configs import QWEN_IMAGE
from editing_core.models.layouts import build
from editing_core.models.load import load
from editing_core.models.memory_plan import GB, TYPICAL, forward_bytes, sizes_of, vae_bytes
from editing_core.models.qwen_image import PREFIX, TEMPLATE


def test_the_template_stands_before_the_prompt() -> None:
    """Of it 34 tokens are dropped, as published: with Qwen's own tokenizer, all of it."""
    model = tiny_qwen()
    whole = model.tokenizer(TEMPLATE.format(PROMPT)).input_ids
    text = model.encode_text(PROMPT)
    assert len(text.offsets) == len(whole) - PREFIX == text.embeds.shape[1]
    short, long = (len(model.encode_text(said).offsets) for said in ("a hat", PROMPT))
    assert short < long


def test_the_schedule_is_that_of_the_folder(tmp_path: Path) -> None:
    write_qwen(tmp_path)
    file = tmp_path / "scheduler" / "scheduler_config.json"
    file.write_text(file.read_text().replace('"shift_terminal": 0.02', '"shift_terminal": null'))
    model, canvas = load(str(tmp_path), device="cpu"), Canvas(48, 32)
    assert tiny_qwen().times(4, canvas)[-2] == pytest.approx(0.02)
    assert model.times(4, canvas)[-2] > 0.25


def test_large_pictures_pass_its_vae_in_tiles(tmp_path: Path) -> None:
    model = load(str(write_qwen(tmp_path)), device="cpu", memory="full")
    assert model.vae.use_tiling and model.vae.tile_sample_stride_height == 768


def test_the_parameters_of_qwen_image() -> None:
    """As published: 20.4 billion, and 8.3 of Qwen2.5-VL-7B."""
    sizes = sizes_of(QWEN_IMAGE)
    assert sizes.transformer / GB == pytest.approx(20.43, abs=0.01)
    assert sizes.text / GB == pytest.approx(8.29, abs=0.01)
    assert sizes.vae / GB == pytest.approx(0.127, abs=0.001)


@pytest.mark.parametrize("each", [2, 4])
@pytest.mark.parametrize("canvas", [TYPICAL, Canvas(1664, 928)])
def test_a_call_needs_what_is_predicted(canvas: Canvas, each: int) -> None:
    """Counted on fake tensors of its width; depth does not matter."""
    one = QWEN_IMAGE | {"transformer": QWEN_IMAGE["transformer"] | {"num_layers": 1}}
    dtype = torch.bfloat16 if each == 2 else torch.float32
    with FakeTensorMode():
        transformer, call = fake_call(one, canvas, dtype)
        with LiveBytes(transformer) as alive:
            call()
    predicted = forward_bytes(sizes_of(QWEN_IMAGE), canvas, each)
    assert predicted == pytest.approx(alive.peak, rel=0.1)


def test_the_vae_needs_what_is_predicted() -> None:
    with FakeTensorMode(), torch.no_grad():
        vae = build(QWEN_IMAGE, only="vae")["vae"].eval()
        with LiveBytes(vae) as alive:
            vae.encode(torch.zeros(1, 3, 1, 512, 512))
            vae.decode(torch.zeros(1, 16, 1, 64, 64))
    predicted = vae_bytes(sizes_of(QWEN_IMAGE), Canvas(512, 512), 1024)
    assert predicted == pytest.approx(alive.peak, rel=0.1)
