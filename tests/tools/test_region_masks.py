"""Regions in words: how they are said, made larger or smaller, taken apart, kept in recipes."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tools.arguments import InputError
from tools.mask_shapes import grown, parts, shrunk
from tools.region_masks import (
    RegionMask,
    RegionRecipe,
    around,
    combined,
    corrected,
    feathered,
    mirrored,
)
from tools.regions import Correction, Move, correction, moved, parts_of, region

SIZE = (400, 300)


def disk(x: int, y: int, radius: int, size: tuple[int, int] = SIZE) -> Image.Image:
    rows, columns = np.mgrid[: size[1], : size[0]]
    inside = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
    return Image.fromarray(np.where(inside, 255, 0).astype(np.uint8))


def region_of(mask: Image.Image) -> RegionMask:
    found = around(mask, words="it", by="clipseg")
    assert found is not None
    return found


def inside(region: RegionMask | None) -> np.ndarray:
    assert region is not None
    return np.asarray(region.laid_over(SIZE)) >= 128


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("larger", "larger"),
        ("Make it a bit bigger, please", "slightly larger"),
        ("too small", "larger"),
        ("much smaller!", "much smaller"),
        ("a bit to the left", "slightly left"),
        ("move it to the right a little", "slightly right"),
        ("higher", "up"),
        ("no, lower", "down"),
        ("not the hair", "not the hair"),
        ("without her hair please", "not her hair"),
        ("and the neck", "and the neck"),
        ("the neck too", "and the neck"),
        ("the other one", "other"),
    ],
)
def test_a_correction_is_read_as_people_say_it(said: str, read: str) -> None:
    assert str(correction(said)) == read
    assert correction(read) == correction(said), "what is written is read again"


@pytest.mark.parametrize(
    "said", ["make her older", "a larger hat", "left half", "the man on the left", "add a hat", ""]
)
def test_what_is_no_correction(said: str) -> None:
    assert correction(said) is None


def test_a_region_holds_its_corrections_in_order() -> None:
    value = region("the man on the left; larger; not the hair")
    assert parts_of(value) == (
        "the man on the left",
        (Correction("larger"), Correction("not", words="the hair")),
    )


def test_growing_and_shrinking_are_by_a_disk() -> None:
    point = np.zeros((41, 41), bool)
    point[20, 20] = True
    disk_of_nine = grown(point, 9)
    rows, columns = np.mgrid[:41, :41]
    assert (disk_of_nine == ((rows - 20) ** 2 + (columns - 20) ** 2 <= 81)).all()
    assert (shrunk(disk_of_nine, 9) == point).all()


def test_parts_hang_together_across_corners() -> None:
    mask = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 0, 0]], bool)
    assert [int(part.sum()) for part in parts(mask)] == [2, 2, 2]
    ring = np.ones((5, 5), bool)
    ring[1:4, 1:4] = False
    assert [int(part.sum()) for part in parts(ring)] == [16], "joined below, though begun apart"


def test_larger_and_smaller_move_the_edge_by_a_share_of_the_size() -> None:
    first = region_of(disk(200, 150, 40))
    area = inside(first).sum()
    larger, smaller = (inside(corrected(first, Correction(k), SIZE)) for k in ("larger", "smaller"))
    assert area * 1.5 < larger.sum() < area * 1.9  # an edge 11 pixels further out: (51 / 40)²
    assert area * 0.35 < smaller.sum() < area * 0.6
    little = inside(corrected(first, Correction("larger", "slightly"), SIZE)).sum()
    assert area < little < larger.sum()
    for _ in range(8):
        first = corrected(first, Correction("smaller", "much"), SIZE) or first
    assert inside(first).any(), "something always stays"


def test_a_region_moves_without_changing_its_shape() -> None:
    first = region_of(disk(200, 150, 40))
    for kind, across, down in (("left", -1, 0), ("right", 1, 0), ("up", 0, -1), ("down", 0, 1)):
        made = inside(corrected(first, Correction(kind), SIZE))
        rows, columns = np.nonzero(made)
        assert columns.mean() - 200 == pytest.approx(11 * across, abs=1)
        assert rows.mean() - 150 == pytest.approx(11 * down, abs=1)
        assert made.sum() == pytest.approx(inside(first).sum(), rel=0.05)


def test_a_box_stays_a_box() -> None:
    box = RegionMask((0.25, 0.25, 0.5, 0.5))
    larger = corrected(box, Correction("larger"), SIZE)
    assert larger is not None and larger.mask is None and larger.whole
    assert larger.bounds == pytest.approx((0.2125, 0.2125, 0.5375, 0.5375))
    edge = corrected(RegionMask((0.0, 0.0, 0.2, 0.2)), Correction("left", "much"), SIZE)
    assert edge is not None and edge.bounds == (0.0, 0.0, 0.2, 0.2)


def test_a_box_fades_at_its_edges_but_not_at_the_pictures() -> None:
    soft = feathered(RegionMask((0.0, 0.25, 0.5, 0.75)))
    levels = np.asarray(soft.laid_over(SIZE)).astype(int)
    height, width = levels.shape
    down, across = levels[:, width // 4], levels[height // 2]
    assert down.max() == 255 and np.abs(np.diff(down)).max() < 40, "no step shows"
    assert across[0] == 255 and np.abs(np.diff(across)).max() < 40
    hard = np.asarray(RegionMask(soft.bounds).laid_over(SIZE)) > 0
    assert not levels[~hard].any() and levels[hard].mean() > 220
    assert feathered(soft) is soft and feathered(region_of(disk(200, 150, 40))).mask is not None
    again = RegionRecipe.model_validate(soft.recipe()).over(soft.bounds)
    assert again.laid_over(SIZE).tobytes() == soft.laid_over(SIZE).tobytes()


def test_one_region_is_taken_from_another_or_added_to_it() -> None:
    face, hair = region_of(disk(200, 150, 60)), region_of(disk(200, 110, 40))
    without, both = combined(face, hair, keep=False), combined(face, hair, keep=True)
    assert not (inside(without) & (np.asarray(disk(200, 110, 37)) > 0)).any()
    assert inside(without)[190, 200]
    assert (inside(both) >= (inside(face) & inside(hair))).all() and inside(both)[75, 200]
    assert combined(hair, region_of(disk(200, 110, 60)), keep=False) is None, "nothing is left"
    other = inside(mirrored(region_of(disk(100, 150, 30))))
    assert other[150, 300] and not other[150, 100]


def test_a_recipe_holds_a_region_bit_for_bit() -> None:
    first = region_of(disk(200, 150, 40))
    held = first.recipe()
    again = RegionRecipe.model_validate(held).over(first.bounds)
    assert again.mask is not None and first.mask is not None
    assert again.mask.tobytes() == first.mask.tobytes() and again.bounds == first.bounds
    assert len(str(held["mask"])) < 8000
    box = RegionMask((0.1, 0.1, 0.4, 0.4), words="1,1,3,3")
    assert RegionRecipe.model_validate(box.recipe()).over(box.bounds).mask is None


@pytest.mark.parametrize("mask", ["not base64!", "aGVsbG8="])
def test_what_is_no_mask_in_a_recipe_is_refused(mask: str) -> None:
    with pytest.raises(InputError, match="region of a recipe"):
        RegionRecipe(mask=mask).over((0.0, 0.0, 1.0, 1.0))
    with pytest.raises(InputError, match="region of a recipe"):
        RegionRecipe(mask=None).over(None)


@pytest.mark.parametrize(
    ("name", "value", "after", "there"),
    [
        ("crop", "100,50,200,200", (200, 200), (0, 10, 80, 100)),
        ("crop", "1:1", (300, 300), (30, 60, 100, 100)),
        ("rotate", "90", (300, 400), (140, 80, 100, 100)),
        ("rotate", "-90", (300, 400), (60, 220, 100, 100)),
        ("rotate", "180", (400, 300), (220, 140, 100, 100)),
        ("flip", "horizontal", (400, 300), (220, 60, 100, 100)),
        ("flip", "vertical", (400, 300), (80, 140, 100, 100)),
        ("resize", "50%", (200, 150), (40, 30, 50, 50)),
    ],
)
def test_a_box_goes_where_an_operation_puts_its_pixels(
    name: str, value: str, after: tuple[int, int], there: tuple[int, int, int, int]
) -> None:
    way = Move(name, value, SIZE, after).matrix
    assert moved((80, 60, 100, 100), way, after) == there


def test_a_box_outside_a_crop_is_nowhere() -> None:
    way = Move("crop", "200,0,200,300", SIZE, (200, 300)).matrix
    assert moved((0, 0, 150, 100), way, (200, 300)) is None
