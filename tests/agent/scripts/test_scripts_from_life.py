"""Sessions and benchmarks become scripts."""

import contextlib
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from paths import ROOT

import chat
from agent.bootstrap import studio_of
from agent.chat import Chat
from agent.scripts.exporting import export_script
from agent.scripts.loader import cases, find
from agent.sessions.database import open_sessions
from agent.settings import AppSettings
from agent.state import Rewind
from tools.inspection import sample_portrait
from tools.pictures import PictureStore


@contextlib.contextmanager
def _talk(home):
    """A chat about the sample portrait, and its pictures."""
    settings = AppSettings(home=home, offline=True, seed=7)
    studio = studio_of(settings, person=False, plan_only=False, note=print)
    talk = Chat(studio, open_sessions(home / "sessions.sqlite"), "one")
    store = PictureStore(home / "pictures")
    image, caption = sample_portrait()
    talk.open(store.put(image), caption)
    yield talk, store
    talk.saver.conn.close()


def _stop_after(talk, edits, said):
    """Say something, and press Ctrl-C in the edit after so many."""
    whole, left = talk.studio, [None] * edits

    def edit(**asked):
        if not left:
            raise KeyboardInterrupt
        left.pop()
        return whole.edit(**asked)

    talk.studio = replace(whole, edit=edit)
    with pytest.raises(KeyboardInterrupt):
        list(talk.say(said))
    talk.studio = whole


def test_an_exported_session_passes_unchanged(perfect_editor, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    said = ["make her older, now add a hat", "undo the hat", "/goto 2", "flurb the zork",
            "make it blue", "go to @9", "undo", "redo"]  # fmt: skip
    args = [part for line in (*said, "/export script mine") for part in ("--say", line)]
    chat.main(["--offline", "--seed", "7", "--preview", "off", *args])
    assert "this runs it:\n  palimpsest test mine.chat.yaml\n" in capsys.readouterr().out
    assert chat.main(["test", "mine.chat.yaml"]) == 0, capsys.readouterr().out
    text = Path("mine.chat.yaml").read_text()
    assert "say: /goto 2" in text and "attributes: {" in text


def test_an_exported_session_has_its_choices_bases_and_retries(
    perfect_editor, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    said = ["add a hat", "/seed 40", "/strength -1", "/method fireflow", "add glasses", "again",
            "/retry strong", "/base 1", "/keep nothing", "make her older", "/compare", "/describe",
            "/new a man with a beard", "give him a crown", "/goto 3"]  # fmt: skip
    args = [part for line in (*said, "/export script mine") for part in ("--say", line)]
    chat.main(["--offline", "--seed", "7", "--preview", "off", *args])
    capsys.readouterr()
    assert chat.main(["test", "mine.chat.yaml"]) == 0, capsys.readouterr().out
    text = Path("mine.chat.yaml").read_text()
    for line in ("/seed 40", "/strength -1", "/method fireflow", "/keep nothing", "/retry stronger",
                 "/base 1", "/compare 5 6", "/describe", "/open {here}/mine-"):  # fmt: skip
        assert f"say: {line}" in text, line


@pytest.mark.parametrize(
    ("said", "finished", "later", "expected"),
    [
        ("make her older, add a hat, make her sad", 2, "", ["make her older, add a hat"]),
        (
            "make her older, add a hat, make her sad",
            2,
            "undo",
            ["make her older, add a hat", "undo"],
        ),
        ("make her older, add a hat", 0, "add glasses", ["add glasses"]),
        ("make her older, add a hat", 0, "", ["give her a scarf"]),
        ("go to the original, add a hat, make her sad", 1, "", ["/goto 0", "add a hat", "/goto 1"]),
    ],
)
def test_what_was_cut_off_is_exported_as_far_as_it_came(
    perfect_editor, tmp_path, monkeypatch, capsys, said, finished, later, expected
):
    """After Ctrl-C the person goes on with something else, or exports at once."""
    monkeypatch.chdir(tmp_path)
    with _talk(tmp_path) as (talk, store):
        list(talk.say("give her a scarf"))
        _stop_after(talk, finished, said)
        assert talk.unfinished
        if later:
            list(talk.say(later))
        export_script(talk, store, tmp_path / "mine", "Granny")
    capsys.readouterr()
    assert chat.main(["test", "mine.chat.yaml"]) == 0, capsys.readouterr().out
    text = Path("mine.chat.yaml").read_text()
    assert "name: Granny" in text and f"# - {said}\n" in text
    assert re.findall(r"say: (.*)", text) == list(dict.fromkeys(["give her a scarf", *expected]))


def test_a_rewind_names_its_message_where_one_before_was_cut_off(perfect_editor, tmp_path, capsys):
    with _talk(tmp_path) as (talk, store):
        _stop_after(talk, 0, "make her sad")
        list(talk.say("add a hat"))
        list(talk.say("add glasses"))
        list(talk.move(Rewind(message=3)))
        file = export_script(talk, store, tmp_path / "mine")
    assert "say: /rewind 2\n" in file.read_text()
    assert chat.main(["test", str(file)]) == 0, capsys.readouterr().out


def test_an_exported_session_brings_its_pictures(perfect_editor, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    man = ROOT / "tests" / "conversations" / "pictures" / "man.png"
    args = ["--say", "add a hat", "--say", f"/open {man}", "--say", "add glasses"]
    chat.main([str(man), "--offline", "--preview", "off", *args, "--say", "/export script mine"])
    assert (tmp_path / "mine-0.png").exists() and (tmp_path / "mine-2.png").exists()
    capsys.readouterr()
    assert chat.main(["test", "mine.chat.yaml"]) == 0, capsys.readouterr().out


def test_benchmarks_become_scripts(tmp_path, capsys):
    from PIL import Image

    photo = Image.new("RGB", (64, 48), "gray")
    lme, mse, mtc = (tmp_path / name for name in ("lme", "mse", "mtc"))
    for folder in (lme / "images", mse, mtc / "MTC_prompts" / "7"):
        folder.mkdir(parents=True)
    photo.save(lme / "images" / "0001.png")
    item = {"id": "0001", "category": "pet", "source_prompt": "a cat", "labels": ["local", "hard"],
            "turns": ["add a hat", "make it a sketch"]}  # fmt: skip
    (lme / "lme_bench.json").write_text(json.dumps({"items": [item]}))
    photo.save(mse / "3.jpg")
    row = {"index": 3, "context": ["a red ball appears", "the ball is blue"]}
    (mse / "metadata.jsonl").write_text(json.dumps(row) + "\n")
    photo.save(mtc / "cat.png")
    (mtc / "MTC_prompts" / "7" / "7.yaml").write_text(
        "image_path: cat.png\noriginal_prompt: a [cat] on a fence\ninstructions:\n"
        "  - Round 1:\n      editing_instruction: a cat with a [hat] on a fence\n"
        "      editing_type_id: 2\n"
    )
    for layout, folder in (("lme", lme), ("mse", mse), ("mtc", mtc)):
        out = tmp_path / f"out-{layout}"
        assert chat.main(["import", layout, str(folder), "--out", str(out)]) == 0
        found = cases(find([out])[0])[0]
        assert found.lines and (out / str(found.picture)).exists()
        assert found.defaults.model == "flux-dev"
    assert found.script.caption == "a cat on a fence"
    assert found.lines[0].said.say == "make it a cat with a hat on a fence"
    assert chat.main(["import", "lme", str(mse), "--out", str(tmp_path / "x")]) == 2
