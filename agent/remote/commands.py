"""The /commands over a server: pictures are opened there, and what needs its files is refused."""

from __future__ import annotations

from pathlib import Path

from agent.remote.chat import RemoteChat
from agent.remote.engine import UnknownPicture
from agent.state import Event
from agent.terminal.commands import CommandError, Commands
from agent.terminal.file_io import asked_caption
from agent.terminal.screen import Screen
from tools.pictures import PictureError, PictureStore


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
