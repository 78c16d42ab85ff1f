"""The file of the sessions: brought up to date after a backup, and left alone if it is unfit."""

import errno
import gzip
import os
import sqlite3
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path

import perfect_chat
import pytest
from paths import TESTS
from perfect_chat import talk

from agent.sessions import database
from agent.sessions.catalog import Sessions, open_home
from agent.sessions.database import open_sessions
from agent.sessions.store import StorageError

OLD = TESTS / "data" / "sessions.v0.sqlite.gz"
"""Two sessions, as 0.1.0 wrote them before its file had a version."""


@pytest.fixture
def file(tmp_path):
    """A file of version 0."""
    path = tmp_path / "home" / "sessions.sqlite"
    path.parent.mkdir()
    path.write_bytes(gzip.decompress(OLD.read_bytes()))
    return path


def rows(path, query):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def begin(path, name="s"):
    """Take up a session of a file, or begin it."""
    return perfect_chat.begin(Sessions(open_sessions(path), path.parent), name)


def test_a_file_without_version_is_brought_up_to_date(file):
    before = file.read_bytes()
    with open_home(file.parent) as sessions:
        later, first = sessions.listed()
        assert (first.edits, first.messages) == (1, ("make her older",))
        assert later.messages == ("add a hat", "undo", "give her sunglasses")
        chat = begin(file, later.id)
        assert (chat.conversation.head, len(chat.conversation.turns)) == (2, 3)
        sessions.rename(first.id, "old")
        chat.saver.conn.close()
    assert rows(file, "PRAGMA user_version") == [(database.VERSION,)]
    assert rows(file, "SELECT COUNT(*) FROM checkpoints") == [(2,)]
    assert file.stat().st_size < len(before)
    backup = file.with_name("sessions.sqlite.v0.bak")
    assert rows(backup, "PRAGMA user_version") == [(0,)]
    assert rows(backup, "SELECT COUNT(*) FROM checkpoints") == [(25,)]
    assert sorted(p.name for p in file.parent.iterdir()) == [file.name, backup.name]


def test_a_new_file_needs_no_backup(tmp_path):
    with open_home(tmp_path):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["sessions.sqlite"]
    assert rows(tmp_path / "sessions.sqlite", "PRAGMA user_version") == [(database.VERSION,)]


def test_steps_are_taken_in_order_and_all_or_none(file, monkeypatch):
    def second(connection):
        connection.execute("ALTER TABLE palimpsest_sessions ADD COLUMN colour TEXT")

    def third(connection):
        raise sqlite3.OperationalError("no")

    before = file.read_bytes()
    steps = (*database.MIGRATIONS, second)
    now = database.VERSION
    monkeypatch.setattr(database, "VERSION", now + 2)
    monkeypatch.setattr(database, "MIGRATIONS", (*steps, third))
    with pytest.raises(StorageError):
        open_sessions(file)
    assert file.read_bytes() == before
    monkeypatch.setattr(database, "VERSION", now + 1)
    monkeypatch.setattr(database, "MIGRATIONS", steps)
    open_sessions(file).conn.close()
    assert rows(file, "SELECT colour FROM palimpsest_sessions") == []
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA user_version = {now}")
        connection.execute("ALTER TABLE palimpsest_sessions DROP COLUMN colour")
    open_sessions(file).conn.close()
    assert file.with_name(f"sessions.sqlite.v{now}.bak").exists()


def test_no_migration_without_a_backup(file, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = file.read_bytes()
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match="No space left"):
        open_sessions(file)
    assert file.read_bytes() == before
    assert [p.name for p in file.parent.iterdir()] == [file.name]


def newer(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


def no_database(path):
    path.write_bytes(b"These are not the sessions you are looking for.\n" * 99)


def damaged_inside(path):
    content = bytearray(path.read_bytes())
    content[8192:40960] = os.urandom(32768)
    path.write_bytes(content)


def cut_short(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (newer, "newer Palimpsest"),
        (no_database, "is no database"),
        (damaged_inside, "is damaged"),
        (cut_short, "is damaged"),
    ],
)
def test_a_file_that_cannot_be_used_is_left_alone(capsys, file, harm, words):
    harm(file)
    before = file.read_bytes()
    for argv in (["--list-sessions"], ["--resume", "--say", "/undo"], ["--say", "add a hat"]):
        events, said = talk(capsys, *argv, code=3)
        assert not events
        assert words in said and said.count("\n") == 1 and "Traceback" not in said
    assert file.read_bytes() == before
    assert [p.name for p in file.parent.iterdir()] == [file.name]


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_home_that_may_only_be_read_can_be_looked_at(capsys, monkeypatch):
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("XDG_CONFIG_HOME", folder)
        home = Path(folder) / "home"
        home.mkdir()
        path = home / "sessions.sqlite"
        path.write_bytes(gzip.decompress(OLD.read_bytes()))
        before = path.read_bytes()
        looking = ("--home", home, "--resume", "--read-only", "--say", "/tree", "--say", "/why")
        talk(capsys, *looking)  # imports what nobody but root may read on some machines
        assert path.read_bytes() == before
        for place, mode in ((path, 0o444), (home, 0o555), (Path(folder), 0o755)):
            place.chmod(mode)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)  # root may write anywhere
        try:
            listed = talk(capsys, "--home", home, "--list-sessions")[0]
            events = talk(capsys, *looking)[0]
            said = talk(capsys, "--home", home, "--resume", "--say", "add a hat", code=3)[1]
        finally:
            if root:
                os.seteuid(0)
        assert [session["edits"] for session in listed] == [2, 1]
        assert "give her sunglasses" in events[1]["text"]
        assert "--home" in said and said.count("\n") == 1
        assert path.read_bytes() == before
        home.chmod(0o755)


@pytest.mark.usefixtures("perfect_editor")
def test_no_room_for_the_first_picture(capsys, monkeypatch, tmp_path):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    said = talk(capsys, "--say", "add a hat", code=3)[1]
    assert "No space left on device; make room there" in said
    assert not list((tmp_path / "home").rglob("*.png"))


def test_no_room_for_an_edited_picture(tmp_path, monkeypatch):
    chat = begin(tmp_path / "sessions.sqlite")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("os.replace", full)
        failed = [e["error"] for e in chat.say("make her older") if e.event == "turn.failed"]
    assert len(failed) == 1 and "No space left on device" in failed[0]
    assert chat.conversation.head == 0 and not list(tmp_path.rglob("tmp*"))
    list(chat.say("make her older"))
    assert chat.conversation.head == 1
    chat.saver.conn.close()


def fill(connection, spare):
    """Leave the file no more than so many pages to grow; return how to make room."""
    connection.execute("CREATE TABLE filler (content BLOB)")
    for _ in range(1 + connection.execute("PRAGMA freelist_count").fetchone()[0]):
        connection.execute("INSERT INTO filler VALUES (zeroblob(4000))")
    connection.commit()
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + spare}")
    return lambda: connection.execute("PRAGMA max_page_count = 100000")


@pytest.mark.parametrize("spare", [0, 1, 2, 3])
def test_no_room_in_the_database(tmp_path, spare):
    chat = begin(tmp_path / "sessions.sqlite")
    list(chat.say("make her older"))
    say_without_room(chat, fill(chat.saver.conn, spare))


@pytest.mark.parametrize("writes", range(16))
def test_no_room_from_one_write_on(tmp_path, monkeypatch, writes):
    chat = begin(tmp_path / "sessions.sqlite")
    list(chat.say("make her older"))
    real, left = database.Saver.cursor, iter(range(writes))

    @contextmanager
    def cursor(self, transaction=True):
        with real(self, transaction) as lent:
            yield lent
            if transaction and next(left, None) is None:
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorcode = sqlite3.SQLITE_FULL
                raise error

    monkeypatch.setattr(database.Saver, "cursor", cursor)
    say_without_room(chat, monkeypatch.undo)


def say_without_room(chat, make_room):
    """Messages fail with one sentence each; what was told is kept; with room all is well."""
    turns = chat.conversation.turns
    events = list(chat.say("add a hat, now make her sad, now make the background blue"))
    told = {event["turn"] for event in events if event.event == "turn.completed"}
    failed = [event["error"] for event in events if event.event == "turn.failed"]
    assert len(failed) == 1 and "the disk is full; make room" in failed[0]
    assert [event.event for event in chat.say("hello")] == ["turn.failed"]
    kept = chat.conversation.turns
    assert kept[: len(turns)] == turns and told <= {turn.id for turn in kept}
    make_room()
    assert list(chat.say("give her sunglasses"))[-1].event == "reply"
    assert chat.conversation.turns[:-1] == kept, "what was seen is built on"
    assert chat.saver.conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    chat.saver.conn.close()


def test_a_write_is_saved_whole_or_not_at_all(tmp_path):
    saver = open_sessions(tmp_path / "sessions.sqlite")
    with pytest.raises(RuntimeError), saver.cursor() as cursor:
        cursor.execute("INSERT INTO palimpsest_sessions VALUES ('a', 'b')")
        raise RuntimeError
    assert Sessions(saver, tmp_path).names() == {}
    assert saver.conn.execute("PRAGMA synchronous").fetchone() == (2,)
    assert saver.conn.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    saver.conn.close()
