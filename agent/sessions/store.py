"""What every database of sessions can do, whatever it is made of."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Collection
from contextlib import AbstractContextManager
from threading import Event
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver

from agent.sessions.records import RecordSerializer

KEPT = 8  # checkpoints of a session: the latest, and some to go back to should it be damaged
_HASH = re.compile(rb"[0-9a-f]{64}")


class StorageError(Exception):
    """Sessions cannot be kept; the message is one sentence for the person."""


class DamagedSession(StorageError):
    """A session cannot be read whole; others can."""

    def __init__(self, session: str) -> None:
        """Say what can be done."""
        super().__init__(
            f"The session {session} is damaged; --resume {session} --fork goes on in a copy of "
            "what can still be read of it."
        )


class SessionStore(BaseCheckpointSaver[Any]):
    """LangGraph's saver, with records of turns and messages, names, and only the last checkpoints.

    Nothing here reads an older checkpoint unless the latest is damaged, the tree of turns being
    part of each. Every method raises `StorageError` if the database cannot be used.
    """

    serde: RecordSerializer

    @abstractmethod
    def ids(self) -> list[str]:
        """Return the ids of the sessions, the last used first."""

    @abstractmethod
    def names(self) -> dict[str, str]:
        """Return the names that sessions were given, by their ids."""

    @abstractmethod
    def rename(self, session: str, name: str) -> bool:
        """Give a session a name; return False if another has it, in whatever case."""

    @abstractmethod
    def checkpoints(self, session: str) -> list[str]:
        """Return the ids of the checkpoints of a session, the latest first."""

    @abstractmethod
    def copy(self, session: str, checkpoint: str, copy: str) -> None:
        """Copy a checkpoint of a session, with what waits in it, to a new session."""

    @abstractmethod
    def delete(self, session: str) -> None:
        """Delete a session, its name, and the records that no other needs."""

    @abstractmethod
    def locked(self, session: str, stopping: Event | None = None) -> AbstractContextManager[bool]:
        """Keep every other process from using a session; lends False if one uses it already.

        Whoever is killed lets go.

        Args:
            session: Its id.
            stopping: Set once another process asks us to stop.
        """

    def is_used_elsewhere(self, session: str) -> bool:
        """Say whether another process uses a session, where a database knows of it."""
        return False

    def stop_elsewhere(self, session: str) -> bool:
        """Ask the process that uses a session to stop; say whether there is one."""
        return False

    @abstractmethod
    def reached(self, but: Collection[str] = ()) -> set[str]:
        """Return every hash, of records and pictures, that sessions hold, but for some of them."""

    @abstractmethod
    def compact(self) -> None:
        """Drop the records that no session refers to, and give their room back."""

    @abstractmethod
    def close(self) -> None:
        """Close the database."""


def hashes_in(content: bytes) -> set[str]:
    """Return the hashes in what was saved.

    Checkpoints are searched as bytes: whatever part of a conversation names a picture (a turn, a
    mask, an original, a try of an unfinished message) names it by its hash.
    """
    return {name.decode() for name in _HASH.findall(content)}
