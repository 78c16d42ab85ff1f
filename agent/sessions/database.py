"""The SQLite file of the sessions: opened with care, brought up to date, kept small.

What stands in it: LangGraph's ``checkpoints`` and ``writes``, the ``palimpsest_records`` that they
refer to, and the names in ``palimpsest_sessions``.

Durability: a write-ahead log with ``synchronous=FULL``. Every saved node is on the disk before the
next one begins, so neither a kill nor a power cut takes a turn that was announced; NORMAL would
survive kills only, and saves no time that a person notices beside an edit.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from filelock import FileLock, Timeout
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.sqlite import SqliteSaver

from agent.sessions.records import RecordSerializer, serializer
from agent.sessions.store import KEPT, DamagedSession, SessionStore, StorageError, hashes_in

PATIENCE = 30.0  # seconds to wait for another process that is writing
_REASONS = {
    sqlite3.SQLITE_FULL: "the disk is full; make room and try again",
    sqlite3.SQLITE_READONLY: "it may only be read; give yourself the right to write, or choose "
    "another folder with --home",
    sqlite3.SQLITE_CANTOPEN: "its sessions.sqlite cannot be opened for writing; look at its "
    "permissions, or choose another folder with --home",
    sqlite3.SQLITE_CORRUPT: "its sessions.sqlite is damaged; put a copy of it back, or move it "
    "away to start afresh",
    sqlite3.SQLITE_NOTADB: "its sessions.sqlite is no database; put a copy of it back, or move it "
    "away to start afresh",
    sqlite3.SQLITE_BUSY: "another process keeps writing there; try again once it is done",
    sqlite3.SQLITE_IOERR: "the disk fails or is full; make room or look at it, and try again",
}


def trouble(error: sqlite3.Error | OSError, folder: Path | str = "the data folder") -> str:
    """Return what went wrong while keeping sessions in a folder, and what to do about it."""
    code = getattr(error, "sqlite_errorcode", None)
    reason = _REASONS.get(code & 0xFF) if code is not None else None  # the rest is detail
    if reason is None:
        reason = f"{getattr(error, 'strerror', None) or error}; choose another folder with --home"
    return f"Sessions cannot be kept in {folder}: {reason}."


class Saver(SessionStore, SqliteSaver):
    """The sessions in a SQLite file."""

    def __init__(self, connection: sqlite3.Connection, folder: Path) -> None:
        """Save in the database that is open; its folder also gets the locks."""
        SqliteSaver.__init__(self, connection, serde=RecordSerializer(serializer(), self._record))
        self._saving = threading.RLock()
        self._folder = folder

    @contextmanager
    def cursor(self, transaction: bool = True) -> Iterator[sqlite3.Cursor]:
        """Lend a cursor; what it wrote is saved as a whole or, after an error, not at all."""
        with self.lock:
            self.setup()
            with closing(self.conn.cursor()) as cursor:
                try:
                    yield cursor
                    if transaction:
                        self._store_records(cursor)
                        self.conn.commit()
                except BaseException:
                    self.conn.rollback()
                    raise

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Save a checkpoint, then drop those that are too old.

        In that order and in two commits: a kill or a full disk between them costs room, never a
        checkpoint.
        """
        with self._saving:
            saved = super().put(config, checkpoint, metadata, new_versions)
        place = saved["configurable"]
        thread = (place["thread_id"], place["checkpoint_ns"])
        with suppress(sqlite3.Error), self.cursor() as cursor:
            cursor.execute(
                "DELETE FROM writes WHERE thread_id = ? AND checkpoint_ns = ?"
                " AND checkpoint_id < ?",
                (*thread, place["checkpoint_id"]),
            )
            cursor.execute(
                "DELETE FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = ?"
                " AND checkpoint_id <= (SELECT checkpoint_id FROM checkpoints WHERE thread_id = ?"
                " AND checkpoint_ns = ? ORDER BY 1 DESC LIMIT 1 OFFSET ?)",
                (*thread, *thread, KEPT),
            )
        return saved

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Save what a node has done, before the next checkpoint."""
        with self._saving:
            super().put_writes(config, writes, task_id, task_path)

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return a checkpoint, the latest unless it is named.

        Raises:
            DamagedSession: It is there, and cannot be read.
        """
        try:
            return super().get_tuple(config)
        except sqlite3.Error:
            raise
        except Exception as error:  # whatever damaged bytes lead to
            raise DamagedSession(config["configurable"]["thread_id"]) from error

    def checkpoints(self, session: str) -> list[str]:
        """Return the ids of the checkpoints of a session, the latest first."""
        with self.cursor(transaction=False) as cursor:
            cursor.execute(
                "SELECT checkpoint_id FROM checkpoints WHERE thread_id = ? ORDER BY 1 DESC",
                (session,),
            )
            return [row[0] for row in cursor]

    def ids(self) -> list[str]:
        """Return the ids of the sessions, the last used first."""
        return [row[0] for row in self._rows(
            "SELECT thread_id FROM checkpoints GROUP BY thread_id"
            " ORDER BY MAX(checkpoint_id) DESC, thread_id DESC"
        )]  # fmt: skip

    def names(self) -> dict[str, str]:
        """Return the names that sessions were given, by their ids."""
        if not self._rows("SELECT 1 FROM sqlite_schema WHERE name = 'palimpsest_sessions'"):
            return {}  # a file of form 0 that may only be read
        return dict(self._rows("SELECT session, name FROM palimpsest_sessions"))

    def rename(self, session: str, name: str) -> bool:
        """Give a session a name; return False if another has it, in whatever case."""
        try:
            with self.cursor() as cursor:
                cursor.execute(
                    "REPLACE INTO palimpsest_sessions SELECT ?, ? WHERE NOT EXISTS (SELECT 1"
                    " FROM palimpsest_sessions WHERE name = ? AND session != ?)",
                    (session, name, name, session),
                )
        except sqlite3.Error as error:
            raise StorageError(trouble(error, self._folder)) from None
        return self.names().get(session) == name

    def copy(self, session: str, checkpoint: str, copy: str) -> None:
        """Copy a checkpoint of a session, with what waits in it, to a new session."""
        with self.cursor() as cursor:
            for table in ("checkpoints", "writes"):
                columns = [row[1] for row in cursor.execute(f"PRAGMA table_info({table})")]
                others = ", ".join(column for column in columns if column != "thread_id")
                cursor.execute(
                    f"INSERT INTO {table} (thread_id, {others}) SELECT ?, {others} FROM {table}"
                    " WHERE thread_id = ? AND checkpoint_id = ?",
                    (copy, session, checkpoint),
                )

    def delete(self, session: str) -> None:
        """Delete a session, its name, and the records that no other needs."""
        with self.cursor() as cursor:
            cursor.execute("BEGIN IMMEDIATE")  # nobody refers to a record while it goes
            for table in ("checkpoints", "writes"):
                cursor.execute(f"DELETE FROM {table} WHERE thread_id = ?", (session,))
            cursor.execute("DELETE FROM palimpsest_sessions WHERE session = ?", (session,))
            _drop_loose_records(cursor)
        with suppress(OSError):  # on Windows a locked file stays
            self._lock_file(session).unlink()

    @contextmanager
    def locked(self, session: str, stopping: threading.Event | None = None) -> Iterator[bool]:
        """Keep every other process from using a session; lends False if one uses it already."""
        file = self._lock_file(session)
        try:
            file.parent.mkdir(exist_ok=True)
            lock = FileLock(file, timeout=0, thread_local=False)
            lock.acquire()
        except Timeout:
            yield False
            return
        except OSError as error:
            raise StorageError(trouble(error, self._folder)) from None
        try:
            yield True
        finally:
            lock.release()

    def reached(self, but: Collection[str] = ()) -> set[str]:
        """Return every hash, of records and pictures, that sessions hold, but for some of them."""
        with self.cursor(transaction=False) as cursor:
            return _reached(cursor, but)

    def compact(self) -> None:
        """Drop the records that no session refers to, and give their room back."""
        with self.cursor() as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            _drop_loose_records(cursor)
        with suppress(sqlite3.Error), self.lock:  # if another process uses the file
            self.conn.execute("VACUUM")

    def close(self) -> None:
        """Close the file."""
        self.conn.close()

    def _lock_file(self, session: str) -> Path:
        return self._folder / "locks" / f"{quote(session, safe='')}.lock"

    def _rows(self, query: str) -> list[Any]:
        with self.cursor(transaction=False) as cursor:
            return cursor.execute(query).fetchall()

    def _store_records(self, cursor: sqlite3.Cursor) -> None:
        """Store the records that what is now saved refers to, in the same transaction."""
        pending, self.serde.pending = self.serde.pending, {}
        if pending:
            cursor.executemany(
                "INSERT OR IGNORE INTO palimpsest_records VALUES (?, ?)", pending.items()
            )

    def _record(self, key: str) -> bytes | None:
        with closing(self.conn.cursor()) as cursor:
            cursor.execute("SELECT content FROM palimpsest_records WHERE hash = ?", (key,))
            found = cursor.fetchone()
        return None if found is None else bytes(found[0])


def _reached(cursor: sqlite3.Cursor, but: Collection[str] = ()) -> set[str]:
    found: set[str] = set()
    cursor.execute(
        "SELECT thread_id, checkpoint FROM checkpoints"
        " UNION ALL SELECT thread_id, value FROM writes"
    )
    for session, content in cursor:
        if session not in but:
            found |= hashes_in(content or b"")
    cursor.execute("SELECT hash, content FROM palimpsest_records")
    for key, content in cursor:
        if key in found:
            found |= hashes_in(content)
    return found


def _drop_loose_records(cursor: sqlite3.Cursor) -> None:
    """Drop the records that no session refers to, inside a transaction that is under way."""
    found = _reached(cursor)
    keys = cursor.execute("SELECT hash FROM palimpsest_records").fetchall()
    loose = [key for key in keys if key[0] not in found]
    cursor.executemany("DELETE FROM palimpsest_records WHERE hash = ?", loose)


def open_sessions(path: Path) -> Saver:
    """Open (or make) the file, and bring one of an older form up to date after a backup.

    Raises:
        StorageError: It cannot be used; it is left as it was.
    """

    def prepare(saver: Saver) -> None:
        saver.conn.execute("PRAGMA synchronous=FULL")
        if _version(saver.conn) < VERSION:
            _migrate(saver.conn, path)
        saver.setup()

    return _opened(
        path, lambda: sqlite3.connect(path, timeout=PATIENCE, check_same_thread=False), prepare
    )


def open_sessions_to_read(path: Path) -> Saver:
    """Open the file to look only: it, and its folder, may be read-only and of an older form.

    Raises:
        StorageError: It cannot be read.
    """

    def prepare(saver: Saver) -> None:
        saver.is_setup = True  # or it would be written to

    return _opened(path, lambda: _reading(path), prepare)


def _opened(
    path: Path, connect: Callable[[], sqlite3.Connection], prepare: Callable[[Saver], None]
) -> Saver:
    """Connect, refuse what is unfit, and prepare; whatever fails leaves nothing open."""
    try:
        connection = connect()
        try:
            _examine(connection, path)
            saver = Saver(connection, path.parent)
            prepare(saver)
        except BaseException:
            connection.close()
            raise
    except (sqlite3.Error, OSError) as error:
        raise StorageError(trouble(error, path.parent)) from None
    return saver


def _reading(path: Path) -> sqlite3.Connection:
    """Connect without writing; a file that is not there is an empty one."""
    if not path.exists():
        connection = sqlite3.connect(":memory:", check_same_thread=False)
        Saver(connection, path.parent).setup()
        for step in MIGRATIONS:
            step(connection)
        return connection

    def connect(more: str) -> sqlite3.Connection:
        address = f"{path.resolve().as_uri()}?mode=ro{more}"
        opened = sqlite3.connect(address, uri=True, timeout=PATIENCE, check_same_thread=False)
        opened.execute("SELECT COUNT(*) FROM sqlite_schema").fetchone()
        return opened

    try:
        return connect("")
    except sqlite3.OperationalError:
        log = path.with_name(f"{path.name}-wal")
        if log.exists() and log.stat().st_size:  # what stands in it would be missed
            raise
        return connect("&immutable=1")  # no room for a log's index, and no log


def _examine(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse what must not be written to: a damaged file, or one of a newer form."""
    if (found := _version(connection)) > VERSION:
        raise StorageError(
            f"{path} was written by a newer Palimpsest (form {found}, this one knows {VERSION}); "
            "update Palimpsest, or choose another folder with --home."
        )
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise StorageError(
            f"{path} is damaged; put a copy of it back, or move it away to start afresh."
        )


def _version(connection: sqlite3.Connection) -> int:
    """Return the form of our data in the file; LangGraph looks after its own tables."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the file up to date: all the steps in one transaction, or none."""
    connection.execute("BEGIN IMMEDIATE")  # one process at a time
    try:
        if (found := _version(connection)) < VERSION:
            tables = connection.execute("SELECT name FROM sqlite_schema").fetchall()
            if tables:
                _back_up(path, found)
            for step in MIGRATIONS[found:]:
                step(connection)
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    with suppress(sqlite3.Error):  # if another process uses the file
        connection.execute("VACUUM")


def _back_up(path: Path, version: int) -> None:
    """Copy the file to ``sessions.sqlite.v0.bak``, whole or not at all."""
    copy = path.with_name(f"{path.name}.v{version}.bak")
    passing = copy.with_name(f"{copy.name}.{os.getpid()}")
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(passing)) as target:
            source.backup(target)
        os.replace(passing, copy)
    finally:
        passing.unlink(missing_ok=True)


def _names_and_latest(connection: sqlite3.Connection) -> None:
    """Form 1: sessions have names, and of each only the latest checkpoint is kept."""
    connection.execute(
        "CREATE TABLE palimpsest_sessions"
        " (session TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE COLLATE NOCASE)"
    )
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
    for table in ("writes", "checkpoints"):
        if {"checkpoints", table} <= tables:
            connection.execute(
                f"DELETE FROM {table} WHERE checkpoint_id < (SELECT MAX(latest.checkpoint_id)"
                " FROM checkpoints AS latest WHERE latest.thread_id = "
                f"{table}.thread_id AND latest.checkpoint_ns = {table}.checkpoint_ns)"
            )


def _records(connection: sqlite3.Connection) -> None:
    """Form 2: turns and messages are stored once, as records."""
    connection.execute(
        "CREATE TABLE palimpsest_records (hash TEXT PRIMARY KEY, content BLOB NOT NULL)"
        " WITHOUT ROWID"
    )


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_names_and_latest, _records)
"""What turns a file of form n into one of form n + 1; never changed once released."""
VERSION = len(MIGRATIONS)
