"""The SQLite file of the sessions: opened with care, brought up to date, kept small.

Durability: a write-ahead log with ``synchronous=FULL``. Every saved node is on the disk before the
next one begins, so neither a kill nor a power cut takes a turn that was announced; NORMAL would
survive kills only, and saves no time that a person notices beside an edit.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.sqlite import SqliteSaver

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


class StorageError(Exception):
    """Sessions cannot be kept; the message is one sentence for the person."""


def trouble(error: sqlite3.Error | OSError, folder: Path | str = "the data folder") -> str:
    """Return what went wrong while keeping sessions in a folder, and what to do about it."""
    code = getattr(error, "sqlite_errorcode", None)
    reason = _REASONS.get(code & 0xFF) if code is not None else None  # the rest is detail
    if reason is None:
        reason = f"{getattr(error, 'strerror', None) or error}; choose another folder with --home"
    return f"Sessions cannot be kept in {folder}: {reason}."


class Saver(SqliteSaver):
    """LangGraph's saver, which keeps only the latest checkpoint of every session.

    Nothing here ever reads an older one, the tree of turns being part of each; kept all, they
    would grow with the square of the session's length.
    """

    @contextmanager
    def cursor(self, transaction: bool = True) -> Iterator[sqlite3.Cursor]:
        """Lend a cursor; what it wrote is saved as a whole or, after an error, not at all."""
        with self.lock:
            self.setup()
            with closing(self.conn.cursor()) as cursor:
                try:
                    yield cursor
                    if transaction:
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
        """Save a checkpoint, then drop the ones before it.

        In that order and in two commits: a kill or a full disk between them costs room, never a
        checkpoint.
        """
        saved = super().put(config, checkpoint, metadata, new_versions)
        place = saved["configurable"]
        with suppress(sqlite3.Error), self.cursor() as cursor:
            for table in ("checkpoints", "writes"):
                cursor.execute(
                    f"DELETE FROM {table}"
                    " WHERE thread_id = ? AND checkpoint_ns = ? AND checkpoint_id < ?",
                    (place["thread_id"], place["checkpoint_ns"], place["checkpoint_id"]),
                )
        return saved


def open_file(path: Path, serde: SerializerProtocol) -> Saver:
    """Open (or make) the file, and bring one of an older form up to date after a backup.

    Raises:
        StorageError: It cannot be used; it is left as it was.
    """
    try:
        connection = sqlite3.connect(path, timeout=PATIENCE, check_same_thread=False)
        try:
            _examine(connection, path)
            connection.execute("PRAGMA synchronous=FULL")
            if _version(connection) < VERSION:
                _migrate(connection, path)
            saver = Saver(connection, serde=serde)
            saver.setup()
        except BaseException:
            connection.close()
            raise
    except (sqlite3.Error, OSError) as error:
        raise StorageError(trouble(error, path.parent)) from None
    return saver


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


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_names_and_latest,)
"""What turns a file of form n into one of form n + 1; never changed once released."""
VERSION = len(MIGRATIONS)
