"""The /commands that make or open pictures."""

from dataclasses import replace

import pytest
from perfect_chat import head, typed, with_eyes
from perfect_editor import draw_the_target

from agent.terminal.commands import run
from tools.inspection import WorldEyes, portrait_of
from tools.pictures import PictureError


def test_open_begins_anew_and_undo_is_still_there(desk, tmp_path):
    typed(desk, "make her older")
    image, _ = portrait_of({}, person=11)
    image.save(tmp_path / "my portrait.png")
    desk.chat.studio = with_eyes(desk.chat.studio)
    typed(desk, f"/open {tmp_path}/my portrait.png")
    turn = desk.chat.conversation.turns[head(desk)]
    assert turn.parent is None and "woman" in turn.caption
    assert len(desk.chat.conversation.turns) == 3


def test_notes_on_an_opened_picture_name_the_file(desk, tmp_path, capsys):
    image, _ = portrait_of({}, person=11)
    image.putalpha(254)
    image.save(tmp_path / "ghost.png")
    desk.chat.studio = with_eyes(desk.chat.studio)
    typed(desk, f"/open {tmp_path}/ghost.png")
    said = "ghost.png: its transparent parts are shown on white, and saved transparent again."
    assert said in capsys.readouterr().err


def test_retry_makes_the_edit_again_beside_the_last(desk):
    typed(desk, "add a hat")
    typed(desk, "/retry")
    typed(desk, "/retry strong")
    turns = desk.chat.conversation.turns
    assert [turn.parent for turn in turns] == [None, 0, 0, 0]
    assert [turn.step.strength for turn in turns[1:]] == [0, 0, 1]
    assert [turn.request for turn in turns[1:]] == [
        "add a hat", "add a hat, again", "add a hat, stronger"
    ]  # fmt: skip
    assert [message.text for message in desk.chat.conversation.messages][1:] == [
        "/retry",
        "/retry stronger",
    ]


def test_several_pictures_become_bases_and_the_first_is_here(desk, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    desk.chat.studio = with_eyes(desk.chat.studio)
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
    desk.chat.studio = with_eyes(desk.chat.studio)
    said = typed(desk, "/new an old man with a beard and blue eyes")
    turn = desk.chat.conversation.turns[head(desk)]
    assert turn.parent is None and "A new base, @1" in said
    assert "old man" in turn.caption and "background" in turn.caption and "skin" in turn.caption


def test_what_is_not_seen_of_the_words_is_drawn_again_and_then_said(desk):
    class NoCrown(WorldEyes):
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


def test_what_is_drawn_with_a_smeared_part_is_drawn_again_and_then_said(desk):
    class Smeared(WorldEyes):
        def degraded(self, image):
            return True

    made = []

    def draw(**asked):
        made.append(asked["seed"])
        return draw_the_target(desk.store, **asked)

    desk.chat.studio = replace(desk.chat.studio, eyes=Smeared(), edit=draw)
    assert "drawn with seed 1. A part of it is smeared." in typed(desk, "/new a man with a crown")
    assert made == [1, 10_001, 20_001]


def test_a_model_that_fails_to_draw_is_one_sentence(desk, capsys):
    def fail(**asked):
        raise RuntimeError("out of memory")

    desk.chat.studio = replace(desk.chat.studio, edit=fail)
    assert run(desk, "/new a man") == 1
    assert "could not be drawn: out of memory" in capsys.readouterr().err
    assert head(desk) == 0
