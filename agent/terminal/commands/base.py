"""What every /command has at hand: the chat, the screen, the pictures."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from PIL import Image

from agent.chat import Chat
from agent.state import Event, Step, Turn
from agent.terminal.file_io import open_file
from agent.terminal.run_message import play
from agent.terminal.screen import Screen
from agent.terminal.why import label
from tools.arguments import InputError, short
from tools.pictures import PictureStore

Pick = Callable[[str, Sequence[tuple[int, str]]], int | None]


class CommandError(InputError):
    """A command was used wrongly; the message is one sentence for the person."""


class Leave(Exception):
    """The person wants to go."""


class CommandBase:
    """Works on a chat and shows results on a screen; the groups of commands derive from it."""

    title = ""

    def __init__(self, chat: Chat, screen: Screen, store: PictureStore) -> None:
        """Bind them."""
        self.chat = chat
        self.screen = screen
        self.store = store
        self.pick: Pick | None = None
        """Lets a person choose; None where there is none."""
        self.unsent = ""
        """What stands on the input line when it comes back."""

    def take_unsent(self) -> str:
        """Return what is not sent yet, once."""
        unsent, self.unsent = self.unsent, ""
        return unsent

    def open_file(self, path: Path, caption: str | None = None) -> tuple[Event, tuple[str, ...]]:
        """Open a picture file as the new base, and return what happened and what was noted.

        Raises:
            InputError: The file cannot be used, or nobody can say what it shows.
        """
        return open_file(self.chat, self.store, path, caption)

    def open_sample(self, caption: str | None = None) -> Event:
        """Open the sample portrait as the new base."""
        from tools.inspection import sample_portrait  # takes a while to load

        image, known = sample_portrait(self.chat.studio.settings.model)
        return self.chat.open(self.store.put(image), caption or known)

    def _do(self, step: Step) -> int:
        """Let the chat do one step that no message has to be read for."""
        return play(self.chat, self.chat.move(step), self.screen)

    def _turn(self, phrase: str) -> Turn:
        """Return the turn that a phrase names; the one here for an empty phrase."""
        conversation = self.chat.conversation
        if not conversation.turns:
            raise CommandError("There is no picture yet; /open PICTURE opens one.")
        phrase = phrase.strip()
        if not phrase:
            return conversation.turns[conversation.head]
        from agent.offline.intents import named  # its word lists take a while to load

        found = named(conversation, phrase)
        if found is None:
            raise CommandError(f'There is no turn "{short(phrase)}"; /tree lists them.')
        return found

    def _picture(self, turn: Turn) -> Path:
        """Return the file of a turn's picture."""
        if not turn.picture or turn.picture not in self.store:
            raise CommandError(f"@{turn.id} was only planned; it has no picture.")
        return self.store.path(turn.picture)

    def _labelled(self, turn: Turn) -> tuple[str, Image.Image]:
        """Return a turn's picture with its name."""
        self._picture(turn)
        return label(turn), self.store.image(turn.picture)


def one_of(word: str, options: Iterable[str], what: str) -> str:
    """Return the option that a word or its unique beginning names.

    Raises:
        CommandError: None does.
    """
    word, names = word.lower(), list(options)
    fitting = [name for name in names if name.startswith(word)]
    if word in names or len(fitting) == 1:
        return word if word in names else fitting[0]
    close = difflib.get_close_matches(word, names, n=1)
    hint = f"did you mean {close[0]}?" if close else f"choose one of: {', '.join(names)}."
    raise CommandError(f'There is no {what} "{short(word)}"; {hint}')
