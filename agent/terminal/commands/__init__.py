"""The /commands: every public method of `Commands` is one, and its docstring is its help."""

from __future__ import annotations

import difflib
import inspect
import os
import re
import shlex
import subprocess
import tempfile
from pathlib import Path

from agent.exit_codes import DONE
from agent.terminal.commands.base import CommandBase, CommandError, Leave
from agent.terminal.commands.files import FileCommands
from agent.terminal.commands.inspection import InspectionCommands
from agent.terminal.commands.making import EditCommands
from agent.terminal.commands.navigation import NavigationCommands
from agent.terminal.commands.settings import SettingCommands
from tools.arguments import short

__all__ = [
    "CommandError",
    "Commands",
    "Leave",
    "markdown",
    "names",
    "parameters",
    "resolve",
    "run",
    "usage",
]

KEYS = (
    "Tab completes, Alt-Enter breaks the line, Esc Esc rewinds, Ctrl-R searches, Ctrl-C stops, "
    "Ctrl-D leaves."
)


def edited(text: str) -> str:
    """Let the person edit a text in their editor.

    Raises:
        CommandError: There is no editor, or it failed.
    """
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "nano"
    with tempfile.NamedTemporaryFile("w+", suffix=".txt", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        try:
            subprocess.run([*shlex.split(command), file.name], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise CommandError(f"The editor {command} failed ({error}); set EDITOR.") from None
        return Path(file.name).read_text("utf-8").strip()


class Leaving(CommandBase):
    """Explain, and let go."""

    title = "Help, and the way out"

    def help(self, command: str = "") -> None:
        """List the commands, or explain one.

        Example: /help goto
        """
        if command:
            name = resolve(command.lstrip("/"))
            self.screen.say(f"{usage(name)}  {explained(name)}")
            return
        width = max(len(usage(name)) for name in names())
        lines = ['Say what to change ("make her older, now add a hat"), or type a command:']
        for group in GROUPS:
            lines += ["", f"{group.title}:"]
            lines += [f"  {usage(name):<{width}}  {summary(name)}" for name in of(group)]
        self.screen.say("\n".join([*lines, "", KEYS]))

    def edit(self, message: str = "") -> None:
        """Write the next message in your editor ($VISUAL, else $EDITOR); Ctrl-X Ctrl-E does too.

        Example: /edit make her older
        """
        self.unsent = edited(message)

    def quit(self) -> None:
        """Leave; everything is kept, and --resume goes on (Ctrl-D does the same).

        Example: /quit
        """
        raise Leave


class Commands(
    NavigationCommands, EditCommands, SettingCommands, InspectionCommands, FileCommands, Leaving
):
    """What can be typed after a slash."""


GROUPS: tuple[type[CommandBase], ...] = (
    NavigationCommands,
    EditCommands,
    SettingCommands,
    InspectionCommands,
    FileCommands,
    Leaving,
)


def names() -> list[str]:
    """Return the names of all commands, in the order of the source."""
    return [name for group in GROUPS for name in of(group)]


def of(group: type[CommandBase]) -> list[str]:
    """Return the names of the commands of one group."""
    return [name for name, held in vars(group).items() if callable(held) and name[0] != "_"]


def resolve(word: str) -> str:
    """Return the command that a word or its unique beginning names.

    Raises:
        CommandError: None does, or several do.
    """
    word = word.lower()
    if word in names():
        return word
    fitting = [name for name in names() if word and name.startswith(word)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        first = ", /".join(fitting[:-1])
        raise CommandError(f"/{word} could be /{first} or /{fitting[-1]}.")
    close = difflib.get_close_matches(short(word), names(), n=1)
    hint = f"did you mean /{close[0]}?" if close else "/help lists them."
    raise CommandError(f"There is no command /{short(word)}; {hint}")


def run(commands: Commands, line: str) -> int:
    """Carry out one line that begins with a slash, and return its exit code.

    Raises:
        CommandError: It cannot be carried out.
        InputError: A number or a path in it cannot be used.
        Leave: It asks to go.
    """
    word, _, rest = line.strip().lstrip("/").partition(" ")
    name = resolve(word)
    parameters = _parameters(name)
    given = rest.split(maxsplit=len(parameters) - 1) if parameters else rest.split()
    needed = [p for p in parameters if p.default is p.empty]
    if given and not parameters:
        raise CommandError(f"/{name} takes nothing after it.")
    if len(given) < len(needed):
        raise CommandError(f"Use it as {usage(name)}.")
    return getattr(commands, name)(*map(str.strip, given)) or DONE


def usage(name: str) -> str:
    """Return a command with its argument, such as ``/undo [COUNT]``."""
    shown = [
        p.name.upper() if p.default is p.empty else f"[{p.name.upper()}]" for p in _parameters(name)
    ]
    return " ".join([f"/{name}", *shown])


def summary(name: str) -> str:
    """Return what a command does, in one line."""
    return explained(name).partition("\n")[0]


def explained(name: str) -> str:
    """Return all that its docstring says of a command."""
    doc = inspect.getdoc(getattr(Commands, name)) or ""
    return re.sub(r"(?<!\n)\n(?!\n|Example: )", " ", doc)  # screens break lines as they need


def parameters(name: str) -> list[str]:
    """Return the names of a command's parameters."""
    return [parameter.name for parameter in _parameters(name)]


def example(name: str) -> str:
    """Return the line that shows how a command is used."""
    lines = (line.partition("Example: ") for line in explained(name).splitlines())
    return next((shown for _, marked, shown in lines if marked), "")


def markdown() -> str:
    """Return the table of all commands, as README has it."""
    lines = ["| command | what it does | for example |", "| --- | --- | --- |"]
    for group in GROUPS:
        lines.append(f"| **{group.title}** | | |")
        lines += [
            f"| `{usage(name)}` | {summary(name)} | `{example(name)}` |" for name in of(group)
        ]
    return "\n".join(lines)


def _parameters(name: str) -> list[inspect.Parameter]:
    return list(inspect.signature(getattr(Commands, name)).parameters.values())[1:]
