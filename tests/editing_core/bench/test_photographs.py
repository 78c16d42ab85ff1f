"""The photographs bench: whole runs with tiny judges."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from tiny_networks import EXTRA, photograph, save_networks

from editing_core.bench.photographs.command import main
from editing_core.bench.photographs.names import NetworkNames
from editing_core.editor import Editor, EditRequest, EditResult
from editing_core.errors import EditError
from editing_core.settings import EditSettings

pytest.importorskip("torchmetrics", reason=EXTRA)

from editing_core.bench.photographs import running  # noqa: E402

WAYS = {
    "regenerate": ("regenerate", lambda kind, turns: EditSettings(steps=2)),
    "steady, quick": ("steady", lambda kind, turns: EditSettings(steps=3, keep="outside")),
}


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> NetworkNames:
    return save_networks(tmp_path_factory.mktemp("networks"))


def pie_folder(folder: Path) -> Path:
    mask = [(512 * row + 100, 300) for row in range(150, 400)]
    items = {}
    for name, prompts in {
        "astronaut": ("a woman in an [orange] suit", "a woman in a [red] suit"),
        "cat": ("a brown cat", "a brown cat [with sunglasses]"),
    }.items():
        image = photograph(name, 96)
        side = min(image.size)
        file = folder / "annotation_images" / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        image.crop((0, 0, side, side)).save(file)
        items[name] = {
            "image_path": file.name,
            "original_prompt": prompts[0],
            "editing_prompt": prompts[1],
            "editing_type_id": "6",
            "blended_word": "",
            "mask": [number for run in mask for number in run],
        }
    (folder / "mapping_file.json").write_text(json.dumps(items))
    return folder


def mtc_folder(folder: Path) -> Path:
    for name in ("coffee", "cat"):
        photograph(name, 100).save(folder / f"{name}.png")  # 100 x 67: no multiple of 16
        file = folder / "MTC_prompts" / name / f"{name}.yaml"
        file.parent.mkdir(parents=True)
        rounds = {"Round 1": (f"a photo of a red {name}", "6"), "Round 2": (f"a {name}", "9")}
        asked = [
            {turn: {"editing_instruction": prompt, "editing_type_id": kind}}
            for turn, (prompt, kind) in rounds.items()
        ]
        held = {"original_prompt": f"a photo of a {name}", "instructions": asked}
        file.write_text(json.dumps(held | {"image_path": f"{name}.png"}))  # which is YAML, too
    return folder


def command(folder: Path, names: NetworkNames, *more: str) -> list[str]:
    said = [str(folder), "--model", "portraits", "--out", str(folder / "out"), *more]
    for flag in ("clip", "dino", "perceptual", "features"):
        said += [f"--{flag}", getattr(names, flag)]
    return said


@pytest.mark.weights
def test_one_edit_a_photograph(tmp_path, names, capsys) -> None:
    assert main(command(pie_folder(tmp_path), names), WAYS) == 0
    told = capsys.readouterr().out
    assert "2 sequences after turn 1" in told and "| steady, quick | " in told
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    regenerate, steady = (report["ways"][way][-1] for way in WAYS)
    assert steady["scores"]["psnr"]["value"] > regenerate["scores"]["psnr"]["value"]
    assert (steady["steps"], regenerate["steps"]) == (3, 2)
    assert steady["frechet"] is not None and steady["count"] == 2
    assert (tmp_path / "out" / "steady-quick" / "cat" / "turn-1.png").exists()


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of all edits and judgements from now on."""
    done: list[str] = []
    edit, judge = Editor.edit, running.scores

    def told_edit(*args, **more):
        done.append(more["method"])
        return edit(*args, **more)

    def told_judge(*args):
        done.append("judge")
        return judge(*args)

    monkeypatch.setattr(Editor, "edit", told_edit)
    monkeypatch.setattr(running, "scores", told_judge)
    return done


@pytest.mark.weights
def test_a_run_goes_on_where_it_was(tmp_path, names, capsys, work) -> None:
    folder = mtc_folder(tmp_path)
    told = command(folder, names, "--layout", "mtc")
    assert main([*told, "--methods", "regenerate"], WAYS) == 0
    assert work == ["regenerate", "regenerate", "judge", "judge"] * 2
    table = capsys.readouterr().out
    assert "2 sequences after turn 2" in table and "steady" not in table
    with Image.open(folder / "out" / "regenerate" / "coffee" / "turn-2.png") as last:
        assert last.size == (100, 67)

    work.clear()
    assert main([*told, "--methods", "regenerate"], WAYS) == 0
    assert not work and capsys.readouterr().out == table

    (folder / "out" / "regenerate" / "cat" / "edits.json").unlink()  # as if killed before its end
    assert main([*told, "--methods", "regenerate"], WAYS) == 0
    assert work == ["regenerate", "regenerate", "judge", "judge"]
    assert row(capsys.readouterr().out) == row(table)

    work.clear()
    assert main([*told, "--methods", "regenerate", "--levels", "published"], WAYS) == 0
    assert work == ["judge"] * 4

    work.clear()
    slower = {"regenerate": ("regenerate", lambda kind, turns: EditSettings(steps=3))}
    assert main([*told, "--count", "1"], slower) == 0
    assert work == ["regenerate", "regenerate", "judge", "judge"]
    assert "1 sequence after turn 2" in (lone := capsys.readouterr().out)
    assert row(lone)["FID"] == "–"


@pytest.mark.weights
def test_every_turn_goes_on_from_the_last(tmp_path, names, monkeypatch) -> None:
    asked: list[tuple[EditRequest, EditResult]] = []
    edit = Editor.edit

    def noted(self, request, **more):
        asked.append((request, made := edit(self, request, **more)))
        return made

    monkeypatch.setattr(Editor, "edit", noted)
    told = command(mtc_folder(tmp_path), names, "--layout", "mtc", "--count", "1")
    assert main([*told, "--methods", "regenerate"], WAYS) == 0
    (first, made), (second, _) = asked
    assert first.current is first.original is second.original
    assert second.current.image is made.picture and second.current.latents is made.latents
    assert first.edit_words == ("red",)
    assert second.source_prompt == first.target_prompt != second.target_prompt


def row(told: str) -> dict[str, str]:
    """The last row of a printed table, but for how long it took."""
    table = [line.split("|")[1:-1] for line in told.splitlines() if line.startswith("|")]
    cells = {title.strip(): cell.strip() for title, cell in zip(table[0], table[-1], strict=True)}
    return {title: cell for title, cell in cells.items() if title != "seconds"}


@pytest.mark.parametrize(
    ("spoil", "code", "says"),
    [
        (lambda folder: (folder / "coffee.png").unlink(), 2, "The picture coffee.png of "),
        (lambda folder: shutil.rmtree(folder / "MTC_prompts"), 2, "There is no MTC_prompts"),
        (lambda folder: (folder / "out").touch(), 3, "Results cannot be kept in "),
    ],
)
def test_unreadable_benchmarks_are_refused(tmp_path, names, capsys, spoil, code, says) -> None:
    spoil(mtc_folder(tmp_path))
    assert main(command(tmp_path, names, "--layout", "mtc"), WAYS) == code
    said = capsys.readouterr().err
    assert said.startswith(f"bench: {says}") and said.count("\n") == 1


@pytest.mark.weights
def test_missing_networks_and_models_are_refused(tmp_path, names, capsys) -> None:
    told = command(mtc_folder(tmp_path), names, "--layout", "mtc")
    assert main([*told, "--clip", str(tmp_path / "nowhere")], WAYS) == 3
    assert "The CLIP model" in capsys.readouterr().err
    assert main([*told, "--model", "nothing"], WAYS) == 3
    assert "There is no model 'nothing'" in capsys.readouterr().err


def test_an_edit_that_cannot_be_made_is_told(tmp_path, names, capsys, monkeypatch) -> None:
    def refuse(*args, **more):
        raise EditError("The prompt is too long.")

    monkeypatch.setattr(Editor, "edit", refuse)
    assert main(command(mtc_folder(tmp_path), names, "--layout", "mtc"), WAYS) == 1
    assert "bench: Turn 1 of cat: The prompt is too long.\n" in capsys.readouterr().err
