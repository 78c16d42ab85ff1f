"""--resume, --fork and --read-only."""

import pytest
from perfect_chat import begin, talk

from agent.sessions.catalog import open_home


@pytest.mark.usefixtures("perfect_editor")
def test_a_second_process_is_told_and_may_copy_or_look(capsys, tmp_path):
    events, _ = talk(capsys, "--say", "make her older", "--say", "/session rename Granny")
    session = events[0]["session"]
    with open_home(tmp_path / "home") as sessions, sessions.held(session):
        _, said = talk(capsys, "--resume", "--say", "add a hat", code=2)
        assert f"session {session} is open in another process. With --fork " in said
        _, said = talk(capsys, "--resume", "granny", "--say", "add a hat", code=2)
        assert "session granny is open in another process" in said and "--read-only" in said
        looking = ["--resume", "granny", "--read-only"]
        events, _ = talk(capsys, *looking, "--say", "/tree", "--say", "/why", "--say", "/session")
        assert events[0]["turn"] == 1 and "make her older" in events[1]["text"]
        for line in ("add a hat", "/undo", "/goto 0", "/session prune"):
            events, said = talk(capsys, *looking, "--say", line, code=2)
            assert "open for reading only" in said, line
        events, _ = talk(capsys, "--resume", "granny", "--fork", "--say", "add a hat")
        assert events[0]["session"] != session
        assert [e["parent"] for e in events if e["event"] == "turn.completed"] == [1]
        edits = {listed.id: listed.edits for listed in sessions.listed()}
    assert edits == {session: 1, events[0]["session"]: 2}


@pytest.mark.usefixtures("perfect_editor")
def test_looking_leaves_an_unfinished_message_alone(capsys, tmp_path):
    session = talk(capsys, "--say", "make her older")[0][0]["session"]
    with open_home(tmp_path / "home") as sessions:
        chat = begin(sessions, session)
        events = chat.say("add a hat, now make her sad")
        next(event for event in events if event.event == "step")
        events.close()
        assert chat.unfinished
        before = sessions.saver.get_tuple(chat._config)
        talk(capsys, "--resume", "--read-only", "--say", "/show")
        assert sessions.saver.get_tuple(chat._config) == before


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--fork"], "--fork needs --resume"),
        (["--read-only"], "--read-only needs --resume"),
        (["--resume", "--fork", "--read-only"], "Either --fork or --read-only"),
    ],
)
def test_flags_that_make_no_sense(capsys, flags, words):
    assert words in talk(capsys, *flags, "--say", "hi", code=2)[1]
