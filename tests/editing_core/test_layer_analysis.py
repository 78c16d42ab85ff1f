"""Which layers tell where words look: measured, kept in a file, and taken by mtc."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_flux import noise_picture, tiny_flux, tiny_parts

import chat
from agent.models import LAYERS_HEAD
from editing_core import layer_analysis, measured_layers
from editing_core.editor import Editor, EditRequest, Picture
from editing_core.layer_analysis import (
    Samples,
    analysed,
    best_places,
    by_rank,
    cross_checked,
    localisation,
    probes,
    tokens_of,
)
from editing_core.measured_layers import LayerAnalysis, MeasuredLayer, layers_measured, read, write
from editing_core.models.canvas import Canvas
from editing_core.models.checkpoints import SHIPPED_FOLDERS, find
from editing_core.models.offers import FLUX1, FLUX2, SHIPPED
from editing_core.settings import PRESETS, EditSettings
from editing_core.worlds.registry import shipped_world
from tools.edit_picture import differing

MEASURED = LayerAnalysis(
    model="a/model",
    weights="0123456789ab",
    pictures=2,
    layers=(MeasuredLayer(0, "joint", 0.2, 1, 0.8, 0.5),),
    best=(0,),
    overlap=0.5,
    overlap_by_rank=0.4,
)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: folder)
    return folder


# The drawings


def test_of_each_thing_that_is_drawn_it_is_known_where_it_is() -> None:
    world = shipped_world()
    drawn = list(islice(probes(world, 96), 12))
    for probe in drawn:
        assert probe.picture.size == probe.where.size == (96, 96)
        assert probe.words and all(word in probe.caption for word in probe.words)
        assert 0 < np.asarray(probe.where).mean() < 255
    assert len({probe.caption for probe in drawn}) == len(drawn)
    again = list(islice(probes(world, 96), 12))
    assert [probe.picture.tobytes() for probe in drawn] == [p.picture.tobytes() for p in again]


def test_pictures_have_a_size_that_the_model_is_good_at() -> None:
    assert layer_analysis.side_of(SHIPPED) == SHIPPED.sizes[1]
    assert layer_analysis.side_of(FLUX1) == layer_analysis.side_of(FLUX2) == 512
    assert layer_analysis.side_of(replace(FLUX1, sizes=(1024, 2048))) == 1024


def test_tokens_of_a_thing_are_those_it_covers() -> None:
    where = Image.new("L", (40, 32))
    where.paste(255, (0, 0, 20, 16))  # the first token whole, a quarter of the next
    assert tokens_of(where, Canvas(40, 32)).tolist() == [True, True, False, False, False, False]
    small = Image.new("L", (40, 32))
    small.paste(255, (34, 20, 36, 22))
    assert tokens_of(small, Canvas(40, 32)).tolist() == [False] * 5 + [True]


# What is measured


def test_localisation_is_the_area_under_the_roc_curve() -> None:
    truth = torch.tensor([True, True, False, False])
    maps = torch.tensor([[4.0, 3, 2, 1], [1, 2, 3, 4], [1, 1, 1, 1], [4, 1, 2, 3]])
    assert localisation(maps, truth).tolist() == [1.0, 0.0, 0.5, 0.5]
    everywhere = torch.ones(4, dtype=torch.bool)
    assert localisation(maps, everywhere).tolist() == [0.5] * 4


def halves(*layers: str) -> Samples:
    """Two pictures, two steps each; each layer sees all or a part of a thing, or what is not it.

    The thing fills the middle two of four tokens.
    """
    seen = {"left": [0, 1, 0, 0], "right": [0, 0, 1, 0], "both": [0, 1, 1, 0]}
    seen |= {"beside": [1, 0, 0, 1], "corner": [1, 0, 0, 0]}
    maps = torch.tensor([seen[layer] for layer in layers]).float()
    truth = torch.tensor([False, True, True, False])
    return Samples(maps.expand(2, 2, -1, -1), truth.expand(2, -1))


def test_the_layers_are_taken_that_see_most_together() -> None:
    samples = halves("beside", "left", "beside", "right")
    assert best_places(samples) == [1, 3]
    assert cross_checked(samples) == 1.0
    assert best_places(halves("beside", "left", "left")) == [1]


def test_of_two_layers_the_papers_ranks_take_the_less_active() -> None:
    assert by_rank(halves("both", "corner")) == 0.0
    assert cross_checked(halves("both", "corner")) == 1.0


def test_a_model_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_analysis, "SIDE", 64)
    model, told = tiny_flux(), []
    monkeypatch.setattr(model, "spec", replace(model.spec, sizes=(64, 64)))
    before = model.forwards
    analysis = analysed(model, pictures=3, progress=lambda *done: told.append(done))
    layers = model.attention()
    assert model.forwards - before == 3 * (4 + 1 + len(layers))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert [layer.index for layer in analysis.layers] == list(range(len(layers)))
    joint = [layer for layer in analysis.layers if layer.stream == "joint"]
    assert sorted(layer.rank for layer in joint) == list(range(1, len(joint) + 1))
    by_activation = sorted(joint, key=lambda layer: layer.rank)
    assert [layer.activation for layer in by_activation] == sorted(
        (layer.activation for layer in joint), reverse=True
    )
    assert all(layer.rank == 0 for layer in analysis.layers if layer not in joint)
    assert all(0 <= layer.localisation <= 1 and layer.influence > 0 for layer in analysis.layers)
    assert set(analysis.best) <= {layer.index for layer in joint} and analysis.best
    assert analysed(model, pictures=3) == analysis


# The file


def test_what_was_measured_is_found_by_the_hash_of_the_weights(cache: Path) -> None:
    assert read(MEASURED.weights) is None
    file = write(MEASURED)
    assert file.is_relative_to(cache)
    assert read(MEASURED.weights) == MEASURED
    assert read("ba9876543210") is None


@pytest.mark.parametrize("written", ["", "[]", "{}", '{"weights": "0123456789ab"}'])
def test_a_damaged_file_is_none(written: str) -> None:
    write(MEASURED).write_text(written)
    assert read(MEASURED.weights) is None


def test_the_file_of_the_shipped_model_lies_beside_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(SHIPPED_FOLDERS, "portraits", tmp_path)
    file = write(replace(MEASURED, model="portraits"))
    assert file == tmp_path / measured_layers.FILE
    assert read(MEASURED.weights) == replace(MEASURED, model="portraits")


def test_the_paper_has_its_way_where_its_ranks_do_better() -> None:
    assert MEASURED.chosen == (0,)
    assert replace(MEASURED, overlap=0.3).chosen == ()


@pytest.mark.weights
def test_the_shipped_model_was_measured() -> None:
    """Train it anew, and this asks for `palimpsest models analyse portraits`."""
    from editing_core.hashes import file_hash

    source = find("portraits")
    analysis = read(file_hash(source.weight_files()))
    assert analysis is not None and analysis.model == "portraits"


# Its use


def edited(settings: EditSettings, monkeypatch: pytest.MonkeyPatch, found: tuple[int, ...]):
    monkeypatch.setattr("editing_core.editor.layers_measured", lambda model: found)
    picture = Picture(noise_picture(48, 32))
    request = EditRequest(picture, picture, "a woman", "a woman with a red hat", ("hat",))
    return Editor(tiny_flux()).edit(request, settings=settings, seed=7, method="mtc")


def test_mtc_takes_the_layers_that_were_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    paper = PRESETS["paper"]
    measured = edited(paper, monkeypatch, (0, 5))
    assert measured.report.settings.layers == measured.report.blocks == (0, 5)
    nothing = edited(paper, monkeypatch, ())
    by_rank = edited(replace(paper, layers=()), monkeypatch, (0, 5))
    assert nothing.report.settings.layers == ()
    assert torch.equal(nothing.latents, by_rank.latents)
    assert nothing.report.blocks == by_rank.report.blocks != (0, 5)
    again = edited(replace(paper, layers=(0, 5)), monkeypatch, (1,))
    assert torch.equal(again.latents, measured.latents), "a recipe holds the layers"


def test_layers_that_were_measured_are_not_told_as_unusual() -> None:
    paper = PRESETS["paper"]
    assert differing(replace(paper, layers=(1, 4)), paper) == ""
    assert differing(paper, replace(paper, steps=9)) == "steps 8 (not 9)"
    assert "layers" in differing(replace(paper, layers=(1, 4)), replace(paper, layers=()))


def test_models_that_nobody_measured_have_no_layers() -> None:
    assert layers_measured(tiny_flux()) == ()


def test_the_command_measures_and_keeps_it(
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(layer_analysis, "SIDE", 64)
    folder = tmp_path / "model"
    tiny_parts().pipeline().save_pretrained(folder)
    assert chat.main(["models", "analyse", str(folder), "--pictures", "2"]) == 0
    said = capsys.readouterr()
    (file,) = (cache / "layers").iterdir()
    kept = json.loads(file.read_text())
    assert kept["model"] == str(folder) and file.stem == kept["weights"]
    lines = said.out.splitlines()
    assert lines[0].split() == list(LAYERS_HEAD)
    assert len([line for line in lines if "joint" in line or "single" in line]) == 7
    assert "(intersection over union)" in said.out and lines[-1] == f"Kept in {file}."
    assert "picture 2 of 2" in said.err


@pytest.mark.parametrize("words", [["analyse"], ["analyse", "klein", "--pictures", "1"]])
def test_wrong_usage(words: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        chat.main(["models", *words])
    assert left.value.code == 2
