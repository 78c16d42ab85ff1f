"""The /commands, one by one, on a chat whose editor draws the answer exactly."""

import io
import re
import shlex
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

import pytest
from perfect_editor import draw_the_target
from PIL import Image, ImageChops

from agent.graph import Chat, open_sessions
from agent.settings import AppSettings
from agent.studio import Studio
from agent.terminal import commands as module
from agent.terminal.commands import CommandError, Commands, Leave, resolve, run, usage
from agent.terminal.play import play
from agent.terminal.screen import TextScreen
from editing_core.methods import METHODS
from tools.edit_picture import PRESETS
from tools.look import PortraitEyes, portrait_of, sample_portrait
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


def test_help_ends_with_the_keys_as_the_readme_has_them(desk):
    last = typed(desk, "/help").splitlines()[-1]
    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    assert last.startswith("Tab completes") and last in " ".join(readme.split())


def test_rewind_offers_what_was_said_and_is_not_forgotten(desk):
    with pytest.raises(CommandError, match="Nothing has been said"):
        run(desk, "/rewind")
    for line in ("add a hat", "/seed 3", "add glasses", "/undo"):
        typed(desk, line)
    assert typed(desk, "/rewind") == "1  add a hat\n3  add glasses\n"
    offered = []
    desk.pick = lambda question, options: offered.extend(options)
    typed(desk, "/rewind")
    assert offered == [(1, "add a hat"), (3, "add glasses")]
    desk.pick = None
    typed(desk, "/rewind 3")
    assert typed(desk, "/rewind") == "1  add a hat\n"
    typed(desk, "/undo")  # returns to the picture, as /help rewind says
    assert typed(desk, "/rewind") == "1  add a hat\n"


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


def test_quit_leaves(desk):
    with pytest.raises(Leave):
        run(desk, "/quit")
    with pytest.raises(Leave):
        run(desk, "/q")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/s", "could be /seed, /strength, /show, /save or /session"),
        ("/retry harder", 'no way to retry "harder"; choose one of: again'),
        ("/seed -1", "A seed is a whole number"),
        ("/seed ²", "A seed is a whole number"),
        ("/strength 4", "from -3 to 3"),
        ("/strength ٣", "from -3 to 3"),
        ("/method fireflaw", "did you mean fireflow"),
        ("/keep everything", "choose one of: auto"),
        ("/show mask", "@0 has no mask"),
        ("/export pdf", "no kind of export"),
        ("/base 9", 'There is no turn "9"'),
        ("/new a dog on a lawn", "draws people only"),
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


def test_every_command_has_an_example_that_is_a_use_of_it():
    for name in module.names():
        shown = module.example(name)
        assert re.fullmatch(rf"/{name}( .+)?", shown), f"/{name} needs a line 'Example: /{name} …'"
        assert "Example:" in module.explained(name).partition("\n")[2]


def test_branches_tell_how_they_came_about_and_mark_the_one_here(desk):
    typed(desk, "make her older, now add a hat")
    typed(desk, "/goto 1")
    assert typed(desk, "/branches").splitlines()[0].endswith("add a hat  ← you are at @1")
    typed(desk, "give her sunglasses")
    first, caption, second, _ = typed(desk, "/branches").splitlines()
    assert first == "@2 make her older, then add a hat" and "a hat" in caption
    assert second == "@3 make her older, then give her sunglasses  ← here"


def test_a_base_is_what_later_edits_are_anchored_to(desk):
    typed(desk, "make her older")
    typed(desk, "add a hat")
    assert "@3 is the picture of @1 as a new original" in typed(desk, "/base 1")
    typed(desk, "give her glasses")
    turns = desk.chat.conversation.turns
    assert turns[4].original == turns[3].picture == turns[1].picture != turns[0].picture
    typed(desk, "/undo 2")
    assert head(desk) == 2
    assert "made an original by /base" in typed(desk, "/why 3")


def test_retry_makes_the_edit_again_beside_the_last(desk):
    typed(desk, "add a hat")
    typed(desk, "/retry")
    typed(desk, "/retry strong")
    turns = desk.chat.conversation.turns
    assert [turn.parent for turn in turns] == [None, 0, 0, 0]
    assert [turn.step.strength for turn in turns[1:]] == [0, 0, 1]
    assert [message.text for message in desk.chat.conversation.messages][1:] == [
        "/retry",
        "/retry stronger",
    ]


CHOICES = [("seed", "7"), ("strength", "-1"), ("method", "fireflow"), ("preset", "paper-15"),
           ("keep", "nothing")]  # fmt: skip


@pytest.mark.parametrize(("setting", "value"), CHOICES)
def test_what_is_chosen_holds_is_told_and_is_remembered_as_typed(desk, setting, value):
    before = typed(desk, f"/{setting}")
    typed(desk, f"/{setting} {value}")
    assert str(getattr(desk.chat.conversation.chosen, setting)) == value
    assert typed(desk, f"/{setting}") != before and value in typed(desk, f"/{setting}")
    assert desk.chat.conversation.messages[-1].text == f"/{setting} {value}"


def test_all_that_can_be_chosen_is_offered(desk):
    kept = get_args(AppSettings.model_fields["keep"].annotation)
    for setting, options in [("method", METHODS), ("preset", PRESETS), ("keep", kept)]:
        offered = typed(desk, f"/{setting}")
        assert all(re.search(rf"^[→ ] {option} +\S", offered, re.M) for option in options)
        held = getattr(desk.chat.settings, setting)
        assert re.findall(r"^→ (\S+)", offered, re.M) == [held]


def test_several_pictures_become_bases_and_the_first_is_here(desk, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    desk.chat.studio = _with_eyes(desk.chat.studio)
    for person, name in enumerate(("one.png", "my cat.png", "it's.png", "last one.png"), start=11):
        portrait_of({}, person=person)[0].save(tmp_path / name)
    escaped = str(tmp_path / "it's.png").replace("'", "\\'")
    dropped = f"file://{tmp_path}/last%20one.png"
    typed(desk, f'/open ~/one.png "{tmp_path}/my cat.png" {escaped} {dropped}')
    turns = desk.chat.conversation.turns
    assert len(turns) == 5 and head(desk) == 4
    assert turns[4].picture == desk.store.put(portrait_of({}, person=11)[0])
    with pytest.raises(PictureError, match="nope.png"):
        typed(desk, "/open ~/one.png nope.png")
    assert len(desk.chat.conversation.turns) == 5, "nothing is opened unless all can be"


def test_a_picture_from_words_is_a_base_with_a_full_caption(desk):
    desk.chat.studio = _with_eyes(desk.chat.studio)
    said = typed(desk, "/new an old man with a beard and blue eyes")
    turn = desk.chat.conversation.turns[head(desk)]
    assert turn.parent is None and "A new base, @1" in said
    assert "old man" in turn.caption and "background" in turn.caption and "skin" in turn.caption


def test_what_is_not_seen_of_the_words_is_drawn_again_and_then_said(desk):
    class NoCrown(PortraitEyes):
        def attributes(self, image, expected):
            return super().attributes(image, expected) | {"headwear": "none"}

    made = []

    def draw(**asked):
        made.append((asked["seed"], asked["method"], asked["settings"].keep))
        return draw_the_target(desk.store, **asked)

    desk.chat.studio = replace(desk.chat.studio, eyes=NoCrown(), edit=draw)
    said = typed(desk, "/new a woman with a crown")
    assert [seed for seed, _, _ in made] == [1, 10_001, 20_001]
    assert {(method, keep) for _, method, keep in made} == {("regenerate", "nothing")}
    assert "I cannot see: crown." in said
    assert "crown" not in desk.chat.conversation.turns[1].caption


def test_a_model_that_fails_to_draw_is_one_sentence(desk, capsys):
    def fail(**asked):
        raise RuntimeError("out of memory")

    desk.chat.studio = replace(desk.chat.studio, edit=fail)
    assert run(desk, "/new a man") == 1
    assert "could not be drawn: out of memory" in capsys.readouterr().err
    assert head(desk) == 0


def test_compare_measures_and_names(desk):
    desk.chat.studio = _with_eyes(desk.chat.studio)
    typed(desk, "make her older")
    typed(desk, "add a hat")
    said = typed(desk, "/compare")
    assert "headwear none → hat" in said and "age young → old" in said
    one = typed(desk, "/compare 1")
    assert "From @1 to @2" in one and "age" not in one.replace("average", "")
    assert "From @1 to @2" in typed(desk, "/compare before the hat")
    same = typed(desk, "/compare 2 2")
    assert "0 % of the picture" in same and "no attribute differs" in same


def test_the_masks_of_all_edits_between_two_turns_count(desk):
    from agent.terminal.compared import between

    for line in ("make her older", "add a hat", "/goto 1", "give her sunglasses"):
        typed(desk, line)
    conversation = desk.chat.conversation
    ids = [t.id for t in between(conversation, conversation.turns[2], conversation.turns[3])]
    assert ids == [2, 3]
    assert between(conversation, conversation.turns[3], conversation.turns[3]) == []


def test_a_mask_is_shown_over_the_picture_before(desk):
    shown = []
    mask = Image.new("L", (128, 128))
    mask.paste(255, (0, 0, 64, 128))

    def draw(**asked):
        return replace(draw_the_target(desk.store, **asked), mask=desk.store.put(mask))

    desk.chat.studio = replace(desk.chat.studio, edit=draw)
    desk.screen.show_images = shown.extend
    typed(desk, "make the background red")
    typed(desk, "/show 1 mask")
    (_, before), (_, over), (name, after) = shown
    assert name == "@1 make the background red" and after.getpixel((2, 2)) != (0, 0, 0)
    changed = ImageChops.difference(before, over).getbbox()
    assert changed == (0, 0, 64, 128)
    assert "50 % of the picture" in typed(desk, "/why")


def test_why_tells_every_try_with_its_scores(desk):
    class Blind(PortraitEyes):
        def attributes(self, image, expected):
            return super().attributes(image, expected) | {"headwear": "none"}

    desk.chat.studio = replace(desk.chat.studio, eyes=Blind())
    typed(desk, "add a hat")
    said = typed(desk, "/why")
    assert "try 1  first, seed 1: change seen: no" in said
    assert "try 2  another seed, seed 10001" in said and "try 3  much stronger" in said


def test_unique_beginnings_are_enough():
    assert resolve("u") == "undo" and resolve("TR") == "tree"
    assert usage("goto") == "/goto TURN" and usage("quit") == "/quit"
