"""Qwen-Image-Edit against its stock pipelines, from memory and from a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from drawn_pictures import PROMPT
from tiny_flux import noise_picture
from tiny_qwen_edit import stock, tiny_first_edit, tiny_qwen_edit, write_qwen_edit

from editing_core.cache import LRUCache
from editing_core.editor import draw_noise
from editing_core.models.canvas import Canvas
from editing_core.models.load import load
from editing_core.models.qwen_image_edit import FirstQwenImageEdit, QwenImageEdit
from editing_core.solvers import integrate_euler

CANVAS = Canvas(64, 96)
ONE, OTHER = (noise_picture(64, 96, seed=seed) for seed in (3, 4))
Make = Callable[[], Any]
every_edition = pytest.mark.parametrize(
    ("make", "pictures"),
    [(tiny_first_edit, [ONE]), (tiny_qwen_edit, [ONE]), (tiny_qwen_edit, [ONE, OTHER])],
    ids=["first", "later", "later, two pictures"],
)


def painted(model: Any, pictures: list[Any], noise: torch.Tensor, guidance: float) -> torch.Tensor:
    text = model.encode_text(PROMPT, pictures)
    references = [model.encode(picture) for picture in pictures]
    how = {"guidance": guidance, "canvas": CANVAS, "references": references}
    return integrate_euler(
        lambda x, t, call: model.velocity(x, t, text, **how), noise, model.times(2, CANVAS)
    )


@every_edition
@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_it_paints_what_the_stock_pipeline_paints(
    make: Make, pictures: list[Any], guidance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures in the text and beside it, guidance and schedule, over two Euler steps."""
    model, first = make(), make is tiny_first_edit
    monkeypatch.setattr(type(model), "area", CANVAS.width * CANVAS.height)
    monkeypatch.setattr(model, "_texts", LRUCache(1))  # not what was read at another size
    noise = draw_noise(3, CANVAS, model.channels)
    expected = stock(
        noise, CANVAS, pictures, steps=2, guidance=guidance, first=first, monkeypatch=monkeypatch
    )
    got = painted(model, pictures, noise, guidance)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


@every_edition
def test_the_reader_sees_the_pictures(make: Make, pictures: list[Any]) -> None:
    model = make()
    alone, beside = model.encode_text(PROMPT), model.encode_text(PROMPT, pictures)
    again = model.encode_text(PROMPT, [OTHER])
    assert beside.pictures == tuple(pictures) and alone.pictures == ()
    assert beside.embeds.shape[1] > alone.embeds.shape[1]
    if pictures == [ONE]:
        assert not torch.allclose(beside.embeds, again.embeds, atol=1e-5)
    said = "".join(PROMPT[start:end] for start, end in beside.offsets)
    assert said.replace(" ", "") == PROMPT.replace(" ", "")
    assert beside.embeds.shape[1] <= model.text_length


def test_more_pictures_than_it_looks_at_are_not_read() -> None:
    model = tiny_first_edit()
    assert model.encode_text(PROMPT, [ONE, OTHER]) is model.encode_text(PROMPT, [ONE])


def test_pictures_are_read_at_the_published_size() -> None:
    """About 384 x 384 pixels, the first edition's about 1024 x 1024, in patches of 28."""
    for model, side in ((tiny_qwen_edit(), 384), (tiny_first_edit(), 1024)):
        said, patches = model._shown([noise_picture(90, 60)])
        count = said.count("<|image_pad|>")
        assert count == patches["image_grid_thw"].prod() // 4
        assert count * 28 * 28 == pytest.approx(side * side, rel=0.05)


@pytest.mark.parametrize("first", [True, False])
def test_a_folder_is_loaded(first: bool, tmp_path: Path) -> None:
    model = load(str(write_qwen_edit(tmp_path, first=first)), device="cpu")
    assert type(model) is (FirstQwenImageEdit if first else QwenImageEdit)
    assert model.spec.references == (1 if first else 3)
    tiny = tiny_first_edit() if first else tiny_qwen_edit()
    noise = draw_noise(0, CANVAS, model.channels)
    ours, theirs = (painted(made, [ONE], noise, 4.0) for made in (model, tiny))
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
