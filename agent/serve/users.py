"""Who may come in: tokens, and the home of each person."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from hmac import compare_digest
from pathlib import Path

from agent.context import ChatContext
from agent.serve.edit_queue import EditQueue, Queue
from agent.serve.limits import Admission, Limits
from agent.serve.user_sessions import UserSessions
from agent.sessions.homes import Homes
from tools.arguments import InputError
from tools.pictures import PictureStore

SHORTEST_TOKEN = 16  # characters
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")

StudioIn = Callable[[PictureStore, str], ChatContext]
"""Returns what conversations work with over the pictures of a person."""


@dataclass(frozen=True, eq=False)
class Users:
    """Everybody with a token, each with sessions and pictures of their own.

    Attributes:
        tokens: Token to name; the name "" is the person whose home it is.
        homes: Where the sessions and pictures of each are.
        studio_in: Makes what conversations work with.
        queue: Where all edits wait for the model.
        admission: How much each of them, and all together, may ask for.
        others: Makes what conversations work with that begin with another model, by its name.
    """

    tokens: dict[str, str]
    homes: Homes
    studio_in: StudioIn
    queue: Queue = field(default_factory=EditQueue)
    admission: Admission = field(default_factory=lambda: Admission(Limits()))
    others: Mapping[str, StudioIn] = field(default_factory=dict)
    _opened: dict[str, UserSessions] = field(default_factory=dict)
    _open: ExitStack = field(default_factory=ExitStack)

    def named(self, token: str) -> str | None:
        """Return whose token it is; None if it is nobody's."""
        said = token.encode()
        found = [name for held, name in self.tokens.items() if compare_digest(held.encode(), said)]
        return found[0] if found else None

    def user(self, name: str) -> UserSessions:
        """Return a person's conversations; their home is opened when first asked for."""
        if name not in self._opened:
            sessions = self._open.enter_context(self.homes.open(name))
            studio = self.studio_in(sessions.store, name)
            others = {m: studio_in(sessions.store, name) for m, studio_in in self.others.items()}
            self._opened[name] = UserSessions(
                sessions, studio, self.queue, name, self.admission, others
            )
        return self._opened[name]

    def close(self) -> None:
        """Close all homes."""
        self._open.close()
        self.homes.close()


def tokens_in(file: Path) -> dict[str, str]:
    """Read tokens: a line of TOKEN NAME for each person, # for remarks.

    Raises:
        InputError: The file or a line cannot be used.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--tokens {file} cannot be read: {error}.") from None
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not (words := line.partition("#")[0].split()):
            continue
        if len(words) != 2 or not _NAME.fullmatch(words[1]):
            raise InputError(
                f"--tokens {file}, line {number}: write TOKEN NAME, the name in small letters, "
                "digits, - and _."
            )
        if len(words[0]) < SHORTEST_TOKEN:
            raise InputError(
                f"--tokens {file}, line {number}: a token needs {SHORTEST_TOKEN} characters."
            )
        found[words[0]] = words[1]
    if not found:
        raise InputError(f"--tokens {file} names nobody.")
    return found


def names_in(text: str) -> list[str]:
    """Return the names of models that a list with commas holds."""
    return [name for name in (word.strip() for word in text.split(",")) if name]
