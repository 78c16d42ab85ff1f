"""A chat about a cutout, a picture of 16 bits and one of Display P3: what no edit reaches stays."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from color_profiles import display_p3
from PIL import Image
from tiny_flux import noise_picture, tiny_flux

import chat
from editing_core.editor import Editor
from tools.deep_files import read_deep
from tools.fast_png import png_bytes
from tools.provenance import read

SIZE = (96, 64)
BOX = (16, 8, 48, 32)  # left, top, width and height of the region that edits keep to
Samples = np.ndarray[Any, Any]


def cutout(file: Path) -> None:
    image = noise_picture(*SIZE).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(SIZE))
    image.save(file)


def deep(file: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 65536, (SIZE[1], SIZE[0], 3))
    file.write_bytes(png_bytes(levels.astype(np.uint16)))


def wide_colors(file: Path) -> None:
    noise_picture(*SIZE).save(file, icc_profile=display_p3())


@pytest.fixture(autouse=True)
def tiny_model(monkeypatch: pytest.MonkeyPatch) -> None:
    editor = Editor(tiny_flux())
    monkeypatch.setattr("tools.edit_picture.load_editor", lambda *_, **__: editor)
    monkeypatch.setattr("tools.redo.load_editor", lambda *_, **__: editor)


def samples_of(file: Path) -> Samples:
    if (sixteen := read_deep(file, 1.0)) is not None:
        return sixteen
    with Image.open(file) as image:
        return np.asarray(image)


@pytest.mark.parametrize("make", [cutout, deep, wide_colors])
def test_edit_undo_branch_and_redo(
    tmp_path: Path, make: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    file, one, other = (tmp_path / name for name in ("mine.png", "one.png", "other.png"))
    make(file)
    given = ["--offline", "--anyway", "--home", str(tmp_path / "home"), str(file), "--draft",
             "--caption", "a woman", "--region", ",".join(map(str, BOX))]  # fmt: skip
    lines = ("add a red hat", f"/save {one}", "undo", "add sunglasses", f"/save {other}")
    assert chat.main([*given, *(word for line in lines for word in ("--say", line))]) == 0
    before, outside = samples_of(file), np.ones(SIZE[::-1], bool)
    left, top, width, height = BOX
    outside[top : top + height, left : left + width] = False
    first, second = samples_of(one), samples_of(other)
    for made in (first, second):
        assert made.dtype == before.dtype and made.shape == before.shape
        assert (made[outside] == before[outside]).all() and (made != before).any()
        assert (made[..., 3:] == before[..., 3:]).all(), "transparency stays everywhere"
    assert (first != second).any()
    with Image.open(file) as was:
        for saved in (one, other):
            with Image.open(saved) as now:
                assert was.info.get("icc_profile") in (None, now.info["icc_profile"])
            told = read(saved)
            assert told is not None and told["steps"] == [], "the other branch is no part of it"
            again = tmp_path / "again.png"
            words = ["redo", str(saved), "--original", str(file), "--model", "tiny",
                     "--out", str(again), "--home", str(tmp_path / "elsewhere")]  # fmt: skip
            capsys.readouterr()
            assert chat.main(words) == 0 and capsys.readouterr().out.startswith("Identical: ")
            assert (samples_of(again) == samples_of(saved)).all()
