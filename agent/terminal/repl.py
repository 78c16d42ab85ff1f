"""The loops: a person at a terminal, lines from a pipe, messages from flags."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from agent.exit_codes import DONE, MISSING, UNREADABLE
from agent.sessions.database import trouble
from agent.sessions.store import StorageError
from agent.state import Ask
from agent.terminal.commands import Commands, Leave, run
from agent.terminal.commands.making import dropped
from agent.terminal.crash_guard import safely
from agent.terminal.prompt import MARK, session_of
from agent.terminal.run_message import Answer, goes_on, one_line, play, refusal
from agent.visible import visible
from tools.arguments import InputError, whole

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

    from agent.chat import Chat


_YES = re.compile(
    r"(?:y|ye[sap]h?|yep|sure|ok(?:ay)?|alright|go on|go ahead|continue|carry on|please(?: do)?|do"
    r"|do it|finish(?: it)?|of course)(?:,? (?:please|sure|go on|go ahead|do it|finish it))?"
)

_LEAVING = re.compile(
    r"(?:exit|quit|(?:good)?bye|:?q|close|:q!|:wq|exit\(\))[ .!?]*", re.IGNORECASE
)


class Interjection(Exception):
    """A /command was typed in the place of an answer."""

    def __init__(self, line: str) -> None:
        """Keep the line."""
        super().__init__(line)
        self.line = line


def handle(commands: Commands, line: str, ask: Answer | None = None) -> int:
    """Do what one line asks, a /command or a message, and return its exit code.

    "go on" finishes what a kill or Ctrl-C cut off.

    Raises:
        Leave: The line asks to go.
        KeyboardInterrupt: Ctrl-C; what was accepted before is kept.
    """
    chat, screen = commands.chat, commands.screen
    try:
        if reason := refusal(line):
            screen.complain(reason)
            return UNREADABLE
        if goes_on(line) and chat.question is None:
            if chat.unfinished:
                return play(chat, chat.carry_on(), screen, ask)
            screen.note("Nothing was cut off, so there is nothing to go on with.")
            return DONE
        if (picture := dropped(line)) is not None:
            screen.note(f"Opening {picture.name}, as /open does.")
            commands.open(line)
            return DONE
        if line.strip().startswith("/"):
            return run(commands, line)
        return play(chat, chat.say(one_line(line)), screen, ask)
    except (InputError, StorageError) as error:
        screen.complain(str(error))
        return UNREADABLE
    except sqlite3.Error as error:
        screen.complain(trouble(error))
        return MISSING


def _meant(line: str) -> str:
    """Return /quit for a word by which people leave programs, else the line."""
    return "/quit" if _LEAVING.fullmatch(line.strip()) else line


def read_lines(commands: Commands, lines: Iterable[str]) -> int:
    """Do every line without asking anything; stop at /quit. Return the worst exit code.

    A message that was cut off is finished if "go on" is the first line, or there is none.
    """
    left = commands.chat.unfinished
    lines = iter(lines)
    first = next(lines, "go on" if left else "/quit")
    if left and not goes_on(first):
        commands.screen.note(f'"{left}" was cut off and is dropped; "go on" first would finish it.')
    code = DONE
    for line in chain([first], lines):
        try:
            code = max(code, _safely(commands, partial(handle, commands, _meant(line))))
        except Leave:
            break
    return code


def talk(commands: Commands, home: Path) -> int:
    """Talk with the person at the terminal until they leave."""
    session = session_of(commands.chat, home)
    commands.pick = _pick

    def ask(question: Ask) -> str:
        return _ask(commands, session, question)

    going = _attended(commands, partial(_take_up, commands, ask))
    leaving = False
    while going:
        try:
            line = session.prompt(MARK, default=commands.take_unsent())
        except EOFError:
            break
        except KeyboardInterrupt:  # the line was empty
            if leaving:
                break
            leaving = True
            commands.screen.note("Ctrl-C again leaves, and so do Ctrl-D and /quit.")
            continue
        leaving = False
        if line.strip():
            going = _attended(commands, partial(attend, commands, _meant(line), ask))
    return DONE


def _attended(commands: Commands, work: Callable[[], int | None]) -> bool:
    """Work; Ctrl-C stops it and keeps everything. Return False if the person wants to leave."""
    try:
        _safely(commands, work)
    except Leave:
        return False
    except KeyboardInterrupt:
        commands.screen.rest()
        commands.screen.note(_stopped(commands.chat))
    return True


def _safely(commands: Commands, work: Callable[[], int | None]) -> int:
    home = commands.chat.studio.settings.home
    return safely(work, commands.screen, home, through=(Leave, Interjection))


def _stopped(chat: Chat) -> str:
    """Say where Ctrl-C left the person, and what of their message was not done."""
    at = chat.conversation.head
    if not (left := chat.undone):
        return f"Stopped; you are at @{at}, and nothing is lost."
    listed = ", ".join(f'"{wish}"' for wish in left)
    return f'Stopped; you are at @{at}; not done: {listed}. Say "go on" to finish it.'


def _pick(question: str, options: Sequence[tuple[int, str]]) -> int | None:
    """Let the person choose with the arrow keys; None if they would rather not."""
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
    from prompt_toolkit.shortcuts import choice

    leaving = KeyBindings()

    @leaving.add("escape", eager=True)
    @leaving.add("q", eager=True)
    def _leave(event: KeyPressEvent) -> None:
        event.app.exit(exception=EOFError)

    asked = f"{question} (Enter chooses, Esc leaves)"
    try:
        return choice(asked, options=options, default=options[-1][0], key_bindings=leaving)
    except (KeyboardInterrupt, EOFError):
        return None


def attend(commands: Commands, line: str, ask: Answer) -> None:
    """Handle a line; a /command typed in the place of an answer runs at once."""
    try:
        handle(commands, line, ask)
    except Interjection as said:
        _interject(commands, said.line, ask)


def _interject(commands: Commands, line: str, ask: Answer) -> None:
    """Run a /command in the place of an answer, and put the question again if it still waits."""
    chat, screen = commands.chat, commands.screen
    handle(commands, line, ask)
    if chat.question is None:
        screen.note("The question was dropped.")
        return
    screen.note("The question still waits:")
    try:
        play(chat, [], screen, ask)
    except Interjection as said:
        _interject(commands, said.line, ask)


def _take_up(commands: Commands, ask: Answer) -> None:
    """Put the question that waited, or offer to finish the message that was cut off."""
    chat, screen = commands.chat, commands.screen
    try:
        if chat.question:
            play(chat, [], screen, ask)
        elif chat.unfinished:
            question = Ask(
                question=f'"{chat.unfinished}" was cut off. Finish it?',
                options=("yes", "no"),
                default="yes",
            )
            if _YES.fullmatch(ask(question).lower().strip(" .!")):
                play(chat, chat.carry_on(), screen, ask)
            else:
                screen.note(f"It was not finished; you are at @{chat.conversation.head}.")
    except KeyboardInterrupt:
        screen.rest()
    except Interjection as said:
        if chat.unfinished:
            screen.note(f"It was not finished; you are at @{chat.conversation.head}.")
            attend(commands, said.line, ask)
        else:
            _interject(commands, said.line, ask)


def _ask(commands: Commands, session: PromptSession[str], question: Ask) -> str:
    """Put a question; a number chooses an option, an empty line takes the default."""
    options = [f"  {number}  {option}" for number, option in enumerate(question.options, start=1)]
    commands.screen.say("\n".join([question.question, *options]))
    hint = f" (Enter: {visible(question.default)})" if question.default else ""
    try:
        answer = session.prompt(f"answer{hint} › ").strip()
    except EOFError:
        answer = ""
    if _meant(answer).startswith("/") and answer.lower() not in question.options:
        raise Interjection(_meant(answer))
    if reason := refusal(answer) if answer else "":
        commands.screen.complain(reason)
        return _ask(commands, session, question)
    if 1 <= (whole(answer) or 0) <= len(question.options):
        return question.options[int(answer) - 1]
    return answer or question.default


def farewell(commands: Commands, home: Path | None, engine: str | None = None) -> None:
    """Say how to go on, if there is anything to go on with."""
    conversation = commands.chat.conversation
    if conversation.messages or len(conversation.turns) > 1:
        where = ["--home", str(home)] if home else []
        where += ["--engine", engine.partition("?")[0]] if engine else []  # without any token
        line = shlex.join([*_called(), "--resume", commands.chat.session, *where])
        commands.screen.note(f"Go on with: {line}")


def _called() -> list[str]:
    """Return the words by which this program can be begun where it was."""
    if shutil.which("palimpsest"):
        return ["palimpsest"]
    program = sys.argv[0]
    python = min(sys.executable, os.path.relpath(sys.executable), key=len)
    return [python, program] if program.endswith(".py") else [program]
