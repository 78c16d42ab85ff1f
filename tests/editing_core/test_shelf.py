"""Texts and inversions are found again by a later process, unless they were damaged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from flux_files import PROMPTS, random_model, write_repository
from paths import ROOT
from tiny_flux import noise_picture

from editing_core.cache import DiskCache, LRUCache, bytes_of
from editing_core.editor import Editor, EditRequest, EditResult, Picture
from editing_core.errors import EditError
from editing_core.models.base import Tensors
from editing_core.models.flux1 import Flux1
from editing_core.models.load import load
from editing_core.settings import EditSettings

QUICK = EditSettings(steps=2)


class Maker:
    """Makes tensors and counts how often it was asked."""

    made = 0

    def __call__(self) -> Tensors:
        self.made += 1
        return {"x": torch.arange(6.0).view(2, 3), "half": torch.ones(3, dtype=torch.bfloat16)}


def test_a_later_shelf_has_what_an_earlier_one_was_given(tmp_path: Path) -> None:
    make = Maker()
    DiskCache(tmp_path).get(("key", 1), make)
    found = DiskCache(tmp_path).get(("key", 1), make)
    assert make.made == 1
    assert found.keys() == make().keys()
    assert all(torch.equal(found[name], x) for name, x in make().items())
    DiskCache(tmp_path).get(("key", 2), make)
    assert make.made == 4


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: bytes(len(data)),
    ],
)
def test_what_is_damaged_is_made_again(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    make = Maker()
    DiskCache(tmp_path).get("key", make)
    (file,) = tmp_path.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    again = DiskCache(tmp_path).get("key", make)
    assert make.made == 2
    assert torch.equal(again["x"], make()["x"])
    DiskCache(tmp_path).get("key", make)
    assert make.made == 3, "only the line before asked: it is whole again"


def test_what_was_used_longest_ago_makes_room(tmp_path: Path) -> None:
    def make() -> Tensors:
        return {"x": torch.zeros(1000)}

    shelf = DiskCache(tmp_path, most=20_000)
    shelf.get("first", make)
    (first,) = tmp_path.iterdir()
    for number in range(3):
        shelf.get(number, make)
    for file in tmp_path.iterdir():
        os.utime(file, (1, 1))
    shelf.get("first", lambda: pytest.fail("it is there"))
    shelf.get("last", make)
    assert first.exists()
    assert sum(f.stat().st_size for f in tmp_path.iterdir()) <= 15_000
    assert len(list(tmp_path.iterdir())) == 3


def test_what_is_no_number_is_not_kept(tmp_path: Path) -> None:
    DiskCache(tmp_path).get("key", lambda: {"x": torch.tensor([1, torch.nan])})
    assert not list(tmp_path.iterdir())


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    make = Maker()
    for _ in range(2):
        DiskCache(tmp_path / "file" / "cache").get("key", make)
    assert make.made == 2


def test_memory_is_bounded_in_bytes() -> None:
    recent: LRUCache[torch.Tensor] = LRUCache(8000)
    for number in range(4):
        recent.get(number, lambda: torch.zeros(900))
    kept = [n for n in range(4) if recent.get(n, lambda: torch.ones(0)).numel()]
    assert kept == [2, 3]
    assert bytes_of((torch.zeros(2), {"a": [torch.zeros(3)], "b": "said"})) == 20


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repository(random_model(), tmp_path_factory.mktemp("FLUX.1-dev"), bfl=False)


def opened(repository: Path, shelf: Path) -> Editor:
    """As a new process would: the model loaded again, nothing in memory."""
    flux = load(str(repository), device="cpu", memory="full")
    flux.keep_in(shelf)
    return Editor(flux)


def edit(editor: Editor, settings: EditSettings = QUICK) -> EditResult:
    picture = Picture(noise_picture(48, 32))
    request = EditRequest(picture, picture, *PROMPTS)
    return editor.edit(request, settings=settings, seed=3)


def test_a_retry_finds_the_inversion_and_makes_the_same_picture(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(opened(repository, tmp_path))
    monkeypatch.setattr(Flux1, "_encoded", lambda *a: pytest.fail("the texts were there"))
    again = edit(opened(repository, tmp_path), QUICK.stronger())
    monkeypatch.undo()
    alone = edit(opened(repository, tmp_path / "other"), QUICK.stronger())
    assert (again.report.forwards, alone.report.forwards) == (3, 6)
    assert torch.equal(again.latents, alone.latents)


def test_nothing_is_taken_from_another_model(repository: Path, tmp_path: Path) -> None:
    edit(opened(repository, tmp_path))
    parts = random_model()
    with torch.no_grad():
        parts.transformer.proj_out.bias += 1
    other = write_repository(parts, tmp_path / "other", bfl=False)
    assert edit(opened(other, tmp_path)).report.forwards == 6


def test_what_came_out_wrong_is_forgotten(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = opened(repository, tmp_path)
    edit(editor)
    monkeypatch.setattr(Flux1, "velocity", lambda self, x, *a, **k: x * float("nan"))
    with pytest.raises(EditError, match="NaN"):
        edit(editor, QUICK.stronger())
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.weights
def test_a_resumed_chat_retries_with_half_of_the_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PALIMPSEST_RETRIES", "0")  # whatever the check says

    def calls(*words: str) -> list[int]:
        line = [sys.executable, "chat.py", "--offline", "--json", "--home", str(tmp_path), *words]
        told = subprocess.run(line, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        events = [json.loads(line) for line in told.splitlines()]
        return [e["forwards"] for e in events if e["event"] == "turn.completed"]

    how = ("--method", "mtc", "--keep", "nothing", "--seed")  # of turn 1 and 2: 1 + 1 and 0 + 2
    assert calls(*how, "1", "--say", "give her a red hat") == [18]
    assert calls(*how, "0", "--resume", "--say", "/retry stronger") == [9]
