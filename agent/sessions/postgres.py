"""Sessions in Postgres, for many people and several machines.

What stands in it: LangGraph's tables, where the thread of a session is ``OWNER/SESSION``; ours hold
the sessions with their names, the records that checkpoints refer to, and the leases of sessions
that are in use. All that a node has done is saved in one transaction.

A connection that breaks, as when Postgres is started anew, is made again for half a minute, and
what was under way is done again: every statement here may be done twice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.postgres import PostgresSaver
from psycopg import Connection, Cursor, Error, InterfaceError, OperationalError
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool

from agent.sessions.records import RecordSerializer, serializer
from agent.sessions.store import KEPT, DamagedSession, SessionStore, StorageError, hashes_in

PATIENCE = 30.0  # seconds to wait for a database that is gone
PAUSE = 0.3  # seconds between two tries
LEASE = 15.0  # seconds until a session is free whose process was killed
RENEWED = 1.0  # seconds between two looks at a lease: who is to stop sees it then
CONNECTIONS = 16  # of one process, at most
NO_ROOM = "53"  # how codes begin of errors that waiting does not help (disk full, too many …)
VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS palimpsest_form (version INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS palimpsest_sessions (
    owner TEXT, session TEXT, name TEXT, latest TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (owner, session));
CREATE UNIQUE INDEX IF NOT EXISTS palimpsest_names ON palimpsest_sessions (owner, lower(name));
CREATE TABLE IF NOT EXISTS palimpsest_records (
    owner TEXT, hash TEXT, content BYTEA NOT NULL, PRIMARY KEY (owner, hash));
CREATE TABLE IF NOT EXISTS palimpsest_leases (
    owner TEXT, session TEXT, holder TEXT NOT NULL, until TIMESTAMPTZ NOT NULL,
    stopping BOOLEAN NOT NULL DEFAULT FALSE, PRIMARY KEY (owner, session));
"""
MIGRATING = 7_365_201  # the key of the lock of whoever makes the tables
Done = TypeVar("Done")


@dataclass(frozen=True)
class Database:
    """A Postgres database with sessions of many people."""

    pool: ConnectionPool

    @classmethod
    def at(cls, url: str) -> Database:
        """Open the database of an address, and make its tables if they are missing.

        Raises:
            StorageError: It cannot be used.
        """
        try:
            with Connection.connect(url, autocommit=True, row_factory=dict_row) as connection:
                _make_tables(connection)
        except Error as error:
            raise _trouble(error) from None
        pool = ConnectionPool(url, min_size=1, max_size=CONNECTIONS, timeout=PATIENCE, open=True)
        return cls(pool)

    def store(self, owner: str) -> PostgresStore:
        """Return the sessions of one person; "" is nobody in particular."""
        return PostgresStore(self.pool, owner)

    def owners(self) -> list[str]:
        """Return everybody who has sessions."""
        with self.pool.connection() as connection:
            rows = connection.execute("SELECT DISTINCT owner FROM palimpsest_sessions ORDER BY 1")
            return [row[0] for row in rows]

    def close(self) -> None:
        """Close all connections."""
        self.pool.close()


def _make_tables(connection: Connection[DictRow]) -> None:
    connection.execute("SELECT pg_advisory_lock(%s)", (MIGRATING,))
    PostgresSaver(connection).setup()
    connection.execute(SCHEMA)
    row = connection.execute("SELECT version FROM palimpsest_form").fetchone()
    if row is None:
        connection.execute("INSERT INTO palimpsest_form VALUES (%s)", (VERSION,))
    elif row["version"] > VERSION:
        raise StorageError(
            f"The database was written by a newer Palimpsest (form {row['version']}, this one "
            f"knows {VERSION}); update Palimpsest."
        )


class PostgresStore(SessionStore, PostgresSaver):
    """The sessions of one person in a Postgres database."""

    def __init__(self, pool: ConnectionPool, owner: str) -> None:
        """Save by connections of a pool."""
        serde = RecordSerializer(serializer(), self._record)
        PostgresSaver.__init__(self, pool, serde=serde)  # type: ignore[arg-type]
        self._pool, self._owner = pool, owner
        self._serializing = threading.Lock()
        self._here = threading.local()
        self._held: dict[str, str] = {}

    @contextmanager
    def _cursor(self, *, pipeline: bool = False) -> Iterator[Cursor[DictRow]]:
        """Lend a cursor; what it wrote is saved as a whole or, after an error, not at all."""
        with (
            self._pool.connection() as connection,
            connection.cursor(binary=True, row_factory=dict_row) as cursor,
        ):
            self._here.cursor = cursor
            try:
                yield cursor
                if saved := getattr(self._here, "saving", None):
                    self._save_beside(cursor, *saved)
            finally:
                self._here.cursor = None

    @contextmanager
    def _saving(self, session: str, checkpoint: str = "") -> Iterator[None]:
        """Save what the next cursor of this thread writes as a part of a session."""
        with self._serializing:  # the records that wait are those of one writer
            self._here.saving = session, checkpoint
            try:
                yield
            finally:
                self._here.saving = None

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return a checkpoint, the latest unless it is named.

        Raises:
            DamagedSession: It is there, and cannot be read.
        """
        place = self._theirs(config)
        try:
            found = self._patiently(lambda: PostgresSaver.get_tuple(self, place))
        except (StorageError, Error):
            raise
        except Exception as error:  # whatever damaged bytes lead to
            raise DamagedSession(config["configurable"]["thread_id"]) from error
        return found and found._replace(
            config=self._ours(found.config),
            parent_config=found.parent_config and self._ours(found.parent_config),
        )

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Save a checkpoint, then drop those that are too old.

        Raises:
            StorageError: It cannot be saved, or another process has taken the session.
        """
        place, session = self._theirs(config), config["configurable"]["thread_id"]

        def save() -> RunnableConfig:
            with self._saving(session, checkpoint["id"]):
                return PostgresSaver.put(self, place, checkpoint, metadata, new_versions)

        saved = self._ours(self._patiently(save))
        with suppress(StorageError):
            self._patiently(lambda: self._drop_old(place, checkpoint["id"]))
        return saved

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Save what a node has done, before the next checkpoint."""
        place, session = self._theirs(config), config["configurable"]["thread_id"]

        def save() -> None:
            with self._saving(session):
                PostgresSaver.put_writes(self, place, writes, task_id, task_path)

        self._patiently(save)

    def ids(self) -> list[str]:
        """Return the ids of the sessions, the last used first."""
        rows = self._rows(
            "SELECT session FROM palimpsest_sessions WHERE owner = %s"
            " ORDER BY latest DESC, session DESC",
            self._owner,
        )
        return [row["session"] for row in rows]

    def names(self) -> dict[str, str]:
        """Return the names that sessions were given, by their ids."""
        rows = self._rows(
            "SELECT session, name FROM palimpsest_sessions WHERE owner = %s AND name IS NOT NULL",
            self._owner,
        )
        return {row["session"]: row["name"] for row in rows}

    def rename(self, session: str, name: str) -> bool:
        """Give a session a name; return False if another has it, in whatever case."""
        rows = self._rows(
            "UPDATE palimpsest_sessions SET name = %s WHERE owner = %s AND session = %s AND NOT"
            " EXISTS (SELECT 1 FROM palimpsest_sessions AS other WHERE other.owner = %s"
            " AND lower(other.name) = lower(%s) AND other.session != %s) RETURNING session",
            *(name, self._owner, session, self._owner, name, session),
        )
        return bool(rows)

    def checkpoints(self, session: str) -> list[str]:
        """Return the ids of the checkpoints of a session, the latest first."""
        rows = self._rows(
            "SELECT checkpoint_id FROM checkpoints WHERE thread_id = %s ORDER BY 1 DESC",
            self._thread(session),
        )
        return [row["checkpoint_id"] for row in rows]

    def copy(self, session: str, checkpoint: str, copy: str) -> None:
        """Copy a checkpoint of a session, with what waits in it, to a new session."""
        values = {
            "new": self._thread(copy), "old": self._thread(session), "checkpoint": checkpoint,
            "owner": self._owner, "copy": copy,
        }  # fmt: skip

        def work(cursor: Cursor[DictRow]) -> None:
            for statement in COPYING:
                cursor.execute(statement, values)

        self._write(work)

    def delete(self, session: str) -> None:
        """Delete a session, its name, and the records that no other needs."""

        def work(cursor: Cursor[DictRow]) -> None:
            self._alone(cursor)
            for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes"):
                cursor.execute(
                    f"DELETE FROM {table} WHERE thread_id = %s", (self._thread(session),)
                )
            cursor.execute(
                "DELETE FROM palimpsest_sessions WHERE owner = %s AND session = %s",
                (self._owner, session),
            )
            self._drop_loose_records(cursor)

        self._write(work)

    @contextmanager
    def locked(self, session: str, stopping: threading.Event | None = None) -> Iterator[bool]:
        """Keep every other process from using a session; lends False if one uses it already.

        It is a lease, renewed while it is kept. Who has lost it cannot save any more.
        """
        holder, over = uuid4().hex, threading.Event()
        if self._lease(session, holder) is None:
            yield False
            return

        def renew() -> None:
            while not over.wait(RENEWED):
                with suppress(StorageError):
                    held = self._lease(session, holder)
                    if held and held["stopping"] and stopping:
                        stopping.set()

        self._held[session] = holder
        threading.Thread(target=renew, name="palimpsest lease", daemon=True).start()
        try:
            yield True
        finally:
            over.set()
            del self._held[session]
            with suppress(StorageError):  # it ends by itself
                self._rows(
                    "DELETE FROM palimpsest_leases WHERE owner = %s AND session = %s"
                    " AND holder = %s RETURNING 1",
                    *(self._owner, session, holder),
                )

    def is_used_elsewhere(self, session: str) -> bool:
        """Say whether another process uses a session."""
        return bool(self._rows(f"SELECT 1 FROM palimpsest_leases {USED}", self._owner, session))

    def stop_elsewhere(self, session: str) -> bool:
        """Ask the process that uses a session to stop; say whether there is one."""
        query = f"UPDATE palimpsest_leases SET stopping = TRUE {USED} RETURNING 1"
        return bool(self._rows(query, self._owner, session))

    def reached(self, but: Collection[str] = ()) -> set[str]:
        """Return every hash, of records and pictures, that sessions hold, but for some of them."""
        return self._patiently(lambda: self._reached(but))

    def compact(self) -> None:
        """Drop the records that no session refers to; Postgres gives their room back itself."""

        def work(cursor: Cursor[DictRow]) -> None:
            self._alone(cursor)
            self._drop_loose_records(cursor)

        self._write(work)

    def close(self) -> None:
        """Leave the pool open, which others use."""

    def _lease(self, session: str, holder: str) -> DictRow | None:
        """Take or renew a lease, and return it; None if it is another's."""
        rows = self._rows(
            "INSERT INTO palimpsest_leases AS held VALUES (%s, %s, %s, now() + %s * interval '1s')"
            " ON CONFLICT (owner, session) DO UPDATE SET holder = excluded.holder,"
            " until = excluded.until,"
            " stopping = held.stopping AND held.holder = excluded.holder"
            " WHERE held.holder = excluded.holder OR held.until < now() RETURNING stopping",
            *(self._owner, session, holder, LEASE),
        )
        return next(iter(rows), None)

    def _save_beside(self, cursor: Cursor[DictRow], session: str, checkpoint: str) -> None:
        """Save, in the same transaction, what a checkpoint needs beside itself."""
        self._still_ours(cursor, session)
        pending, self.serde.pending = self.serde.pending, {}
        if pending:
            cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", (self._key,))
            cursor.executemany(
                "INSERT INTO palimpsest_records VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                [(self._owner, key, content) for key, content in pending.items()],
            )
        if checkpoint:
            cursor.execute(
                "INSERT INTO palimpsest_sessions (owner, session, latest) VALUES (%s, %s, %s)"
                " ON CONFLICT (owner, session) DO UPDATE SET latest = excluded.latest",
                (self._owner, session, checkpoint),
            )

    def _still_ours(self, cursor: Cursor[DictRow], session: str) -> None:
        holder = self._held.get(session)
        if holder is None:
            return
        cursor.execute(
            "SELECT 1 FROM palimpsest_leases WHERE owner = %s AND session = %s AND holder = %s",
            (self._owner, session, holder),
        )
        if cursor.fetchone() is None:
            raise StorageError(f"Another process has taken the session {session} over.")

    def _drop_old(self, place: RunnableConfig, latest: str) -> None:
        values = {
            "thread": place["configurable"]["thread_id"], "latest": latest, "kept": KEPT,
            "ns": place["configurable"]["checkpoint_ns"],
        }  # fmt: skip
        with self._cursor() as cursor:
            for statement in DROPPING:
                cursor.execute(statement, values)

    def _drop_loose_records(self, cursor: Cursor[DictRow]) -> None:
        found = self._reached_by(cursor, ())
        rows = cursor.execute(
            "SELECT hash FROM palimpsest_records WHERE owner = %s", (self._owner,)
        ).fetchall()
        loose = [row["hash"] for row in rows if row["hash"] not in found]
        cursor.execute(
            "DELETE FROM palimpsest_records WHERE owner = %s AND hash = ANY(%s)",
            (self._owner, loose),
        )

    def _reached(self, but: Collection[str]) -> set[str]:
        with self._cursor() as cursor:
            return self._reached_by(cursor, but)

    def _reached_by(self, cursor: Cursor[DictRow], but: Collection[str]) -> set[str]:
        found: set[str] = set()
        cursor.execute("SELECT session FROM palimpsest_sessions WHERE owner = %s", (self._owner,))
        threads = [self._thread(r["session"]) for r in cursor if r["session"] not in but]
        for statement in SEARCHED:
            for row in cursor.execute(statement, (threads,)):
                found |= hashes_in(row["content"] or b"")
        cursor.execute(
            "SELECT hash, content FROM palimpsest_records WHERE owner = %s", (self._owner,)
        )
        for row in cursor:
            if row["hash"] in found:
                found |= hashes_in(row["content"])
        return found

    def _record(self, key: str) -> bytes | None:
        query = "SELECT content FROM palimpsest_records WHERE owner = %s AND hash = %s"
        if cursor := getattr(self._here, "cursor", None):  # a checkpoint is being read by it
            with cursor.connection.cursor(binary=True, row_factory=dict_row) as beside:
                row = beside.execute(query, (self._owner, key)).fetchone()
        else:
            row = next(iter(self._rows(query, self._owner, key)), None)
        return None if row is None else bytes(row["content"])

    def _rows(self, query: str, *values: Any) -> list[DictRow]:
        return self._write(lambda cursor: cursor.execute(query, values).fetchall())

    def _write(self, work: Callable[[Cursor[DictRow]], Done]) -> Done:
        def done() -> Done:
            with self._cursor() as cursor:
                return work(cursor)

        return self._patiently(done)

    def _patiently(self, work: Callable[[], Done]) -> Done:
        """Work, and again if the connection breaks meanwhile."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return work()
            except (OperationalError, InterfaceError) as error:
                hopeless = (getattr(error, "sqlstate", None) or "").startswith(NO_ROOM)
                if hopeless or time.monotonic() > end:
                    raise _trouble(error) from None
                time.sleep(PAUSE)
            except Error as error:
                raise _trouble(error) from None

    def _alone(self, cursor: Cursor[DictRow]) -> None:
        """Let nobody refer to a record of this person while some go."""
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (self._key,))

    @property
    def _key(self) -> int:
        """The key of the lock of this person's records."""
        return int.from_bytes(self._owner.encode()[:7].ljust(7, b"\0"), "big")

    def _thread(self, session: str) -> str:
        return f"{self._owner}/{session}"

    def _theirs(self, config: RunnableConfig) -> RunnableConfig:
        """Return a place as the database names it."""
        place = {"checkpoint_ns": "", **config["configurable"]}
        return {**config, "configurable": {**place, "thread_id": self._thread(place["thread_id"])}}

    def _ours(self, config: RunnableConfig) -> RunnableConfig:
        """Return a place as everybody else names it."""
        place = config["configurable"]
        session = place["thread_id"].removeprefix(f"{self._owner}/")
        return {**config, "configurable": {**place, "thread_id": session}}


USED = "WHERE owner = %s AND session = %s AND until > now()"
DROPPING = (
    "DELETE FROM checkpoint_writes WHERE thread_id = %(thread)s AND checkpoint_ns = %(ns)s"
    " AND checkpoint_id < %(latest)s",
    "DELETE FROM checkpoints WHERE thread_id = %(thread)s AND checkpoint_ns = %(ns)s"
    " AND checkpoint_id <= (SELECT checkpoint_id FROM checkpoints WHERE thread_id = %(thread)s"
    " AND checkpoint_ns = %(ns)s ORDER BY 1 DESC LIMIT 1 OFFSET %(kept)s)",
    "DELETE FROM checkpoint_blobs AS blob WHERE thread_id = %(thread)s AND checkpoint_ns = %(ns)s"
    " AND NOT EXISTS (SELECT 1 FROM checkpoints WHERE thread_id = %(thread)s"
    " AND checkpoint_ns = %(ns)s"
    " AND checkpoint -> 'channel_versions' ->> blob.channel = blob.version)",
)
"""What drops the checkpoints that are too old, and what only they hold."""
COPYING = (
    "INSERT INTO checkpoints SELECT %(new)s, checkpoint_ns, checkpoint_id, parent_checkpoint_id,"
    " type, checkpoint, metadata FROM checkpoints"
    " WHERE thread_id = %(old)s AND checkpoint_id = %(checkpoint)s ON CONFLICT DO NOTHING",
    "INSERT INTO checkpoint_writes (thread_id, checkpoint_ns, checkpoint_id, task_id, idx, channel,"
    " type, blob, task_path) SELECT %(new)s, checkpoint_ns, checkpoint_id, task_id, idx, channel,"
    " type, blob, task_path FROM checkpoint_writes"
    " WHERE thread_id = %(old)s AND checkpoint_id = %(checkpoint)s ON CONFLICT DO NOTHING",
    "INSERT INTO checkpoint_blobs SELECT %(new)s, checkpoint_ns, channel, version, type, blob"
    " FROM checkpoint_blobs WHERE thread_id = %(old)s ON CONFLICT DO NOTHING",
    "INSERT INTO palimpsest_sessions (owner, session, latest)"
    " VALUES (%(owner)s, %(copy)s, %(checkpoint)s) ON CONFLICT DO NOTHING",
)
"""What copies a checkpoint to a new session."""
SEARCHED = (
    "SELECT convert_to(checkpoint::text, 'UTF8') AS content FROM checkpoints"
    " WHERE thread_id = ANY(%s)",
    "SELECT blob AS content FROM checkpoint_blobs WHERE thread_id = ANY(%s)",
    "SELECT blob AS content FROM checkpoint_writes WHERE thread_id = ANY(%s)",
)
"""Where hashes stand."""


def _trouble(error: Error) -> StorageError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return StorageError(f"Sessions cannot be kept in the database: {reason}.")
