"""`palimpsest mcp`: the editor as tools of the Model Context Protocol, over standard streams.

For assistants on this machine: they open files of it, and get small pictures in their answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from agent.bootstrap import Refusal, settings_of, studio_of
from agent.exit_codes import DONE
from agent.serve.command import note, parser, refuse
from agent.serve.edit_queue import EditQueue
from agent.serve.routes import shrunk
from agent.serve.sentences import for_clients
from agent.serve.user_sessions import EventData, UserSessions
from agent.sessions.catalog import SessionError, new_id, open_home
from agent.sessions.store import StorageError
from agent.state import Conversation, Turn
from agent.terminal.file_io import export, file_name, open_file
from tools.arguments import InputError
from tools.inspection import sample_portrait

SMALL = 320  # pixels, the width of pictures in answers
Answer = list[str | Image]
"""Words, and small pictures."""

INSTRUCTIONS = """\
Palimpsest edits pictures by conversation and never forgets the original. Open a picture, then say
what to change, one wish or several ("make her older, now add a hat"). Every edit is a turn in a
tree: undo and go_to only move in it, and editing from an earlier turn begins a branch.
"""


def server_of(user: UserSessions) -> MCPServer:
    """Make the server over one person's conversations."""
    tools = _Tools(user)
    server = MCPServer("palimpsest", instructions=INSTRUCTIONS)
    for tool in (
        tools.open_picture, tools.edit, tools.undo, tools.go_to, tools.compare, tools.show,
        tools.turns, tools.sessions, tools.save,
    ):  # fmt: skip
        server.tool(structured_output=False)(_in_a_sentence(tool))
    return server


def _in_a_sentence(tool: Callable[..., Any]) -> Callable[..., Any]:
    """Let a tool fail with what we say of it."""

    @wraps(tool)
    def told(*given: Any, **named: Any) -> Any:
        try:
            return tool(*given, **named)
        except (InputError, SessionError, StorageError) as error:
            raise ToolError(for_clients(str(error))) from None

    return told


class _Tools:
    """The tools; their docstrings are what an assistant reads."""

    def __init__(self, user: UserSessions) -> None:
        self._user = user

    def open_picture(self, path: str = "", caption: str = "") -> Answer:
        """Open a picture file, or the sample portrait, and begin a session, whose id is returned.

        The caption says what the picture shows; it may be left out where that can be seen.
        """
        session, user = new_id(), self._user
        with user.sessions.held(session):
            chat = user.opening_chat(session)
            if path:
                notes = open_file(chat, user.sessions.store, Path(path), caption or None)[1]
            else:
                image, known = sample_portrait(chat.studio.settings.model)
                chat.open(user.sessions.store.put(image), caption or known)
                notes = ()
        return [f"session {session}", *notes, *self.show(session)]

    def edit(self, session: str, message: str) -> Answer:
        """Say something in a session: wishes, moves, questions, or the answer to its question."""
        return self._said(session, message)

    def undo(self, session: str, messages: int = 1) -> Answer:
        """Take back the last messages that changed something; nothing is lost."""
        return self._said(session, f"/undo {messages}")

    def go_to(self, session: str, turn: int) -> Answer:
        """Go to a turn; an edit made from there begins a branch."""
        return self._said(session, f"/goto @{turn}")

    def compare(self, session: str, a: int, b: int) -> Answer:
        """Measure what differs between two turns, and show both."""
        return [
            *self._said(session, f"/compare {a} {b}"),
            *self.show(session, a),
            *self.show(session, b),
        ]

    def show(self, session: str, turn: int | None = None) -> Answer:
        """Show the picture of a turn, or of where the session is, with its caption."""
        shown = self._turn(session, turn)
        words = f"@{shown.id} {shown.request or 'original'}: {shown.caption}"
        image = self._user.sessions.store.image(shown.picture)
        return [words, Image(data=shrunk(image, SMALL), format="png")]

    def turns(self, session: str) -> str:
        """List all turns of a session: number, parent, what was asked for; * is where it is."""
        now = self._conversation(session)
        return "\n".join(
            f"{'*' if turn.id == now.head else ' '} @{turn.id} from "
            f"{'-' if turn.parent is None else f'@{turn.parent}'}: {turn.request or 'original'}"
            for turn in now.turns
        )

    def sessions(self) -> str:
        """List all sessions, the last used first: id, edits, last use, name, what was said."""
        lines = [for_clients(each.line()) for each in self._user.sessions.listed()]
        return "\n".join(lines) or "There are no sessions yet."

    def save(self, session: str, path: str, turn: int | None = None) -> str:
        """Save a turn's picture at full size to a file or into a folder; return its path."""
        shown = self._turn(session, turn)
        stored = self._user.sessions.store.path(shown.picture)
        return str(export(stored, Path(path), name=file_name(shown.id, shown.request)))

    def _conversation(self, session: str) -> Conversation:
        return self._user.chat(self._user.sessions.find(session)).conversation

    def _turn(self, session: str, number: int | None) -> Turn:
        now = self._conversation(session)
        number = now.head if number is None else number
        if not 0 <= number < len(now.turns):
            raise InputError(f"There is no turn {number}; turns lists them.")
        return now.turns[number]

    def _said(self, session: str, line: str) -> Answer:
        told = list(self._user.say(self._user.sessions.find(session), line))
        words = [text for each in told if (text := _words(each))]
        moved = any(each["event"] in ("turn.completed", "head.moved") for each in told)
        return [*words, *(self.show(session) if moved else ())]


def _words(told: EventData) -> str:
    """What of an event is said."""
    if told["event"] == "question":
        return f"{told['question']} ({' / '.join(told['options'])})"
    return str(told.get("error") if told["event"] == "turn.failed" else told.get("text") or "")


def main(words: Sequence[str]) -> int:
    """Serve until standard input ends."""
    flags = parser("mcp", network=False).parse_args(words)
    given = {name: getattr(flags, name) for name in vars(flags) if name != "config"}
    try:
        settings = settings_of(flags.config, **given)
        studio = studio_of(settings, person=True, note=note)
    except Refusal as refusal:
        return refuse(str(refusal), refusal.code)
    with open_home(settings.home) as sessions:
        server_of(UserSessions(sessions, studio, EditQueue())).run()
    return DONE
