"""The /commands that put something on disk."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

from agent.exports.output_path import place, unquoted
from agent.sessions.catalog import SessionError, Sessions
from agent.sessions.listing import left_out
from agent.sessions.pruning import prunable, prune, young
from agent.sessions.store import SessionStore
from agent.terminal.commands.base import CommandBase, CommandError, one_of
from agent.terminal.file_io import export, file_name
from agent.terminal.screen import tilde
from tools.arguments import number, path_of, short

MOST = 10_000  # sessions or days that /session prune takes
CLEAN = "--clean"
KINDS = ("script", "html", "png", "gif")


class FileCommands(CommandBase):
    """Put something on disk, and find it again."""

    title = "Files and sessions"

    def save(self, path: str = "") -> None:
        """Save the picture here as PATH, or in the format it came in; after --clean, only pixels.

        PATH is a file or folder. After --clean the file tells nothing but the picture: no recipe,
        no place, no author, no camera, no signature, and no request in its name. It is upright,
        and its colours are sRGB.
        Example: /save older.png
        Example: /save --clean older.jpg
        """
        word, _, rest = path.partition(" ")
        clean = word == CLEAN
        if word.startswith("--") and not clean:
            raise CommandError(f"/save has no {word}, only {CLEAN}; a file is ./{path}.")
        turn = self._turn("")
        target = export(
            self._picture(turn),
            path_of((rest.strip() if clean else path) or "."),
            name=file_name(turn.id, turn.request, clean=clean),
            sign=self.screen.sign,
            clean=clean,
        )
        told = ", without metadata" if clean else ""
        self.screen.say(f"Saved to {self.screen.named(target)}{told}.")

    def export(self, kind: str, path: str = "") -> None:
        """Write this session as a script, an html page, a png sheet or a gif animation.

        script: a conversation that tests can run; html: one page with every turn, its picture and
        how it was made; png: a sheet of the pictures from the original to here; gif: the same as
        an animation, or a .webp. Before the PATH of a png or gif may stand the turn that it ends
        at, such as 3 or @3. Without a PATH it is session.KIND in this folder; nothing is ever
        overwritten.
        Example: /export html story.html
        """
        kind = one_of(kind, KINDS, "kind of export")
        turn, _, rest = path.partition(" ")
        if not re.fullmatch(r"@?\d+", turn):
            turn, rest = "", path
        elif kind not in ("png", "gif") and rest:
            raise CommandError(f"Only png and gif take a turn; use it as /export {kind} PATH.")
        match kind:
            case "script":
                self._export_script(path)
            case "html":
                self._export_page(path)
            case "png":
                self._export_pictures(rest.strip(), turn, ("png", "jpg", "webp"))
            case _:
                self._export_pictures(rest.strip(), turn, ("gif", "webp"), moving=True)

    def _export_script(self, path: str) -> None:
        from agent.scripts.exporting import export_script

        name = ""
        if isinstance(self.chat.saver, SessionStore):
            name = self._sessions(self.chat.saver).names().get(self.chat.session, "")
        target = export_script(self.chat, self.store, path_of(unquoted(path) or "session"), name)
        typed = _typed(target)
        line = f"palimpsest test {typed if typed.startswith('~/') else shlex.quote(typed)}"
        self.screen.say(f"Saved to {self.screen.named(target)}; this runs it:\n  {line}")

    def _export_page(self, path: str) -> None:
        from agent.exports.page import write_page

        target = place(path, ("html", "htm"))
        write_page(self.chat.conversation, self.store, target)
        self.screen.say(f"Saved to {self.screen.named(target)}; any browser opens it.")

    def _export_pictures(
        self, path: str, end: str, kinds: tuple[str, ...], *, moving: bool = False
    ) -> None:
        from agent import turn_tree
        from agent.exports.pictures import write_film, write_sheet

        path_here = turn_tree.path(self.chat.conversation, self._turn(end).id)
        shown = [self._labelled(turn) for turn in path_here if turn.picture]
        if not shown:
            raise CommandError("There are no pictures yet: all turns were only planned.")
        target = place(path, kinds)
        (write_film if moving else write_sheet)(shown, target)
        self.screen.say(f"Saved to {self.screen.named(target)}.")

    def session(self, action: str = "list", argument: str = "") -> None:
        """List the sessions, rename this one, delete one, or prune what is not needed.

        rename NAME names the session you are in; --resume NAME finds it. delete ID takes an id, a
        name or how one begins. prune clears away pictures that no session needs; with a number of
        days it first deletes the sessions not used for so long, with "keep" and a number all but
        the newest. A session that is open somewhere is never deleted.

        Example: /session rename Granny
        Example: /session prune 30 days
        Example: /session prune keep 20
        """
        if not isinstance(self.chat.saver, SessionStore):
            raise CommandError("These sessions are kept nowhere.")
        sessions = self._sessions(self.chat.saver)
        if action not in ACTIONS:
            raise CommandError(f'There is no "/session {short(action)}", but {", ".join(ACTIONS)}.')
        if self.chat.read_only and action != "list":
            raise CommandError("This session is open for reading only; /session list can be used.")
        try:
            ACTIONS[action](self, sessions, argument)
        except SessionError as error:
            raise CommandError(str(error).replace("--list-sessions", "/session list")) from None

    def _sessions(self, saver: SessionStore) -> Sessions:
        return Sessions(saver, self.chat.studio.settings.home)

    def _listed(self, sessions: Sessions, argument: str) -> None:
        if argument:
            raise CommandError("/session list takes nothing after it.")
        here = self.chat.session
        known = list(sessions.listed())
        shown = [s for s in known if s.id == here or not s.blank]
        lines = [f"{'←' if s.id == here else ' '} {s.line()}" for s in shown]
        self.screen.say("\n".join([*lines, *left_out(len(known) - len(shown))]))

    def _renamed(self, sessions: Sessions, name: str) -> None:
        sessions.rename(self.chat.session, name)
        called = sessions.names()[self.chat.session]
        self.screen.say(f'This session is called {called}; --resume "{called}" goes on with it.')

    def _deleted(self, sessions: Sessions, wanted: str) -> None:
        if not wanted:
            raise CommandError("Use it as /session delete ID; /session list shows the ids.")
        session = sessions.find(wanted)
        if session == self.chat.session:
            raise CommandError("You are in that session; leave it first, or start another one.")
        sessions.delete(session, called=wanted)
        self.screen.say(
            f"Deleted {session}. The room of its pictures is freed by /session prune, once they "
            "are older than an hour."
        )

    def _pruned(self, sessions: Sessions, argument: str) -> None:
        days, newest = _limits(argument)
        what = prunable(
            sessions, self.chat.session, older_than=days and days * 86400, newest=newest
        )
        if not what:
            self.screen.say("There is nothing to free.")
        else:
            self.screen.say(f"To free: {what}.")
            self.screen.say(f"Freed: {prune(sessions, what)}.")
        if waiting := young(sessions):
            self.screen.say(waiting)


ACTIONS: dict[str, Callable[[FileCommands, Sessions, str], None]] = {
    "list": FileCommands._listed,
    "rename": FileCommands._renamed,
    "delete": FileCommands._deleted,
    "prune": FileCommands._pruned,
}
"""What /session can do."""


def _typed(target: Path) -> str:
    """Return a path that a shell in this folder takes, as short as can be."""
    if target.parent == Path.cwd():
        return target.name
    plain = shlex.quote(str(target)) == str(target)
    return tilde(target) if plain else str(target)  # a shell leaves a quoted ~ alone


def _limits(argument: str) -> tuple[int | None, int | None]:
    """Read "30", "30 days" or "keep 20": the days that sessions stay, or how many do."""
    match argument.lower().split():
        case []:
            return None, None
        case ["keep", count]:
            return None, number(count, least=1, most=MOST)
        case [days] | [days, "day" | "days"]:
            return number(days, least=1, most=MOST), None
    raise CommandError(
        'Say "/session prune", "/session prune 30 days" or "/session prune keep 20".'
    )
