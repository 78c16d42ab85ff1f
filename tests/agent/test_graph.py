"""Whole conversations with a fake editor: transcripts, branches, failures, kills."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from fake_chat import begin
from langgraph.checkpoint.memory import InMemorySaver
from paths import ROOT, TESTS
from studio_fakes import fake_studio

from agent.chat import Chat
from agent.sessions.catalog import Sessions
from agent.sessions.database import open_sessions
from agent.state import Ask, GoTo, Plan, Redo, Undo


def names(events) -> list[str]:
    return [event.event for event in events if event.event != "step"]


def head_caption(chat: Chat) -> str:
    conversation = chat.conversation
    return conversation.turns[conversation.head].caption


def test_two_edits_in_one_message_undo_by_name_and_a_branch():
    chat, editor = begin()
    assert names(chat.say("make her older, now add a hat")) == [
        "turn.started", "plan", "check", "turn.completed", "check", "turn.completed", "reply",
    ]  # fmt: skip
    moved = [e for e in chat.say("undo the hat") if e.event == "head.moved"]
    assert [(e["from"], e["to"]) for e in moved] == [(2, 1)]
    assert len(editor.calls) == 2, "undo is a move and never a re-run"
    done = [e for e in chat.say("give her sunglasses instead") if e.event == "turn.completed"]
    assert [(e["turn"], e["parent"], e["message"]) for e in done] == [(3, 1, 3)]
    conversation = chat.conversation
    assert [t.parent for t in conversation.turns] == [None, 0, 1, 1]
    assert [t.seed for t in conversation.turns[1:]] == [8, 9, 10]
    assert "old woman with a gray bob, light skin, sunglasses" in head_caption(chat)
    assert all(call["original"] == conversation.turns[0].picture for call in editor.calls)
    assert [m.reply for m in conversation.messages] == [
        "Changed: older, which makes her hair gray (@1). Added: hat (@2).",
        "Back at @1: make her older.",
        "Added: sunglasses (@3).",
    ]


def test_undo_and_redo_go_by_message():
    chat, _ = begin()
    list(chat.say("make her older, now add a hat"))
    list(chat.say("a pink background"))
    heads = []
    for step in (Undo(), Undo(), Redo(), Redo(), Undo(messages=5)):
        list(chat.move(step))
        heads.append(chat.conversation.head)
    assert heads == [2, 0, 2, 3, 0]
    assert names(chat.move(Undo()))[-2:] == ["turn.failed", "reply"]


def test_revert_replays_the_later_edits_on_a_branch():
    chat, editor = begin()
    for message in ("make her older", "add a hat", "give her glasses"):
        list(chat.say(message))
    list(chat.say("undo the hat but keep the glasses"))
    assert chat.conversation.turns[4].parent == 1
    assert "glasses" in head_caption(chat)
    assert "hat" not in head_caption(chat)
    said = chat.conversation.messages[-1].reply
    assert said == "Without the hat: what came later is made again. Added: glasses (@4)."
    assert chat.conversation.turns[4].request == "give her glasses (again, without the hat)"
    list(chat.say("undo"))
    assert chat.conversation.head == 3
    assert len(editor.calls) == 4


def test_from_the_original_branches_there():
    chat, _ = begin()
    list(chat.say("make her older"))
    list(chat.say("from the original, add a beanie"))
    assert chat.conversation.turns[2].parent == 0
    assert "young" in head_caption(chat)
    list(chat.move(GoTo(turn=1)))
    assert chat.conversation.head == 1
    list(chat.move(GoTo(turn=9)))
    assert chat.conversation.head == 1


def test_trying_again_is_a_sibling_with_another_seed_or_strength():
    chat, editor = begin()
    list(chat.say("make her older"))
    list(chat.say("stronger"))
    list(chat.say("try again"))
    turns = chat.conversation.turns
    assert [t.parent for t in turns] == [None, 0, 0, 0]
    assert [c["settings"].notches for c in editor.calls] == [0, 1, 1]
    assert len({c["seed"] for c in editor.calls}) == 3


def test_the_ladder_tries_another_seed_then_stronger_keeps_the_best_and_says_so():
    chat, editor = begin()
    editor.needs = {"hat": 2}
    events = list(chat.say("add a hat"))
    assert [c["settings"].notches for c in editor.calls] == [0, 0, 2]
    assert [c["seed"] for c in editor.calls] == [8, 10_008, 8], "the first inversion is not lost"
    turn = chat.conversation.turns[1]
    assert turn.check
    assert (turn.check.passed, turn.check.rung, turn.report["tries"]) == (True, "much stronger", 3)
    assert [e["passed"] for e in events if e.event == "check"] == [False, False, True]
    editor.needs = {"glasses": 9}
    list(chat.say("give her glasses"))
    assert "I cannot see all of it (I see: no eyewear);" in chat.conversation.messages[-1].reply


@pytest.mark.parametrize("message", ["give her glasses", "from the original, add a beanie",
                                     "try again"])  # fmt: skip
def test_a_failed_edit_leaves_the_head_where_it_was(message):
    chat, editor = begin()
    list(chat.say("make her older"))
    editor.fails = "woman"
    events = list(chat.say(message))
    assert names(events)[-2:] == ["turn.failed", "reply"]
    assert "went astray" in events[-1]["text"]
    assert chat.conversation.head == 1
    editor.fails = ""
    list(chat.say("add a hat"))
    assert chat.conversation.turns[2].parent == 1


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit()])
def test_an_interrupted_edit_keeps_what_was_accepted(stop):
    chat, editor = begin()
    editor.stop_at = (2, stop)
    with pytest.raises(type(stop)):
        list(chat.say("make her older, now add a hat"))
    assert chat.conversation.head == 1
    assert chat.unfinished == "make her older, now add a hat"
    list(chat.say("give her glasses"))
    assert chat.unfinished == ""
    assert [t.parent for t in chat.conversation.turns] == [None, 0, 1]
    list(chat.say("undo"))
    list(chat.say("undo"))
    assert chat.conversation.head == 0


def test_leaving_the_events_stops_the_edit():
    chat, _ = begin()
    begun = []

    def slow(*, on_step, **_request):
        begun.append(1)
        for i in range(10_000):
            on_step("sample", i + 1, 10_000)
            time.sleep(0.005)

    chat.studio = replace(chat.studio, edit=slow)
    events = chat.say("make her older, now add a hat")
    assert next(e for e in events if e.event == "step")
    events.close()
    assert chat.conversation.head == 0
    assert len(begun) == 1


def test_what_was_cut_off_can_be_carried_on(tmp_path):
    saver = open_sessions(tmp_path / "sessions.sqlite")
    chat, editor = begin(saver)
    editor.stop_at = (2, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        list(chat.say("make her older, now add a hat"))
    editor.stop_at = None
    again = Chat(chat.studio, saver, "s")
    assert names(again.carry_on()) == ["check", "turn.completed", "reply"]
    assert [t.parent for t in again.conversation.turns] == [None, 0, 1]
    assert [m.after for m in again.conversation.messages] == [2]
    saver.conn.close()


KILLED = """
import os, sys
sys.path.insert(0, {tests!r})
from studio_fakes import CAPTION, fake_studio
from agent.chat import Chat
from agent.sessions.database import open_sessions
from pathlib import Path

studio, editor, key = fake_studio(Path({path!r}).parent)
chat = Chat(studio, open_sessions(Path({path!r})), "s")
chat.open(key, CAPTION)
happened = 0
for event in chat.say("make her older, now add a hat"):
    happened += 1
    if happened == {after}:
        os._exit(9)
"""


@pytest.mark.parametrize("after", [1, 7, 13])
def test_a_killed_session_resumes(tmp_path, after):
    path = tmp_path / "sessions.sqlite"
    tests = TESTS / "support"
    code = KILLED.format(tests=str(tests), path=str(path), after=after)
    env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    assert subprocess.run([sys.executable, "-c", code], env=env, check=False).returncode == 9
    saver = open_sessions(path)
    assert Sessions(saver, tmp_path).ids() == ["s"]
    studio, editor, _ = fake_studio(tmp_path)
    editor.pictures.load()
    chat = Chat(studio, saver, "s")
    assert chat.conversation.head == len(chat.conversation.turns) - 1
    list(chat.carry_on() if chat.unfinished else [])
    assert [t.parent for t in chat.conversation.turns] == [None, 0, 1], chat.conversation.messages
    assert "old woman with a gray bob, light skin, a hat" in head_caption(chat)
    saver.conn.close()


def test_a_question_waits_even_across_a_restart(tmp_path):
    saver = open_sessions(tmp_path / "sessions.sqlite")
    chat, editor = begin(saver, interactive=True)
    assert names(chat.say("make her hair purple"))[-1] == "question"
    again = Chat(chat.studio, saver, "s")
    assert again.question
    assert "pink hair" in again.question.options
    assert names(again.answer("pink"))[-2:] == ["turn.completed", "reply"]
    assert "pink bob" in head_caption(again)
    assert again.question is None
    assert len(editor.calls) == 1
    assert names(again.say("put her on the moon"))[-1] == "question"
    assert names(again.say("add a hat"))[-1] == "reply", "a new message starts afresh"
    saver.conn.close()


def test_without_a_person_the_default_is_taken():
    chat, editor = begin()
    assert names(chat.say("put her on the moon")) == ["turn.started", "plan", "question", "reply"]
    ask = Ask(question="Which?", options=("red hat", "blue hat"), default="blue hat")
    list(chat._begin("hats", Plan(steps=(ask,))))
    assert "blue hat" in head_caption(chat)
    assert len(editor.calls) == 1


def test_planned_edits_count_as_made():
    chat, _ = begin(edit=None)
    done = [e for e in chat.say("make her older, now add a hat") if e.event == "turn.completed"]
    assert [e["picture"] for e in done] == [None, None]
    list(chat.say("undo the hat"))
    assert chat.conversation.head == 1


def test_a_checkpoint_holds_words_and_hashes_only(tmp_path):
    saver = open_sessions(tmp_path / "sessions.sqlite")
    chat, _ = begin(saver)
    for i in range(10):
        list(chat.say(f"a {'pink' if i % 2 else 'blue'} background"))
    rows = saver.conn.execute("SELECT length(checkpoint) FROM checkpoints").fetchall()
    assert max(row[0] for row in rows) < 60_000
    assert len(chat.conversation.turns) == 11
    saver.conn.close()


def test_a_second_picture_is_a_new_base_and_undo_leads_back():
    chat, editor = begin()
    list(chat.say("make her older"))
    started = chat.open(chat.conversation.turns[0].picture, "a portrait of a sad man")
    assert json.loads(started.line())["turn"] == 2
    list(chat.say("add a hat"))
    assert chat.conversation.turns[3].parent == 2
    list(chat.move(Undo(messages=2)))
    assert chat.conversation.head == 1


def test_settings_may_change_between_messages():
    chat, editor = begin()
    settings = chat.studio.settings.model_copy(update={"seed": 100})
    chat.studio = replace(chat.studio, settings=settings)
    list(chat.say("add a hat"))
    assert chat.conversation.turns[1].seed == 101


def test_talking_edits_nothing():
    chat, editor = begin()
    list(chat.say("make her older, now add a hat"))
    replies = [[e for e in chat.say(m) if e.event == "reply"][0]["text"] for m in (
        "which edits did I make?", "compare with the original", "describe the picture", "help",
        "thanks", "make her older")]  # fmt: skip
    assert replies[0] == "The edits that led here: @1 make her older; @2 add a hat."
    assert replies[1] == (
        "From the original to @2: headwear none → hat, hair colour brown → gray, age young → old."
    )
    assert "old woman" in replies[2]
    assert "undo the hat" in replies[3]
    assert "already" in replies[5]
    assert len(editor.calls) == 2
    saved = [e for e in chat.say("save it as Granny.png") if e.event == "save"]
    assert saved[0]["path"] == "Granny.png"


def test_nothing_can_be_said_before_a_picture_is_open():
    studio, _, _ = fake_studio()
    with pytest.raises(ValueError, match="open a picture"):
        Chat(studio, InMemorySaver(), "s").say("hello")
