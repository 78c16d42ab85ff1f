"""Sessions: listed, named, found, copied, held by one process at a time."""

import subprocess
import sys
import time
from itertools import pairwise

import pytest
from paths import ROOT
from perfect_chat import begin

from agent.context import ChatContext
from agent.sessions.catalog import InUse, SessionError
from agent.sessions.store import KEPT


def test_they_are_listed_the_last_used_first(sessions):
    begin(sessions, "a", "make her older")
    begin(sessions, "b")
    begin(sessions, "a", "add a hat")
    first, second = sessions.listed()
    assert (first.id, first.edits, first.messages) == ("a", 2, ("make her older", "add a hat"))
    assert (second.id, second.edits, second.messages) == ("b", 0, ())
    assert time.time() - 60 < second.used <= first.used < time.time() + 1


def test_a_session_is_found_by_its_name(sessions):
    begin(sessions, "20260101-a")
    begin(sessions, "20260102-b")
    sessions.rename("20260101-a", "Granny  in Rome")
    for wanted in ("Granny in Rome", "granny", "20260101-a", "20260101"):
        assert sessions.find(wanted) == "20260101-a"
    assert sessions.find("") == "20260102-b"
    for wanted, words in [("2026", "Several"), ("nobody", "no session nobody")]:
        with pytest.raises(SessionError, match=words):
            sessions.find(wanted)


def test_names_that_cannot_be_used(sessions):
    begin(sessions, "20260101-a")
    begin(sessions, "20260102-b")
    sessions.rename("20260101-a", "granny")
    sessions.rename("20260101-a", "granny")
    for name, words in [
        ("GRANNY", "Another session"), (" ", "needs a letter"), ("-x", "no dash"),
        ("2026", "how an id begins"), ("x" * 99, "too long"),
    ]:  # fmt: skip
        with pytest.raises(SessionError, match=words):
            sessions.rename("20260102-b", name)
    assert sessions.names() == {"20260101-a": "granny"}


def test_a_copy_goes_its_own_way(sessions):
    first = begin(sessions, "a", "make her older")
    copy = begin(sessions, sessions.fork("a"), "add a hat")
    assert [turn.request for turn in copy.conversation.turns[1:]] == ["make her older", "add a hat"]
    assert copy.conversation.session == copy.session != "a"
    assert len(first.conversation.turns) == 2
    assert copy.conversation.turns[1].picture == first.conversation.turns[1].picture


def test_a_question_waits_in_the_copy_too(sessions):
    chat = begin(sessions, "a")
    chat.studio = ChatContext(**{**vars(chat.studio), "interactive": True})
    list(chat.say("make her hair purple"))
    copy = begin(sessions, sessions.fork("a"))
    assert copy.question == chat.question is not None
    list(copy.answer("pink"))
    assert copy.question is None and chat.question is not None
    assert len(copy.conversation.turns) == 2


def test_only_one_at_a_time_holds_a_session(sessions):
    begin(sessions, "a")
    with sessions.held("a"):
        with pytest.raises(InUse, match="open in another process"), sessions.held("a"):
            pass
        with pytest.raises(InUse):
            sessions.delete("a")
    sessions.delete("a")
    assert sessions.ids() == []


def test_the_database_stays_small(file_sessions):
    chat = begin(file_sessions, "a", *["make her older", "/x", "make her younger"] * 4)
    count = "SELECT (SELECT COUNT(*) FROM checkpoints), (SELECT COUNT(*) FROM writes)"
    assert file_sessions.saver.conn.execute(count).fetchone() == (KEPT, 0)
    assert len(chat.conversation.turns) > 4


def test_a_turn_costs_the_same_however_many_there_are(file_sessions):
    def size():
        tables = {"checkpoints": "checkpoint", "palimpsest_records": "content"}
        counts = [
            database.execute(f"SELECT SUM(LENGTH({column})) FROM {table}").fetchone()[0]
            for table, column in tables.items()
        ]
        return sum(counts)

    database = file_sessions.saver.conn
    chat = begin(file_sessions, "a", *["add a hat", "/undo 1"] * 5)
    sizes = [size()]
    for _ in range(3):
        begin(file_sessions, "a", *["make her older", "make her younger"] * 10)
        sizes.append(size())
    assert len(chat.conversation.turns) > 60
    grown = [after - before for before, after in pairwise(sizes)]
    assert max(grown) < 1.3 * min(grown)


def test_a_kill_frees_the_session(file_sessions):
    begin(file_sessions, "a")
    code = "import sys, time; from pathlib import Path\n" \
           "from agent.sessions.catalog import open_home\n" \
           "with open_home(Path(sys.argv[1])) as s, s.held('a'): print('held', flush=True); " \
           "time.sleep(60)"  # fmt: skip
    command = [sys.executable, "-c", code, str(file_sessions.home)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(InUse), file_sessions.held("a"):
            pass
        process.kill()
        process.wait()
        with file_sessions.held("a"):
            pass
