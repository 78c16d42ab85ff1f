"""The /commands that move about among the turns."""

import pytest
from perfect_chat import head, typed

from agent.terminal.commands import CommandError, run


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
