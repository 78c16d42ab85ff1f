"""The /commands that put something on disk."""

from __future__ import annotations

from pathlib import Path

from agent.terminal.commands.desk import CommandError, Desk
from agent.terminal.opening import export, file_name


class Keeping(Desk):
    """Put something on disk, and find it again."""

    title = "Files and sessions"

    def save(self, path: str = "") -> None:
        """Save the picture here as PATH (a file or folder), or in the format that it came in."""
        turn = self._turn("")
        name = file_name(turn.id, turn.request)
        where, sign = Path(path or "."), self.screen.sign
        target = export(self._picture(turn), where, name=name, sign=sign)
        self.screen.say(f"Saved to {target}.")

    def export(self, kind: str) -> None:
        """Write this session as a script that tests can run: script, or script PATH."""
        from agent.scripts.exporting import export_script

        kind, _, path = kind.partition(" ")
        if kind != "script":
            raise CommandError(f'Only a script can be exported ("/export script"), not "{kind}".')
        target = export_script(self.chat, self.store, Path(path.strip() or "session"))
        self.screen.say(f"Saved to {target}; palimpsest test {target.name} runs it.")
