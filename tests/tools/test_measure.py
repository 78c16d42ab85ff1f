"""How far pictures are apart: known answers."""

import numpy as np
import pytest

from editing_core.metrics import (
    IDENTICAL,
    box_mean,
    color_difference,
    psnr_of,
    shift,
    ssim_map,
    widened,
)

NOISE = np.random.default_rng(0).uniform(0, 255, (32, 48))


def test_psnr_of_a_known_error() -> None:
    black = np.zeros((4, 4, 3))
    assert psnr_of(black, black + 255) == pytest.approx(0)
    assert psnr_of(black, black + 25.5) == pytest.approx(20)
    assert psnr_of(black, black) == IDENTICAL


def test_structure_of_itself_is_one_and_of_its_negative_below_zero() -> None:
    assert ssim_map(NOISE, NOISE) == pytest.approx(1)
    assert ssim_map(NOISE, 255 - NOISE).mean() < -0.5


def test_structure_of_flat_pictures_compares_their_brightness() -> None:
    a, b = np.full((8, 8), 100.0), np.full((8, 8), 150.0)
    c1 = (0.01 * 255) ** 2
    assert ssim_map(a, b) == pytest.approx((2 * 100 * 150 + c1) / (100**2 + 150**2 + c1))


def test_a_moved_picture_is_moved_by_so_many_pixels() -> None:
    smooth = box_mean(NOISE, 3)
    assert shift(smooth, np.roll(smooth, (2, -1), (0, 1))) == pytest.approx(np.hypot(2, 1))
    assert shift(smooth, smooth) == 0


def test_what_may_differ_does_not_count_as_moved() -> None:
    smooth, where = box_mean(NOISE, 3), np.zeros(NOISE.shape, bool)
    where[:16] = True
    other = np.where(where, np.roll(smooth, 9, axis=1), smooth)
    assert shift(smooth, other, but=where) == 0


def test_a_mask_grows_by_so_many_pixels() -> None:
    dot = np.zeros((9, 9), bool)
    dot[4, 4] = True
    assert widened(dot, 2).sum() == 25


@pytest.mark.parametrize(
    ("a", "b", "apart"),
    [  # CIE 1976, D65; L*a*b* of sRGB's corners as colorimetry books give them
        ((0, 0, 0), (255, 255, 255), 100.0),
        ((255, 0, 0), (0, 255, 0), 170.6),
        ((0, 0, 255), (255, 255, 0), 235.1),
        ((10, 10, 10), (10, 10, 10), 0.0),
    ],
)
def test_colours_are_apart_as_cie_says(a: tuple, b: tuple, apart: float) -> None:
    one, other = (np.tile(np.array(color, dtype=float), (5, 1)) for color in (a, b))
    assert color_difference(one, other) == pytest.approx(apart, abs=0.1)
