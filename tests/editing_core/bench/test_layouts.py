"""Benchmarks of photographs are read as they are laid out, and refused in one sentence."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from editing_core.bench.photographs.command import chosen, main
from editing_core.benchmark_layouts import SIDE, LayoutError, decoded, mtc, pie
from editing_core.settings import PRESETS

CAKE = {
    "image_path": "0_random_140/cake.png",
    "original_prompt": "a round cake with [orange] frosting",
    "editing_prompt": "a [square] cake with orange frosting",
    "editing_instruction": "make it square",
    "editing_type_id": "1",
    "blended_word": "cake cake",
    "mask": [0, 2, SIDE * 300 + 200, 5],
}
CAT = """
image_path: 0_random_140/cat.png
original_prompt: a cat on a fence
instructions:
  - Round 1:
      editing_instruction: a cat with a [hat] on a fence
      editing_type_id: '2'
  - Round 2:
      editing_instruction: a cat with a blue hat on a fence
      editing_type_id: '6'
"""


def picture(folder: Path, path: str, size: tuple[int, int] = (64, 64)) -> None:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, "gray").save(file)


def pie_folder(folder: Path, **changes: object) -> Path:
    picture(folder, "annotation_images/0_random_140/cake.png")
    (folder / "mapping_file.json").write_text(json.dumps({"000": CAKE | changes}))
    return folder


def mtc_folder(folder: Path, text: str = CAT) -> Path:
    (folder / "MTC_prompts" / "7").mkdir(parents=True)
    (folder / "MTC_prompts" / "7" / "7.yaml").write_text(text)
    picture(folder, "0_random_140/cat.png")
    return folder


def test_pie_bench_is_one_edit_a_picture(tmp_path) -> None:
    (cake,) = pie(pie_folder(tmp_path))
    assert cake.name == "000" and cake.picture.is_file()
    assert cake.source_prompt == "a round cake with orange frosting"
    assert cake.target_prompts == ("a square cake with orange frosting",)
    assert cake.kinds == ("replace",)


def test_run_lengths_by_hand() -> None:
    mask = decoded((SIDE * 300 + 200, 5, SIDE * 301 + 509, 2, SIDE * SIDE - SIDE - 3, 10**9))
    border = np.zeros((SIDE, SIDE), dtype=bool)
    border[0] = border[-1] = border[:, 0] = border[:, -1] = True
    inside = mask & ~border
    assert mask[border].all()
    assert np.argwhere(inside).tolist() == [
        *([300, column] for column in (200, 201, 202, 203, 204)),
        *([301, column] for column in (509, 510)),
        *([510, column] for column in (509, 510)),  # and on, to the end and no further
    ]


def test_a_mask_is_as_large_as_its_picture(tmp_path) -> None:
    (cake,) = pie(pie_folder(tmp_path, mask=[0, SIDE * SIDE // 2]))
    mask = cake.mask(64, 64)
    assert mask is not None and mask.shape == (64, 64)
    assert mask[:32].all() and not mask[32:63, 1:63].any()


def test_without_a_mask_an_edit_belongs_everywhere(tmp_path) -> None:
    (cake,) = pie(pie_folder(tmp_path, mask=None))
    assert cake.mask(64, 64) is None


def test_the_papers_sequences_are_captions_of_several_turns(tmp_path) -> None:
    (cat,) = mtc(mtc_folder(tmp_path))
    assert cat.name == "7" and cat.picture.is_file() and cat.runs is None
    assert cat.target_prompts == ("a cat with a hat on a fence", "a cat with a blue hat on a fence")
    assert cat.kinds == ("add", "color")


def test_a_larger_draw_holds_the_smaller(tmp_path) -> None:
    (cake,) = pie(pie_folder(tmp_path))
    many = [replace(cake, name=str(i)) for i in range(20)]
    assert chosen(many, None) == many
    assert chosen(many, 5) == chosen(many, 9)[:5] != many[:5]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mask": [1, 2, 3]}, "000.mask: run lengths come in pairs"),
        ({"mask": [SIDE * SIDE, 1]}, "000.mask: a run starts beyond"),
        ({"mask": [5, -1]}, "000.mask.1: Input should be greater than or equal to 0"),
        ({"mask": "all"}, "000.mask"),
        ({"editing_type_id": "10"}, "000.editing_type_id: Input should be less than 10"),
        ({"original_prompt": None}, "000.original_prompt"),
        ({"image_path": "nowhere.png"}, "picture nowhere.png of .* is not there"),
    ],
)
def test_what_is_wrong_with_pie_bench_is_said(tmp_path, changes, says) -> None:
    with pytest.raises(LayoutError, match=says) as error:
        pie(pie_folder(tmp_path, **changes))
    assert "\n" not in str(error.value) and str(error.value).endswith(".")


@pytest.mark.parametrize(
    ("size", "says"), [((64, 48), "masks of PIE-Bench are for squares"), ((16, 16), "too small")]
)
def test_pictures_of_a_wrong_size_are_refused(tmp_path, size, says) -> None:
    pie_folder(tmp_path)
    picture(tmp_path, "annotation_images/0_random_140/cake.png", size)
    with pytest.raises(LayoutError, match=says):
        pie(tmp_path)


def test_what_is_no_picture_is_refused(tmp_path) -> None:
    pie_folder(tmp_path)
    (tmp_path / "annotation_images/0_random_140/cake.png").write_text("cake")
    with pytest.raises(LayoutError, match="no picture that can be read"):
        pie(tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("image_path: [", "7.yaml:1: this is no YAML"),
        ("image_path: cat.png\noriginal_prompt: a cat", "instructions: Field required"),
        (CAT.partition("  - Round")[0] + "  []", "instructions: List should have at least 1 item"),
        (CAT.replace("'6'", "sixth"), "instructions.1.Round 2.editing_type_id"),
        (CAT.replace("cat.png", "dog.png"), "picture 0_random_140/dog.png of .* is not there"),
    ],
)
def test_what_is_wrong_with_a_sequence_is_said(tmp_path, text, says) -> None:
    with pytest.raises(LayoutError, match=says) as error:
        mtc(mtc_folder(tmp_path, text))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("read", "says"),
    [(pie, "mapping_file.json cannot be read"), (mtc, "There is no MTC_prompts")],
)
def test_an_empty_folder_is_refused(tmp_path, read, says) -> None:
    with pytest.raises(LayoutError, match=says):
        read(tmp_path)


def test_without_the_extra_it_is_said_what_to_install(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr("editing_core.bench.photographs.command.find_spec", lambda name: None)
    assert main([str(tmp_path)], {"steady": ("steady", lambda kind, turns: PRESETS["steady"])}) == 3
    assert capsys.readouterr().err == (
        "bench: Photographs are judged with torchmetrics, which is not here: "
        "install Palimpsest with its extra eval, pip install -e '.[eval]'.\n"
    )
