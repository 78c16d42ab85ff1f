"""Keeping what lies outside the mask of an edit."""

import numpy as np
import pytest
import torch
from PIL import Image

from editing_core.keep import color_aligned, outside_kept, pasted
from editing_core.latents import Canvas, unpack

CANVAS = Canvas(128, 96)
REGION = torch.zeros(12, 16, dtype=torch.bool)
REGION[4:8, 6:10] = True


def test_an_even_shift_of_colour_is_taken_back_everywhere() -> None:
    before = torch.randn(1, CANVAS.tokens, 64)
    aligned = color_aligned(before + 0.5, before, REGION, CANVAS)
    assert torch.allclose(aligned, before, atol=1e-5)


def test_what_was_drawn_in_the_mask_keeps_its_detail() -> None:
    torch.manual_seed(0)
    before = torch.zeros(1, CANVAS.tokens, 64)
    drawn = outside_kept(torch.randn_like(before), before, REGION, CANVAS)
    aligned = color_aligned(drawn + 0.3, before, REGION, CANVAS)
    assert torch.allclose(aligned, drawn, atol=1e-5)


def test_outside_the_latents_are_those_before() -> None:
    before, edited = torch.zeros(1, CANVAS.tokens, 64), torch.ones(1, CANVAS.tokens, 64)
    kept = unpack(outside_kept(edited, before, REGION, CANVAS), CANVAS)[0, 0]
    assert torch.equal(kept.bool(), REGION)


def test_outside_every_pixel_is_that_before() -> None:
    before, edited = Image.new("RGB", (64, 64), "navy"), Image.new("RGB", (64, 64), "white")
    mask = Image.new("L", (64, 64))
    mask.paste(255, (16, 16, 48, 48))
    pixels = np.asarray(pasted(edited, before, mask))
    inside = np.asarray(mask) > 0
    assert (pixels[~inside] == np.asarray(before)[~inside]).all()
    assert pixels[32, 32].tolist() == [255, 255, 255]


@pytest.mark.parametrize("canvas", [Canvas(16, 16), Canvas(40, 300)])
def test_small_and_narrow_pictures_are_aligned_too(canvas: Canvas) -> None:
    region = torch.zeros(2 * canvas.rows, 2 * canvas.cols, dtype=torch.bool)
    before = torch.randn(1, canvas.tokens, 64)
    assert torch.allclose(color_aligned(before + 1, before, region, canvas), before, atol=1e-4)
