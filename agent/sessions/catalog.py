"""The sessions of a home: listed, named, found, copied, held and deleted.

A home has ``sessions.sqlite`` (unless a database elsewhere has them), ``pictures/`` that all
sessions share, ``cache/`` with tensors that can be made again, and ``locks/`` with a file for each
session, which the process that talks in it holds locked; a kill frees the lock.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from shutil import rmtree
from threading import Event

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import Checkpoint, CheckpointTuple

from agent.sessions.database import open_sessions, open_sessions_to_read, trouble
from agent.sessions.listing import Session
from agent.sessions.store import DamagedSession, SessionStore, StorageError
from agent.state import Conversation
from tools.pictures import PictureStore

LONGEST_NAME = 60  # characters


class SessionError(Exception):
    """A session cannot be had or changed; the message is one sentence for the person."""


class InUse(SessionError):
    """Another process has the session open."""


@dataclass(frozen=True)
class Sessions:
    """All sessions of one home; its pictures may be kept elsewhere."""

    saver: SessionStore
    home: Path
    pictures: PictureStore | None = None

    @property
    def store(self) -> PictureStore:
        """The pictures that the sessions share."""
        return self.pictures or PictureStore(self.home / "pictures")

    def ids(self) -> list[str]:
        """Return the ids, the last used first."""
        return self.saver.ids()

    def names(self) -> dict[str, str]:
        """Return the names that sessions were given, by their ids."""
        return self.saver.names()

    def listed(self) -> Iterator[Session]:
        """Yield the sessions, the last used first; of a damaged one only what is known."""
        names = self.names()
        for session in self.ids():
            name = names.get(session, "")
            try:
                saved = self.saver.get_tuple({"configurable": {"thread_id": session}})
                if saved is None:  # deleted just now
                    continue
                yield _session(session, name, saved)
            except (DamagedSession, ValueError, KeyError, TypeError):
                yield Session(id=session, name=name, damaged=True)

    def find(self, wanted: str) -> str:
        """Return the id of a session by its id, its name or a unique beginning of either.

        Args:
            wanted: "" for the last one.

        Raises:
            SessionError: There is none, or there are several.
        """
        known, names = self.ids(), self.names()
        if not wanted:
            if not known:
                raise SessionError("There is no session to resume yet.")
            return known[0]
        called = {names[session].casefold(): session for session in known if session in names}
        word = wanted.casefold()
        if wanted in known or word in called:
            return wanted if wanted in known else called[word]
        fitting = {session for session in known if session.startswith(wanted)}
        fitting |= {session for name, session in called.items() if name.startswith(word)}
        if len(fitting) > 1:
            raise SessionError(f"Several sessions begin with {wanted}; --list-sessions lists them.")
        if not fitting:
            raise SessionError(f"There is no session {wanted}; --list-sessions lists them.")
        return fitting.pop()

    def rename(self, session: str, name: str) -> None:
        """Give a session a name, in place of the one it had.

        Raises:
            SessionError: The name cannot be used.
        """
        name = " ".join(name.split())
        if not name or not name.isprintable() or name.startswith("-"):
            raise SessionError("A name needs a letter, and no dash to begin with.")
        if len(name) > LONGEST_NAME:
            raise SessionError(f"The name is too long; at most {LONGEST_NAME} characters are kept.")
        if any(known.startswith(name) for known in self.ids()):
            raise SessionError(f"{name} is how an id begins; choose a name with a word in it.")
        if not self.saver.rename(session, name):
            raise SessionError(f"Another session is called {name}; choose another name.")

    def fork(self, session: str) -> str:
        """Copy the conversation under a new id, and return that; pictures are shared.

        What waits in it, a question or an unfinished message, waits in the copy as well. Of a
        damaged session the last checkpoint is copied that can be read; if there is none, the turns
        and messages before the first that is lost.

        Raises:
            SessionError: Nothing can be read.
        """
        copy = new_id()
        if last := self._last_good(session):
            self.saver.copy(session, last, copy)
            return copy
        for checkpoint in self.saver.checkpoints(session):
            with self.saver.serde.forgiving():
                saved = self._read(session, checkpoint)
            if saved is not None and (rest := _rest(saved)) is not None:
                place: RunnableConfig = {"configurable": {"thread_id": copy, "checkpoint_ns": ""}}
                self.saver.put(place, rest, saved.metadata, rest["channel_versions"])
                return copy
        raise SessionError(
            f"Nothing of the session {session} can be read; put back a copy of sessions.sqlite, or "
            f"delete it with /session delete {session}."
        )

    def _last_good(self, session: str) -> str | None:
        """Return the id of the last checkpoint that can be read."""
        for checkpoint in self.saver.checkpoints(session):
            saved = self._read(session, checkpoint)
            with suppress(ValueError, KeyError, TypeError):
                if saved is not None and _session(session, "", saved):
                    return checkpoint
        return None

    def _read(self, session: str, checkpoint: str) -> CheckpointTuple | None:
        with suppress(DamagedSession):
            return self.saver.get_tuple(
                {"configurable": {"thread_id": session, "checkpoint_id": checkpoint}}
            )
        return None

    @contextmanager
    def held(self, session: str, called: str = "", stopping: Event | None = None) -> Iterator[None]:
        """Keep every other process from talking in a session, or deleting it, meanwhile.

        Args:
            session: Its id.
            called: How the person named it.
            stopping: Set once another process asks us to stop.

        Raises:
            InUse: Another process has it open.
            StorageError: The home cannot be written.
        """
        with self.saver.locked(session, stopping) as ours:
            if not ours:
                raise InUse(
                    f"The session {called or session} is open in another process; close it there "
                    "first."
                )
            yield

    @contextmanager
    def opened(
        self, resume: str | None, *, fork: bool = False, read_only: bool = False
    ) -> Iterator[str]:
        """Lend the id of the session to talk in, held unless it is only looked at.

        Args:
            resume: None for a new session, else what `find` takes.
            fork: Go on in a copy.
            read_only: Only look, even while another process has it open.

        Raises:
            SessionError: There is no such session, or another process has it open.
        """
        session = new_id() if resume is None else self.find(resume)
        if read_only:
            yield session
            return
        if fork:
            session = self.fork(session)
        with ExitStack() as stack:
            try:
                stack.enter_context(self.held(session))
            except InUse:
                raise InUse(
                    f"The session {resume or session} is open in another process. With --fork you "
                    "go on in a copy of it. With --read-only you look at it and change nothing."
                ) from None
            if resume is not None:
                self.find(session)  # nobody deleted it just before
            yield session

    def delete(self, session: str, called: str = "") -> None:
        """Delete a session and its name; its pictures stay until the next `prune`.

        The cache goes, since what it keeps of pictures cannot be told apart by session.

        Args:
            session: Its id.
            called: How the person named it.

        Raises:
            InUse: Another process has it open.
        """
        with self.held(session, called):
            self.saver.delete(session)
            self.forget()

    def forget(self) -> None:
        """Empty the cache, which could give pictures back; edits fill it again."""
        rmtree(self.home / "cache", ignore_errors=True)


def _session(session: str, name: str, saved: CheckpointTuple) -> Session:
    """Return what a list shows of a session."""
    kept = Conversation(**Conversation.fields_in(saved.checkpoint["channel_values"]))
    return Session(
        id=session,
        name=name,
        edits=sum(turn.step is not None for turn in kept.turns),
        used=datetime.fromisoformat(saved.checkpoint["ts"]).timestamp(),
        messages=tuple(message.text for message in kept.messages),
    )


def _rest(saved: CheckpointTuple) -> Checkpoint | None:
    """Return a checkpoint at rest with the turns and messages before the first that is lost."""
    values = saved.checkpoint["channel_values"]
    turns = list(takewhile(lambda turn: turn is not None, values.get("turns", ())))
    if not turns:
        return None
    messages = list(takewhile(lambda message: message is not None, values.get("messages", ())))
    head = min(values.get("head", 0), len(turns) - 1)
    chosen = {"chosen": values["chosen"]} if "chosen" in values else {}
    rest = Conversation(turns=turns, messages=messages, head=head, before=head, **chosen)
    fields = {name: getattr(rest, name) for name in Conversation.model_fields if name in values}
    return {**saved.checkpoint, "channel_values": {**values, **fields}}


def new_id() -> str:
    """Return the id of a new session: when it began, and some letters."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


@contextmanager
def open_home(home: Path, *, read_only: bool = False) -> Iterator[Sessions]:
    """Open the sessions of a home folder, which is made if it is missing.

    Args:
        home: The folder.
        read_only: Only look; nothing is made or changed, so that no right to write is needed.

    Raises:
        SessionError: It is no folder.
        StorageError: They cannot be kept there; nothing there was changed.
    """
    if home.is_file():
        raise SessionError(f"--home {home} is a file, not a folder.")
    file = home / "sessions.sqlite"
    try:
        if not read_only:
            home.mkdir(parents=True, exist_ok=True)
        saver = open_sessions_to_read(file) if read_only else open_sessions(file)
    except OSError as error:
        raise StorageError(trouble(error, home)) from None
    try:
        yield Sessions(saver, home)
    finally:
        saver.close()
