"""The line at the bottom: history, completion, keys, and where one is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from agent import turn_tree
from agent.choosing import chosen_settings
from agent.options import EDIT_OPTIONS, declared
from agent.sessions.catalog import Sessions
from agent.sessions.store import SessionStore
from agent.settings import AppSettings
from agent.terminal.commands import CommandError, names, parameters, resolve, summary
from agent.terminal.commands.files import ACTIONS, KINDS
from agent.terminal.commands.making import HOWS
from agent.terminal.file_io import is_picture
from agent.visible import visible
from tools.edit_picture import paired
from tools.operations import NAMES

if TYPE_CHECKING:
    from agent.chat import Chat

MARK = "you › "
NARROW = 50  # columns below which the toolbar hides
WORD = re.compile(r"[@\w-]*$")
SHORTEST = 2  # letters of a word before it is completed
TURNS = ("turn", "a", "b")
PATHS = ("path", "pictures")
"""Names that the parameters of commands have if they take a turn, or files."""


class Past(FileHistory):
    """What was typed, in a file; a line that cannot be kept is forgotten."""

    def store_string(self, string: str) -> None:
        """Add a line."""
        with suppress(OSError):  # the disk is full
            super().store_string(string.encode("utf-8", "replace").decode())


def session_of(chat: Chat, home: Path) -> PromptSession[str]:
    """Make the prompt of a chat; what is typed is remembered in a file for this user only."""
    past = home / "history"
    past.touch(mode=0o600)
    session: PromptSession[str] = PromptSession(
        history=Past(os.fspath(past)),
        auto_suggest=AutoSuggestFromHistory(),
        completer=Words(chat),
        complete_while_typing=False,
        enable_open_in_editor=True,
        key_bindings=keys(),
    )

    def show_toolbar(_: object) -> None:
        columns = session.app.output.get_size().columns
        session.bottom_toolbar = toolbar(chat, columns) if columns >= NARROW else None

    session.app.before_render += show_toolbar
    session.app.after_render += lambda _: chat.studio.warm_up()
    return session


def toolbar(chat: Chat, columns: int) -> str:
    """Return where one is in so many columns; what matters least is left out first."""
    conversation = chat.conversation
    if not conversation.turns:
        return " no picture yet: /open PATH "
    settings = chosen_settings(conversation, chat.studio)
    paths = [turn_tree.path(conversation, end.id) for end in turn_tree.branches(conversation)]
    head = conversation.turns[conversation.head]
    here = next(n for n, path in enumerate(paths, 1) if head in path)
    seconds = head.report.get("seconds")
    parts = [
        f"@{head.id}",
        f"branch {here} of {len(paths)}" if len(paths) > 1 else "",
        " · ".join([settings.model, settings.method, *_unusual(settings)]),
        f"next seed {settings.seed + len(conversation.turns)}",
        f"{seconds:.1f} s" if seconds else "",
        "/help",
        chat.session,
    ]
    line = ""
    for part in filter(None, parts):
        longer = f"{line}   {part}" if line else f" {part}"
        line = longer if len(longer) < columns else line
    return visible(line)


def _unusual(settings: AppSettings) -> list[str]:
    """Return the preset, if it is not the one that the method has by itself."""
    own = paired(settings.method, "")[1]
    return [settings.preset] if settings.preset != own else []


def keys() -> KeyBindings:
    """Alt-Enter breaks the line, Ctrl-C and Esc Esc clear it; on an empty line Esc Esc rewinds."""
    bindings = KeyBindings()

    @bindings.add("escape", "enter")
    def _newline(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @bindings.add("c-c")
    def _clear(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt)

    @bindings.add("escape", "escape")
    def _back(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.text:
            buffer.append_to_history()  # Up brings it back
            buffer.reset()
        else:
            event.app.exit(result="/rewind")

    return bindings


class Words(Completer):
    """Completes /commands and what follows them; else turns and the words of the caption."""

    def __init__(self, chat: Chat) -> None:
        """Complete for one chat."""
        self._chat = chat
        self._paths = PathCompleter(expanduser=True)
        self._pictures = PathCompleter(expanduser=True, file_filter=_is_folder_or_picture)

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterable[Completion]:
        """Yield what the word before the cursor may become."""
        line = document.text_before_cursor
        if not line.startswith("/"):
            yield from self._of_message(WORD.findall(line)[0])
        elif " " not in line:
            for name in names():
                if name.startswith(line[1:]):
                    yield Completion(f"/{name}", -len(line), display_meta=summary(name))
        else:
            word, _, rest = line[1:].partition(" ")
            yield from self._of_command(word, rest, event)

    def _of_message(self, word: str) -> Iterable[Completion]:
        if word.startswith("@"):
            yield from _beginning(word, self._turns())
        elif len(word) >= SHORTEST:
            yield from _beginning(word, dict.fromkeys(self._captions_words(), ""))

    def _of_command(self, word: str, rest: str, event: CompleteEvent) -> Iterable[Completion]:
        try:
            name = resolve(word)
        except CommandError:
            return
        given = rest.split(" ")
        wanted = parameters(name)[: len(given)]
        parameter = wanted[-1] if wanted else ""
        if parameter in PATHS:
            paths = self._pictures if name == "open" else self._paths
            yield from paths.get_completions(Document(given[-1]), event)
        elif name == "session" and len(given) > 1:
            action, _, argument = rest.partition(" ")
            yield from _beginning(argument, self._of_session(action))
        else:
            yield from _beginning(given[-1], self._offered(name, parameter))

    def _of_session(self, action: str) -> dict[str, str]:
        """Offer what an action on sessions takes: to delete, the ids and names of the others."""
        saver = self._chat.saver
        if action == "prune":
            return {"keep ": "all but the newest go", "30 days": "what was not used for so long"}
        if action != "delete" or not isinstance(saver, SessionStore):
            return {}
        sessions = Sessions(saver, self._chat.studio.settings.home)
        called = sessions.names()
        others = [session for session in sessions.ids() if session != self._chat.session]
        ids = {session: called.get(session, "") for session in others}
        return ids | {called[session]: session for session in others if session in called}

    def _offered(self, name: str, parameter: str) -> dict[str, str]:
        if parameter in TURNS:
            return {**self._turns(), "original": "", "before the ": ""}
        if parameter == "command":
            return dict.fromkeys(names(), "")
        fixed = {
            "adjust": NAMES, "retry": HOWS, "export": KINDS, "session": ACTIONS,
        }  # fmt: skip
        if name in EDIT_OPTIONS:
            return dict(declared()[name].option.choices())
        return dict.fromkeys(fixed.get(name, ()), "")

    def _turns(self) -> dict[str, str]:
        """Offer every turn by its number, then by the names that it has, each with its request."""
        conversation = self._chat.conversation
        turns = conversation.turns
        named = {f"@{turn.id}": turn.request or turn.caption for turn in turns}
        words = [word for turn in turns if turn.step for word in turn.step.edit_words]
        singles = [single for word in words for single in re.findall(r"[a-z]\w+", word.lower())]
        for name in ("@last", "@original", *(f"@{word}" for word in dict.fromkeys(singles))):
            if (found := turn_tree.find(conversation, name)) is not None:
                named[name] = f"@{found.id} {found.request or found.caption}"
        return named

    def _captions_words(self) -> list[str]:
        conversation = self._chat.conversation
        if not conversation.turns:
            return []
        return sorted(set(re.findall(r"\w{3,}", conversation.turns[conversation.head].caption)))


def _is_folder_or_picture(path: str) -> bool:
    return os.path.isdir(path) or is_picture(Path(path))


def _beginning(word: str, offered: Mapping[str, str]) -> Iterable[Completion]:
    """Yield what begins with a word, with what is said of it."""
    for other, meta in offered.items():
        if other.startswith(word) and other != word:
            yield Completion(other, -len(word), display_meta=visible(meta) or None)
