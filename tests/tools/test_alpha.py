"""What was transparent is so again when saved, and looks on white as the edit made it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agent.terminal.file_io import export
from tools.alpha import alpha_of, given_back, on_white, packed, unpacked
from tools.pictures import PictureStore, open_picture


@pytest.fixture
def cutout(tmp_path: Path) -> Path:
    """A red disc with soft edges on nothing, 41 x 33 pixels."""
    alpha = Image.radial_gradient("L").point(lambda x: 255 - x).resize((41, 33))
    image = Image.new("RGB", alpha.size, "red")
    image.putalpha(alpha)
    image.save(tmp_path / "cutout.png")
    return tmp_path / "cutout.png"


def test_taking_white_out_undoes_showing_on_white(cutout: Path) -> None:
    """To within what rounding costs, which is the more the less is seen."""
    image = Image.open(cutout)
    alpha = alpha_of(image)
    assert alpha is not None
    back = given_back(on_white(image, alpha), alpha)
    assert back.getchannel("A").tobytes() == alpha.tobytes()
    apart = np.abs(np.asarray(back.convert("RGB"), int) - np.asarray(image.convert("RGB"), int))
    opaque = np.asarray(alpha) > 128
    assert apart[opaque].max() <= 1
    seen = np.asarray(on_white(back, alpha), int) - np.asarray(on_white(image, alpha), int)
    assert np.abs(seen).max() <= 1


@pytest.mark.parametrize(("ending", "kept"), [(".png", True), (".tif", True), (".jpg", False)])
def test_an_edited_cutout_is_saved_as_one(
    cutout: Path, tmp_path: Path, ending: str, kept: bool
) -> None:
    opened = open_picture(cutout)
    assert opened.image.mode == "RGB" and "saved transparent again" in opened.notes[0]
    store = PictureStore(tmp_path / "pictures")
    first = store.put(opened.image)
    store.remember(first, opened.source)
    blue = Image.merge("RGB", opened.image.split()[::-1])
    name = store.put(blue, recipe={"original": first})
    saved = export(store.path(name), tmp_path / f"blue{ending}", name="blue")
    with Image.open(saved) as image, Image.open(cutout) as before:
        now, then = alpha_of(image), alpha_of(before)
        assert image.size == (41, 33)
    if kept:
        assert now is not None and then is not None and now.tobytes() == then.tobytes()
        assert np.abs(np.asarray(open_picture(saved).image, int) - np.asarray(blue)).max() <= 1
    else:
        assert now is None


def test_opaque_and_broken_transparency_are_none(tmp_path: Path) -> None:
    assert alpha_of(Image.new("RGBA", (4, 4), (1, 2, 3, 255))) is None
    assert alpha_of(Image.new("RGB", (4, 4))) is None
    assert unpacked(packed(None)) is None and unpacked(b"no picture") is None


def test_palettes_with_a_transparent_colour(tmp_path: Path) -> None:
    image = Image.new("P", (20, 20), 3)
    image.putpalette([i for i in range(256) for _ in range(3)])
    image.paste(7, (0, 0, 10, 20))
    image.save(tmp_path / "old.gif", transparency=7)
    opened = open_picture(tmp_path / "old.gif")
    assert opened.image.getpixel((2, 2)) == (255, 255, 255)
    assert opened.source.suffix == ".png"
    alpha = unpacked(opened.source.alpha)
    assert alpha is not None and alpha.getpixel((2, 2)) == 0 and alpha.getpixel((15, 2)) == 255
