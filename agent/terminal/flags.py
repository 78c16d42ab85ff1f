"""The flags of the command line, in groups, on one screen."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from agent import exit_codes
from agent.options import EDIT_OPTIONS, declared
from agent.visible import visible
from tools import __version__
from tools.arguments import InputError, path_of, short

Given = TypeVar("Given")

DESCRIPTION = """\
Chat with an image editor that never forgets the original.

  palimpsest [photo.png]            chat about a sample portrait, or a picture of yours
  palimpsest photo.png --say "make her older" --say "now add a hat" --out results/
  palimpsest recipe FILE            say how a saved picture was made
  palimpsest redo FILE              make it again and compare
  palimpsest web                    the same in a browser, on this machine
  palimpsest serve --tokens FILE    for several people, and for programs (HTTP)
  palimpsest mcp                    as tools for assistants (Model Context Protocol)
  palimpsest move-sessions FROM TO  move all sessions, such as into Postgres
  palimpsest doctor                 say what is there and what to do next
  palimpsest test PATH              run conversations written as scripts
  palimpsest import LAYOUT FOLDER   make scripts of a benchmark
  palimpsest models [get NAME]      list the models that can be edited with, fetch or analyse one
"""
LONGEST_ERROR = 500  # characters


OPTIONS = {
    "how to edit": ("model", *EDIT_OPTIONS, "close_up", "device", "memory", "compile"),
    "who reads the messages": ("offline", "llm_url", "llm_model"),
    "showing and keeping": ("preview", "home", "engine"),
}
"""The settings that are flags, as help groups them."""


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line of a chat."""
    made = Parser(
        prog="palimpsest",
        usage="palimpsest [PICTURE ...] [--say TEXT ...] [flags]",
        description=DESCRIPTION,
        epilog=exit_codes.HELP,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, 2, 22, 88),
        add_help=False,
    )
    _doing(_group(made, "what to do"))
    for title, names in OPTIONS.items():
        add = _group(made, title)
        for name in names:
            add_option(add, name)
    _showing(add)
    return made


def _doing(add: Any) -> None:
    add("pictures", nargs="*", metavar="PICTURE", help="pictures to open; the first is the base")
    add("--say", action="append", metavar="TEXT", help="a message or /command; may be repeated")
    add(
        "--out",
        type=_path,
        metavar="DIR",
        help="also write the pictures there, as 01-make-her-older.png",
    )
    shows = "what the picture shows, if it cannot be told; of several, once for each"
    add("--caption", action="append", metavar="TEXT", help=shows)
    add("--anyway", action="store_true", help="with --say: edit what the model cannot know, too")
    add("--plan-only", action="store_true", help="understand only; load no model")
    add("--resume", nargs="?", const="", metavar="ID", help="go on with the last or that session")
    add("--fork", action="store_true", help="with --resume: go on in a copy, under a new id")
    add("--read-only", action="store_true", help="with --resume: look, change nothing")
    add("--list-sessions", action="store_true", help="list the sessions, newest first")


def _showing(add: Any) -> None:
    add("--json", action="store_true", help="one event a line on standard output")
    add("--config", type=_path, metavar="FILE", help="a config.toml")
    shells = ("bash", "zsh", "fish", "tcsh")
    help = f"print completion for {', '.join(shells)}"
    add("--completion", choices=shells, metavar="KIND", action=Complete, help=help)
    add("--version", action="version", version=f"palimpsest {__version__}", help="print it")
    add("-h", "--help", action="help", help="print this")


def add_option(add: Any, name: str) -> None:
    """Add the flag of an option, as its declaration says."""
    held = declared()[name]
    option, flag = held.option, f"--{name.replace('_', '-')}"
    if option.flag is not None:
        add(flag, action="store_const", const=option.flag, help=option.help)
        return
    known = held.literals
    help = f"{option.help}: {', '.join(known)}" if known else option.help
    kind = {int: partial(_read, held.number), Path: _path}.get(held.kind, str)
    kind = partial(_read, option.read) if option.read else kind
    add(flag, type=kind, choices=known or None, metavar=option.metavar, help=help)


class Parser(argparse.ArgumentParser):
    """Says which flag may have been meant."""

    def error(self, message: str) -> NoReturn:
        """Leave with one sentence."""
        unknown = re.match(r"unrecognized arguments: .*?--([\w-]+)", message)
        known = [name[2:] for name in self._option_string_actions if name.startswith("--")]
        close = difflib.get_close_matches(unknown[1], known, n=1) if unknown else []
        message = f"{message}; did you mean --{close[0]}?" if close else message
        super().error(" ".join(visible(short(message, LONGEST_ERROR)).split()))


def _group(made: argparse.ArgumentParser, title: str) -> Any:
    return made.add_argument_group(title).add_argument


class Complete(argparse.Action):
    """Print a shell's completion script, and leave."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Print it for the shell that was named."""
        import shtab

        print(shtab.complete(parser, str(values)))
        parser.exit()


def _path(text: str) -> Path:
    return _read(path_of, text)


def _read(read: Callable[[str], Given], text: str) -> Given:
    """Read what a flag was given; argparse says what is wrong with it."""
    try:
        return read(text)
    except InputError as error:
        said = str(error).rstrip(".")
        raise argparse.ArgumentTypeError(said[0].lower() + said[1:]) from None
