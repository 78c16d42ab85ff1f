"""The /commands that put something on disk."""

from __future__ import annotations

from pathlib import Path

from agent.exports.place import place
from agent.terminal.commands.desk import CommandError, Desk, one_of
from agent.terminal.opening import export, file_name

KINDS = ("script", "html", "png", "gif")


class Keeping(Desk):
    """Put something on disk, and find it again."""

    title = "Files and sessions"

    def save(self, path: str = "") -> None:
        """Save the picture here as PATH (a file or folder), or in the format that it came in.

        Example: /save older.png
        """
        turn = self._turn("")
        name = file_name(turn.id, turn.request)
        where, sign = Path(path or "."), self.screen.sign
        target = export(self._picture(turn), where, name=name, sign=sign)
        self.screen.say(f"Saved to {target}.")

    def export(self, kind: str, path: str = "") -> None:
        """Write this session as a script, an html page, a png sheet or a gif animation.

        script: a conversation that tests can run; html: one page with every turn, its picture and
        how it was made; png: a sheet of the pictures from the original to here; gif: the same as
        an animation, or a .webp. Without a PATH it is session.KIND in this folder; nothing is ever
        overwritten.
        Example: /export html story.html
        """
        match one_of(kind, KINDS, "kind of export"):
            case "script":
                self._export_script(path)
            case "html":
                self._export_page(path)
            case "png":
                self._export_pictures(path, ("png", "jpg", "webp"))
            case _:
                self._export_pictures(path, ("gif", "webp"), moving=True)

    def _export_script(self, path: str) -> None:
        from agent.scripts.exporting import export_script

        target = export_script(self.chat, self.store, Path(path or "session"))
        self.screen.say(f"Saved to {target}; palimpsest test {target.name} runs it.")

    def _export_page(self, path: str) -> None:
        from agent.exports.page import write_page

        target = place(path, ("html", "htm"))
        write_page(self.chat.conversation, self.store, target)
        self.screen.say(f"Saved to {target}; any browser opens it.")

    def _export_pictures(self, path: str, kinds: tuple[str, ...], *, moving: bool = False) -> None:
        from agent import history
        from agent.exports.pictures import write_film, write_sheet

        path_here = history.path(self.chat.conversation)
        shown = [self._labelled(turn) for turn in path_here if turn.picture]
        if not shown:
            raise CommandError("There are no pictures yet: all turns were only planned.")
        target = place(path, kinds)
        (write_film if moving else write_sheet)(shown, target)
        self.screen.say(f"Saved to {target}.")
