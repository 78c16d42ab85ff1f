"""What is said back of edits elsewhere in the tree, and of edits that are only planned."""

from __future__ import annotations

from fake_chat import begin


def test_edits_on_other_branches_are_named_apart():
    chat, _ = begin()
    list(chat.say("make her older, now add a hat"))
    list(chat.say("go back to the original"))
    (reply,) = (e["text"] for e in chat.say("which edits did I make?") if e.event == "reply")
    assert reply == "No edit led here, to @0. On other branches: @1 make her older; @2 add a hat."
    list(chat.say("add glasses"))
    (reply,) = (e["text"] for e in chat.say("how many edits so far?") if e.event == "reply")
    assert reply.startswith("The edits that led here: @3 add glasses. On other branches: @1 make")


def test_what_is_only_planned_is_not_told_as_done():
    chat, _ = begin(edit=None)
    (reply,) = (e["text"] for e in chat.say("make her older, add a hat") if e.event == "reply")
    assert reply == "Planned: older, which makes her hair gray (@1). Planned: add hat (@2)."
    (gone,) = (e["text"] for e in chat.say("remove the hat") if e.event == "reply")
    assert gone == "Planned: remove hat (@3)."


def test_a_thing_recolored_in_one_word_is_found_by_its_color():
    chat, _ = begin()
    for wish in ("give her a red hat", "no, blue", "no, pink", "add glasses"):
        list(chat.say(wish))
    heads = []
    for color in ("pink", "red", "blue", "pink"):
        list(chat.say(f"go back to the {color} hat"))
        heads.append(chat.conversation.head)
    assert heads == [3, 1, 2, 3]
