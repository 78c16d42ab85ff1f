"""The commands that measure sizes and large pictures: they find what is there, and nothing else."""

from __future__ import annotations

import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_flux import tiny_flux

from editing_core.editor import Editor
from tools import measure_large, measure_sizes
from tools.deep_files import read_deep
from tools.measure_sizes import CHANGES, Person, Step, changed_outside, pairs, pictured, scores
from tools.pictures import PictureStore


@pytest.fixture
def editor(monkeypatch: pytest.MonkeyPatch) -> Editor:
    flux = tiny_flux()
    monkeypatch.setattr(flux, "spec", replace(flux.spec, sizes=(64, 64)))
    return Editor(flux)


def test_a_wide_picture_shows_the_person_in_the_middle() -> None:
    wide = pictured(Person(7), (160, 90))
    assert wide.size == (160, 90)
    assert (np.asarray(wide)[:, 35:125] == np.asarray(pictured(Person(7), (90, 90)))).all()
    assert len({wide.getpixel((x, y)) for x in (0, 30, 130, 159) for y in (0, 89)}) == 1


def test_every_change_is_measured_on_every_person() -> None:
    made = list(pairs(2))
    assert len(made) == 2 * len(CHANGES)
    step = Step.between(*made[0])
    assert {"red", "hat"} <= set(" ".join(step.edit_words).split())


def test_the_truth_has_no_error_and_is_as_sharp_as_itself(
    editor: Editor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = next(pairs(1))
    store, size = PictureStore(tmp_path), (200, 200)

    def perfect(editor: Editor, store: PictureStore, head: str, step: Step) -> object:
        """An editor that draws the truth, at full size or at the model's."""
        made = pictured(after, store.size(head))
        return replace(edited, picture=store.put(made), working=(64, 64))

    edited = measure_sizes._edited(
        editor, store, store.put(pictured(before, (64, 64))), Step.between(before, after)
    )
    monkeypatch.setattr(measure_sizes, "_edited", perfect)
    ours, plain = scores(editor, store, before, after, size)
    assert ours.error == 0.0 and ours.sharpness == 1.0
    assert plain.error > 2.0 and plain.sharpness < 0.7, "64 pixels, enlarged"


def test_what_changes_outside_is_counted(
    editor: Editor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure_sizes, "TURNS", 2)
    store, person = PictureStore(tmp_path), next(pairs(1))[0]
    assert changed_outside(editor, store, person, (128, 96)) == 0
    edit = measure_sizes.edit_picture

    def careless(*args: object, **more: object) -> object:
        made = edit(*args, **more)  # type: ignore[arg-type]
        image = store.image(made.picture).convert("RGB")
        red, green, blue = image.getpixel((0, 95))
        image.putpixel((0, 95), (red ^ 1, green, blue))
        return replace(made, picture=store.put(image))

    monkeypatch.setattr(measure_sizes, "edit_picture", careless)
    monkeypatch.setattr(measure_sizes, "TURNS", 1)
    assert changed_outside(editor, store, person, (128, 96)) == 1


def test_large_pictures_are_what_they_are_called(tmp_path: Path) -> None:
    deep = read_deep(measure_large.drawn(tmp_path / "a.tif", (60, 40)), 1.0)
    assert deep is not None and deep.shape == (40, 60, 3) and len(np.unique(deep)) > 2000
    with Image.open(measure_large.drawn(tmp_path / "a.jpg", (60, 40))) as image:
        assert image.size == (60, 40)


def test_seconds_stand_beside_pillows() -> None:
    found = {"pillow": {"open": 1.0, "save": 1.0, "memory": 1e8},
             "palimpsest": {"open": 2.0, "edit": 4.0, "memory": 3e8}}  # fmt: skip
    rows = measure_large.lines("48.jpg", found)
    assert "| 48.jpg | palimpsest: all | 6.0 | 3.0 | 300 |" in rows
    assert "| 48.jpg | pillow: open | 1.0 | 0.5 |  |" in rows


def peak(taken: int) -> int:
    """Take so many bytes; return the most that the process ever had, in kilobytes."""
    held = b"1" * taken
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + len(held[:0])


def test_what_one_work_takes_is_not_counted_for_the_next() -> None:
    inherited = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # by each new process
    assert measure_large.alone(peak, 2_000_000_000) > 1_900_000
    assert measure_large.alone(peak, 1) < inherited + 200_000
