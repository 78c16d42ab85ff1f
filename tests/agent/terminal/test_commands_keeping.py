"""The /commands that put something on disk."""

import shlex

import pytest
from perfect_chat import typed
from PIL import Image

from agent.terminal.commands import CommandError, run
from tools.pictures import PictureError


def test_save_writes_a_file_and_never_overwrites(desk, tmp_path):
    target = tmp_path / "saved.png"
    assert str(target) in typed(desk, f"/save {target}")
    with Image.open(target) as image:
        assert image.size == (256, 256)
    with pytest.raises(PictureError, match="folder .*nowhere does not exist"):
        typed(desk, f"/save {tmp_path}/nowhere/saved.png")
    with pytest.raises(PictureError, match="exists already"):
        typed(desk, f"/save {target}")


def test_save_without_a_path_names_the_file_by_the_request(desk, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    typed(desk, "add a hat")
    assert typed(desk, "/save") == f"Saved to {tmp_path}/01-add-a-hat.png.\n"


def test_an_export_may_end_at_a_turn_and_says_a_line_that_runs(desk, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "my home"))
    for line in ("make her older", "add a hat", "/session rename Granny"):
        typed(desk, line)
    for turn, columns in [("", 3), ("1 ", 2), ("@0 ", 1)]:
        typed(desk, f"/export png {turn}~/out/{columns}.png")
        with Image.open(tmp_path / "my home" / "out" / f"{columns}.png") as image:
            assert image.width == columns * 288
    assert [file.name for file in tmp_path.glob("*home*/*")] == ["out"]
    with pytest.raises(CommandError, match="Only png and gif take a turn"):
        run(desk, "/export html 3 ~/out/t.html")
    with pytest.raises(CommandError, match='no turn "9"'):
        run(desk, "/export gif 9 ~/out/t.gif")
    said = typed(desk, "/export script ~/out/mine").splitlines()[-1]
    file = tmp_path / "my home" / "out" / "mine.chat.yaml"
    assert shlex.split(said) == ["palimpsest", "test", str(file)]
    assert "name: Granny\n" in file.read_text()
    monkeypatch.setenv("HOME", str(tmp_path))
    said = typed(desk, "/export script ~/made/mine")
    assert "  palimpsest test ~/made/mine.chat.yaml\n" in said
    assert "~/made/session.chat.yaml" in typed(desk, "/export script ~/made")
