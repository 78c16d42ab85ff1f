"""The way in over a server: which of its sessions, and with what it is talked in."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from agent.bootstrap import Refusal
from agent.context import ChatContext
from agent.options import EDIT_OPTIONS
from agent.remote.chat import RemoteChat
from agent.remote.engine import Engine, UnknownPicture
from agent.sessions.catalog import SessionError
from agent.sessions.listing import Session
from agent.settings import AppSettings
from agent.state import Choices, Event
from agent.terminal.commands import CommandError, Commands
from agent.terminal.file_io import asked_caption
from agent.terminal.screen import Screen
from tools.edit_picture import PRESETS
from tools.mirrored_pictures import MirroredStore
from tools.pictures import PictureError, PictureStore

THEIRS = (
    *("model", "device", "memory", "compile", "close_up", "offline", "llm_url", "llm_model"),
    *("plan_only", "fork", "read_only"),
)
"""Flags that say how a server works, or that none can fulfil."""


def check(flags: argparse.Namespace) -> None:
    """Refuse flags that have no meaning over a server.

    Raises:
        Refusal: There is one.
    """
    for name in THEIRS:
        if getattr(flags, name):
            raise Refusal(f"--engine takes no --{name.replace('_', '-')}: that is the server's.")


def listed(engine: Engine) -> list[Session]:
    """Return the sessions there, the last used first."""
    return [_session(row) for row in engine.get("/v1/sessions")]


def commands_of(
    flags: argparse.Namespace,
    settings: AppSettings,
    engine: Engine,
    screen: Screen,
    *,
    person: bool,
) -> RemoteCommands:
    """Return the commands of a session there, the one to resume or a new one.

    Raises:
        SessionError: There is no such session, or there are several.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    store = MirroredStore(settings.home / "pictures", engine)
    studio = ChatContext(
        settings=settings, edit=None, pictures=store, presets=PRESETS, interactive=person
    )
    session = "" if flags.resume is None else _found(listed(engine), flags.resume)
    chosen = Choices(**{name: getattr(flags, name) for name in EDIT_OPTIONS})
    known_only = not (person or flags.anyway)
    chat = RemoteChat(
        studio, engine, session, chosen=chosen, glimpse=screen.glimpse, known_only=known_only
    )
    return RemoteCommands(chat, screen, store)


def _found(known: list[Session], wanted: str) -> str:
    """Return the id of a session by its id, its name or a unique beginning; "" for the last."""
    if not known:
        raise SessionError("There is no session to resume there yet.")
    if not wanted:
        return known[0].id
    for fitting in (
        [each for each in known if wanted in (each.id, each.name)],
        [each for each in known if each.id.startswith(wanted) or each.name.startswith(wanted)],
    ):
        if len(fitting) == 1:
            return fitting[0].id
    several = "Several sessions there begin with" if fitting else "There is no session"
    raise SessionError(f"{several} {wanted}; --list-sessions lists them.")


def _session(row: dict[str, Any]) -> Session:
    return Session(
        id=row["session"],
        name=row["name"],
        edits=row["edits"],
        used=row["last_use"],
        messages=tuple(row["messages"]),
        damaged=row["damaged"],
    )


class RemoteCommands(Commands):
    """`Commands` of a `RemoteChat`."""

    def __init__(self, chat: RemoteChat, screen: Screen, store: PictureStore) -> None:
        """Bind them."""
        super().__init__(chat, screen, store)
        self._remote = chat

    def open_file(self, path: Path, caption: str | None = None) -> tuple[Event, tuple[str, ...]]:
        """Open a picture file there as the new base."""
        try:
            return self._remote.upload(path, caption or "")
        except UnknownPicture as error:
            if self.chat.studio.interactive and (words := asked_caption(path)):
                return self._remote.upload(path, words)
            raise PictureError(
                str(error).replace("give a caption", 'say it with --caption "…"')
            ) from None

    def open_sample(self, caption: str | None = None) -> Event:
        """Open the sample portrait there as the new base."""
        return self._remote.upload(None, caption or "")[0]

    def new(self, words: str) -> int | None:
        """Refuse: the server draws no pictures from words alone."""
        raise CommandError("/new is not there over --engine; open a picture with /open.")

    def base(self, turn: str = "") -> None:
        """Make the picture here, or a turn's, the new original there; undo leads back."""
        for event in self._remote.rebase(self._turn(turn).id):
            self.screen.event(event)

    def session(self, action: str = "list", argument: str = "") -> None:
        """Refuse: sessions are kept by the server."""
        raise CommandError(
            "/session is not there over --engine; --list-sessions lists the sessions there, and "
            "--resume ID goes on with one."
        )
