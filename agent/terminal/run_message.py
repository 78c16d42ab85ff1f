"""One line from a person: carried out, shown, and counted as an exit code."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from typing import TYPE_CHECKING

from agent.exit_codes import DONE, FAILED, MISSING, UNREADABLE
from tools.arguments import InputError

if TYPE_CHECKING:
    from agent.chat import Chat
    from agent.state import Ask, Event
    from agent.terminal.screen import Screen

LONGEST = 2000  # characters of a message; far above any wish, far below a pasted file
LONGEST_COMMAND = 20_000  # characters; several paths may follow one

_GO_ON = re.compile(r"(?:please )?(?:go on|continue|carry on)(?:,? please)?")

Answer = Callable[["Ask"], str]


def play(chat: Chat, events: Iterable[Event], screen: Screen, ask: Answer | None = None) -> int:
    """Show events as they come, pass questions to the person, and return the exit code.

    Args:
        chat: Where the events come from.
        events: What ``chat.say`` or its like yields.
        screen: Where they are shown.
        ask: Puts a question to the person; without it the default is taken.
    """
    code = DONE
    try:
        while True:
            with closing(_shown(chat, events, screen)) as shown:
                for event in shown:
                    code = max(code, _code(event, asked=ask is not None))
            question = chat.question
            if question is None:
                return code
            events = chat.answer(ask(question) if ask else "")
    finally:
        screen.rest()


def _shown(chat: Chat, events: Iterable[Event], screen: Screen) -> Generator[Event, None, None]:
    """Show events and pass them on; a file that cannot be written fails the message, not us."""
    failed = False
    try:
        for event in events:
            if failed and event.event == "reply":  # it would say that the file was saved
                continue
            try:
                screen.event(event)
            except InputError as error:
                failed = True
                event = chat.event("turn.failed", error=str(error))
                screen.event(event)
            yield event
    finally:
        if isinstance(events, Generator):  # else its thread works on while the session is closed
            events.close()


def _code(event: Event, *, asked: bool) -> int:
    if event.event == "model.unfit":
        return MISSING
    if event.event == "turn.failed":
        return FAILED
    unanswered = event.event == "question" and not event.data.get("default")
    return UNREADABLE if unanswered and not asked else DONE


def refusal(message: str) -> str:
    """Return why a line is not even read, in one sentence; empty when it is."""
    if not message.strip():
        return "The message is empty; say what to change."
    most = LONGEST_COMMAND if message.lstrip().startswith("/") else LONGEST
    if len(message) > most:
        return f"The message has {len(message)} characters; at most {most} are read."
    if "\0" in message:
        return "The message has a NUL character, as text in UTF-16 has; write it in UTF-8."
    if any("\ud800" <= letter <= "\udfff" for letter in message):
        return "The message is not in UTF-8; write it in that encoding."
    return ""


def goes_on(message: str) -> bool:
    """Say whether a message asks to finish what was cut off."""
    return _GO_ON.fullmatch(message.lower().strip(" .!")) is not None


def one_line(message: str) -> str:
    """Return a message of several lines as one, each line a wish of its own."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    ended = [line if line[-1] in ".,;!?" else f"{line}," for line in lines[:-1]]
    return " ".join([*ended, *lines[-1:]])
