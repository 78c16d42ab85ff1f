"""Pictures of any size: edited at the model's size, carried up, untouched elsewhere."""

import numpy as np
import pytest
from perfect_chat import talk
from PIL import Image

from editing_core.models.offers import FIRST_EDITION, FLUX1, SHIPPED
from editing_core.worlds.registry import shipped_world
from tools import full_size
from tools.full_size import carried_up, working_size
from tools.pictures import PictureError, open_picture


@pytest.mark.parametrize(
    ("spec", "size", "expected"),
    [
        (FIRST_EDITION, (256, 256), (128, 128)),
        (FIRST_EDITION, (40, 40), (128, 128)),
        (FIRST_EDITION, (240, 320), (128, 128)),
        (SHIPPED, (128, 128), (128, 128)),
        (SHIPPED, (200, 300), (200, 300)),
        (SHIPPED, (1000, 2000), (192, 384)),
        (SHIPPED, (1000, 4000), (128, 384)),
        (FLUX1, (4032, 3024), (1440, 1088)),
        (FLUX1, (1000, 700), (1000, 700)),
    ],
)
def test_a_model_works_at_a_size_it_is_good_at(spec, size, expected):
    assert working_size(spec, size) == expected


def noise(size, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def halves(size):
    """A mask whose right half may change."""
    mask = Image.new("L", size, 0)
    mask.paste(255, (size[0] // 2, 0, *size))
    return mask


def test_outside_the_mask_every_pixel_stays():
    full = noise((400, 300))
    before = full.resize((40, 30), Image.Resampling.LANCZOS)
    made = np.asarray(carried_up(full, before, Image.new("RGB", (40, 30), "red"), halves((40, 30))))
    assert (made[:, :190] == np.asarray(full)[:, :190]).all()
    assert (made[:, 215:] == [255, 0, 0]).all()


def test_what_was_not_changed_keeps_its_detail():
    full = noise((400, 300))
    before = full.resize((40, 30), Image.Resampling.LANCZOS)
    assert carried_up(full, before, before, None).tobytes() == full.tobytes()
    brighter = Image.eval(before, lambda v: min(v + 5, 255))
    moved = np.asarray(carried_up(full, before, brighter, None), np.int16) - np.asarray(full)
    assert 4 <= np.median(moved) <= 5


def test_bands_leave_no_seam(monkeypatch):
    full, after = Image.radial_gradient("L").convert("RGB"), noise((32, 32), seed=1)
    before = full.resize((32, 32), Image.Resampling.LANCZOS)
    monkeypatch.setattr(full_size, "BAND", 1000)
    whole = np.asarray(carried_up(full, before, after, halves((32, 32))), np.int16)
    monkeypatch.setattr(full_size, "BAND", 13)
    banded = np.asarray(carried_up(full, before, after, halves((32, 32))), np.int16)
    assert np.abs(whole - banded).max() <= 1


def test_a_picture_of_a_hundred_megapixels_is_the_largest(tmp_path):
    path = tmp_path / "large.png"
    Image.new("1", (10_001, 10_000)).save(path)
    with pytest.raises(PictureError, match="at most 100 megapixels"):
        open_picture(path)


@pytest.mark.weights
def test_a_large_portrait_is_edited_undone_and_made_again(capsys, tmp_path):
    import chat

    path = tmp_path / "large.png"
    shipped_world().draw({}, side=1000)[0].save(path)
    said = ("--say", "give her sunglasses", "--say", "add a red hat", "--say", "/undo")
    events, _ = talk(capsys, path, *said, "--out", tmp_path)
    made = [event for event in events if event["event"] == "turn.completed"]
    pictures = [np.asarray(Image.open(path), np.int16)]
    pictures += [np.asarray(Image.open(event["picture"]), np.int16) for event in made]
    assert all(picture.shape == (1000, 1000, 3) for picture in pictures)
    for before, after in zip(pictures, pictures[1:], strict=False):
        assert 0.01 < (before != after).any(axis=2).mean() < 0.5
    shirt = (pictures[2] == pictures[0]).all(axis=2)[850:]
    assert shirt.mean() > 0.98  # neither edit is about it
    assert chat.main(["redo", made[1]["picture"], "--original", str(path)]) == 0


@pytest.mark.weights
def test_a_picture_that_the_model_knows_nothing_of_is_not_edited_without_a_word(capsys, photo):
    _, said = talk(capsys, photo, "--caption", "a photo of a lamp", "--plan-only", "--say", "/tree")
    assert "photo.png: it is none of the portraits that the model" in said and "--model" in said
