"""What is Postgres' own: owners, leases, and a server that is started anew in the middle."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from paths import ROOT
from perfect_chat import begin
from postgres_server import Server

from agent.sessions.catalog import InUse, Sessions
from agent.sessions.store import KEPT, StorageError

pytestmark = pytest.mark.postgres


postgres = pytest.importorskip("agent.sessions.postgres")


@pytest.fixture
def database(server: Server) -> Iterator[postgres.Database]:
    made = postgres.Database.at(server.url)
    yield made
    made.close()


@pytest.fixture
def ann(database: postgres.Database, tmp_path: Path) -> Sessions:
    return of(database, "ann", tmp_path)


def of(database: postgres.Database, owner: str, folder: Path) -> Sessions:
    """Sessions of somebody; what earlier tests left is deleted."""
    home = folder / owner
    home.mkdir(exist_ok=True)
    made = Sessions(database.store(owner), home)
    for session in made.ids():
        made.delete(session)
    return made


def count(database: postgres.Database, table: str, where: str = "TRUE") -> int:
    with database.pool.connection() as connection:
        row = connection.execute(f"SELECT COUNT(*) FROM {table} WHERE {where}").fetchone()
    assert row is not None
    return int(row[0])


def test_nobody_reaches_what_is_anothers(
    ann: Sessions, database: postgres.Database, tmp_path: Path
) -> None:
    """The same id for both, and each has their own turns, name, records and lease."""
    bob = of(database, "bob", tmp_path)
    begin(ann, "same", "make her older")
    begin(bob, "same", "add a hat")
    ann.rename("same", "Granny")
    bob.rename("same", "granny")
    assert begin(ann, "same").conversation.messages[0].text == "make her older"
    assert begin(bob, "same").conversation.messages[0].text == "add a hat"
    assert (ann.names(), bob.names()) == ({"same": "Granny"}, {"same": "granny"})
    with ann.held("same"), bob.held("same"):
        pass
    ann.delete("same")
    assert ann.ids() == [] and bob.ids() == ["same"]
    assert begin(bob, "same").conversation.turns[1].request == "add a hat"
    assert {"ann", "bob"} & set(database.owners()) == {"bob"}  # tests share the database
    bob.delete("same")
    for table in ("palimpsest_records", "palimpsest_sessions"):
        assert count(database, table, "owner IN ('ann', 'bob')") == 0
    for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes"):
        assert count(database, table, "starts_with(thread_id, 'ann/')") == 0


def test_the_database_stays_small(ann: Sessions, database: postgres.Database) -> None:
    chat = begin(ann, "a", *["make her older", "/x", "make her younger"] * 4)
    assert len(chat.conversation.turns) > 4
    assert count(database, "checkpoints", "thread_id = 'ann/a'") == KEPT
    assert count(database, "checkpoint_writes", "thread_id = 'ann/a'") == 0
    blobs = count(database, "checkpoint_blobs", "thread_id = 'ann/a'")
    begin(ann, "a", *["make her older", "/x", "make her younger"] * 2)
    assert count(database, "checkpoint_blobs", "thread_id = 'ann/a'") <= blobs + 2


def test_the_server_is_started_anew_in_mid_message(
    ann: Sessions, server: Server, database: postgres.Database
) -> None:
    chat = begin(ann, "a")
    happened = []
    with ann.held("a"):
        for event in chat.say("make her older, now add a hat, now make her sad"):
            happened.append(event.event)
            if event.event == "turn.completed" and happened.count("turn.completed") == 1:
                server.end()
                threading.Timer(1, server.begin).start()
    assert happened.count("turn.completed") == 3 and happened[-1] == "reply"
    assert [turn.request for turn in chat.conversation.turns[1:]] == [
        "make her older", "add a hat", "make her sad",
    ]  # fmt: skip
    assert begin(ann, "a").conversation == chat.conversation


def test_a_server_that_stays_away_is_said(
    ann: Sessions, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = begin(ann, "a")
    monkeypatch.setattr(postgres, "PATIENCE", 0.5)
    server.end()
    try:
        with pytest.raises(StorageError, match="cannot be kept in the database"):
            list(chat.say("make her older"))
    finally:
        server.begin()
    assert len(chat.conversation.turns) == 1
    assert [e.event for e in chat.say("make her older")][-1] == "reply"


def test_who_has_lost_a_session_saves_nothing_more(
    ann: Sessions, database: postgres.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease ran out, as when a machine slept, and another has taken it."""
    monkeypatch.setattr(postgres, "LEASE", 0.2)
    chat = begin(ann, "a", "make her older")
    slow = Sessions(database.store("ann"), ann.home)
    with slow.held("a"):
        monkeypatch.setattr(postgres.PostgresStore, "_lease", lambda *_: None)  # it sleeps
        time.sleep(0.5)
        monkeypatch.undo()
        with ann.held("a"):
            begin(ann, "a", "add a hat")
            late = begin(slow, "a")
            with pytest.raises(StorageError, match="Another process has taken the session a over"):
                list(late.say("make her sad"))
    assert [turn.request for turn in chat.conversation.turns[1:]] == ["make her older", "add a hat"]


def test_who_uses_a_session_can_be_asked_to_stop(
    ann: Sessions, database: postgres.Database
) -> None:
    """By another machine, which has the same session before it."""
    other = Sessions(database.store("ann"), ann.home)
    begin(ann, "a")
    assert not other.saver.is_used_elsewhere("a") and not other.saver.stop_elsewhere("a")
    stopping = threading.Event()
    with ann.held("a", stopping=stopping):
        assert other.saver.is_used_elsewhere("a") and not stopping.is_set()
        assert other.saver.stop_elsewhere("a")
        assert stopping.wait(20)
    assert not other.saver.is_used_elsewhere("a")
    again = threading.Event()
    with ann.held("a", stopping=again):
        assert not again.wait(2.5), "what was asked before is forgotten"


def test_a_lease_is_renewed_while_it_is_kept(
    ann: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "LEASE", 3.0)
    begin(ann, "a")
    with ann.held("a"):
        time.sleep(6)
        with pytest.raises(InUse), ann.held("a"):
            pass
    with ann.held("a"):
        pass


def test_a_kill_frees_the_session(ann: Sessions, server: Server) -> None:
    begin(ann, "a")
    code = "import sys, time; from agent.sessions import postgres; postgres.LEASE = 2.0\n" \
           "with postgres.Database.at(sys.argv[1]).store('ann').locked('a') as ours:\n" \
           "    print(ours, flush=True); time.sleep(60)"  # fmt: skip
    command = [sys.executable, "-c", code, server.url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"True\n"
        with pytest.raises(InUse), ann.held("a"):
            pass
        process.kill()
        process.wait()
    time.sleep(2.5)
    with ann.held("a"):
        pass


def test_two_processes_make_the_tables_at_once(server: Server) -> None:
    made: list[postgres.Database] = []
    threads = [
        threading.Thread(target=lambda: made.append(postgres.Database.at(server.url)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    for database in made:
        database.close()


def test_a_database_of_a_newer_form_is_left_alone(
    server: Server, database: postgres.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "VERSION", 0)
    with pytest.raises(StorageError, match="newer Palimpsest"):
        postgres.Database.at(server.url)


def test_a_database_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be kept in the database"):
        postgres.Database.at(f"postgresql:///x?host={tmp_path}&connect_timeout=2")
