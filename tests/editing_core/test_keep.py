"""Keeping what lies outside the mask of an edit."""

import pytest
import torch
from tiny_flux import tiny_flux

from editing_core.masks import color_aligned, outside_kept
from editing_core.models.canvas import Canvas, unpack

CANVAS = Canvas(128, 96)
REGION = torch.zeros(12, 16)
REGION[4:8, 6:10] = 1.0


def test_an_even_shift_of_colour_is_taken_back_outside() -> None:
    before = torch.randn(1, CANVAS.tokens, 64)
    aligned = unpack(
        color_aligned(tiny_flux(), before + 0.5, before, REGION, CANVAS) - before, CANVAS
    )
    assert torch.allclose(aligned[..., REGION == 0], torch.zeros(()), atol=1e-5)
    assert torch.allclose(aligned[..., REGION == 1], torch.tensor(0.5), atol=1e-5)


def test_details_outside_are_left_to_the_edit() -> None:
    torch.manual_seed(0)
    before, detail = torch.zeros(1, CANVAS.tokens, 64), torch.randn(1, CANVAS.tokens, 64)
    aligned = color_aligned(tiny_flux(), before + detail, before, REGION, CANVAS)
    assert (aligned - detail).abs().mean() < 0.2 < detail.abs().mean()


def test_outside_the_latents_are_those_before() -> None:
    before, edited = torch.zeros(1, CANVAS.tokens, 64), torch.ones(1, CANVAS.tokens, 64)
    kept = unpack(outside_kept(tiny_flux(), edited, before, REGION, CANVAS), CANVAS)[0, 0]
    assert torch.equal(kept, REGION)


@pytest.mark.parametrize("canvas", [Canvas(16, 16), Canvas(40, 300)])
def test_small_and_narrow_pictures_are_aligned_too(canvas: Canvas) -> None:
    region = torch.zeros(2 * canvas.rows, 2 * canvas.cols)
    before = torch.randn(1, canvas.tokens, 64)
    assert torch.allclose(
        color_aligned(tiny_flux(), before + 1, before, region, canvas), before, atol=1e-4
    )
