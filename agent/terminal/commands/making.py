"""The /commands that make or open pictures, and choose how they are made."""

from __future__ import annotations

from pathlib import Path

from agent.terminal.commands.desk import Desk
from agent.terminal.opening import open_file


class Making(Desk):
    """Open or make pictures, and choose how they are made."""

    title = "Making pictures"

    def open(self, path: str) -> None:
        """Open a picture file as the new base; undo leads back."""
        event, notes = open_file(self.chat, self.store, Path(path))
        for note in notes:
            self.screen.note(note)
        self.screen.event(event)
