"""The /commands, one by one, on a chat whose editor draws the answer exactly."""

import io
from functools import partial

import pytest
from perfect_editor import draw_the_target
from PIL import Image

from agent.graph import Chat, open_sessions
from agent.settings import AppSettings
from agent.studio import Studio
from agent.terminal import commands as module
from agent.terminal.commands import CommandError, Commands, Leave, resolve, run, usage
from agent.terminal.play import play
from agent.terminal.screen import TextScreen
from tools.edit_picture import PRESETS
from tools.look import portrait_of, sample_portrait
from tools.pictures import PictureError, PictureStore


@pytest.fixture
def desk(tmp_path):
    """Commands on a fresh chat about the sample portrait, and what they print."""
    store = PictureStore(tmp_path / "pictures")
    settings = AppSettings(home=tmp_path, offline=True)
    edit = partial(draw_the_target, store)
    studio = Studio(settings=settings, edit=edit, pictures=store, presets=PRESETS)
    saver = open_sessions(tmp_path / "sessions.sqlite")
    chat = Chat(studio, saver, "test")
    image, caption = sample_portrait()
    chat.open(store.put(image), caption)
    yield Commands(chat, TextScreen(out=io.StringIO()), store)
    saver.conn.close()


def typed(desk, line):
    """Type one line; return what was printed."""
    before = len(desk.screen.out.getvalue())
    if line.startswith("/"):
        run(desk, line)
    else:
        play(desk.chat, desk.chat.say(line), desk.screen)
    return desk.screen.out.getvalue()[before:]


def head(desk):
    return desk.chat.conversation.head


def test_undo_and_redo_move_the_head(desk):
    typed(desk, "make her older")
    typed(desk, "add a hat")
    typed(desk, "/undo 2")
    assert head(desk) == 0
    typed(desk, "/redo")
    assert head(desk) == 1
    typed(desk, "/undo 5")
    assert head(desk) == 0 and run(desk, "/undo") == 1  # nothing is left to undo


def test_goto_takes_numbers_names_and_words(desk):
    typed(desk, "make her older")
    typed(desk, "add a hat")
    for phrase, turn in [("1", 1), ("@2", 2), ("original", 0), ("before the hat", 1), ("hat", 2)]:
        typed(desk, f"/goto {phrase}")
        assert head(desk) == turn, phrase


def test_tree_shows_branches_and_the_head(desk):
    typed(desk, "make her older")
    typed(desk, "add a hat")
    typed(desk, "/goto 1")
    typed(desk, "give her sunglasses")
    lines = typed(desk, "/tree").splitlines()
    assert len(lines) == 4
    assert lines[1].endswith("@1 make her older")
    assert lines[3].endswith("@3 give her sunglasses  ←")


def test_save_writes_a_file_and_never_overwrites(desk, tmp_path):
    target = tmp_path / "saved.png"
    assert str(target) in typed(desk, f"/save {target}")
    with Image.open(target) as image:
        assert image.size == (128, 128)
    with pytest.raises(PictureError, match="folder .*nowhere does not exist"):
        typed(desk, f"/save {tmp_path}/nowhere/saved.png")
    with pytest.raises(PictureError, match="exists already"):
        typed(desk, f"/save {target}")


def test_save_without_a_path_names_the_file_by_the_request(desk, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    typed(desk, "add a hat")
    assert typed(desk, "/save") == f"Saved to {tmp_path}/01-add-a-hat.png.\n"


def test_open_begins_anew_and_undo_is_still_there(desk, tmp_path):
    typed(desk, "make her older")
    image, _ = portrait_of({}, person=11)
    image.save(tmp_path / "my portrait.png")
    desk.chat.studio = _with_eyes(desk.chat.studio)
    typed(desk, f"/open {tmp_path}/my portrait.png")
    turn = desk.chat.conversation.turns[head(desk)]
    assert turn.parent is None and "woman" in turn.caption
    assert len(desk.chat.conversation.turns) == 3


def test_notes_on_an_opened_picture_name_the_file(desk, tmp_path, capsys):
    image, _ = portrait_of({}, person=11)
    image.putalpha(254)
    image.save(tmp_path / "ghost.png")
    desk.chat.studio = _with_eyes(desk.chat.studio)
    typed(desk, f"/open {tmp_path}/ghost.png")
    assert "ghost.png: its transparent parts are shown on white." in capsys.readouterr().err


def _with_eyes(studio):
    from dataclasses import replace

    from tools.look import PortraitEyes

    return replace(studio, eyes=PortraitEyes())


def test_show_prints_a_path(desk):
    typed(desk, "make her older")
    assert typed(desk, "/show").strip().endswith(".png")
    assert typed(desk, "/show original") != typed(desk, "/show")


def test_why_prints_the_recipe(desk):
    typed(desk, "make her older")
    said = typed(desk, "/why")
    assert "target prompt" in said and "old" in said and "seed" in said
    assert "0.1 s, 4 model calls" in said and "notches" not in said and "passed" not in said
    assert "a portrait of" in typed(desk, "/why 0")


def test_help_lists_every_command_with_its_docstring(desk):
    said = typed(desk, "/help")
    for name in module.names():
        assert f"/{name}" in said
        assert getattr(Commands, name).__doc__.split(";")[0].split("\n")[0] in said
    assert typed(desk, "/help undo").startswith("/undo [COUNT]  Take back")


def test_quit_leaves(desk):
    with pytest.raises(Leave):
        run(desk, "/quit")
    with pytest.raises(Leave):
        run(desk, "/q")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/s", "could be /show or /save"),
        ("/svae", "did you mean /save"),
        ("/xyzzy", "/help lists them"),
        ("/", "There is no command"),
        ("/goto", "Use it as /goto TURN"),
        ("/goto the moon", 'There is no turn "the moon"'),
        ("/goto 99", 'There is no turn "99"'),
        ("/undo many", "A number from 1"),
        ("/undo 0", "A number from 1"),
        ("/tree please", "takes nothing"),
    ],
)
def test_mistakes_get_one_sentence(desk, line, words):
    with pytest.raises(CommandError, match=words):
        run(desk, line)


def test_unique_beginnings_are_enough():
    assert resolve("u") == "undo" and resolve("TR") == "tree"
    assert usage("goto") == "/goto TURN" and usage("quit") == "/quit"
