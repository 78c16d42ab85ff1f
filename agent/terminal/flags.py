"""The flags of the command line, in groups, on one screen."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_args

from agent.choices import Kept, MemoryUse
from agent.visible import visible
from tools import __version__
from tools.arguments import InputError, number, path_of, short

Given = TypeVar("Given")

DESCRIPTION = """\
Chat with an image editor that never forgets the original.

  palimpsest [photo.png]            chat about a sample portrait, or a picture of yours
  palimpsest photo.png --say "make her older" --say "now add a hat" --out results/
  palimpsest recipe FILE            say how a saved picture was made
  palimpsest redo FILE              make it again and compare
  palimpsest test PATH              run conversations written as scripts
  palimpsest import LAYOUT FOLDER   make scripts of a benchmark
"""
LONGEST_ERROR = 500  # characters
EXIT_CODES = """\
exit codes: 0 done, 1 an edit failed, 2 wrong usage or unreadable input, 3 model,
configuration or room missing, 4 LLM or engine failure, 5 a script failed, 130 Ctrl-C
"""


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line of a chat."""
    made = Parser(
        prog="palimpsest",
        usage="palimpsest [PICTURE ...] [--say TEXT ...] [flags]",
        description=DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, 2, 22, 88),
        add_help=False,
    )
    _doing(_group(made, "what to do"))
    _editing(_group(made, "how to edit"))
    _reading(_group(made, "who reads the messages"))
    _showing(_group(made, "showing and keeping"))
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
    add("--caption", metavar="TEXT", help="what the picture shows, if it cannot be told")
    add("--plan-only", action="store_true", help="understand only; load no model")
    add("--resume", nargs="?", const="", metavar="ID", help="go on with the last or that session")
    add("--fork", action="store_true", help="with --resume: go on in a copy, under a new id")
    add("--read-only", action="store_true", help="with --resume: look, change nothing")
    add("--list-sessions", action="store_true", help="list the sessions, newest first")


def _editing(add: Any) -> None:
    add("--model", metavar="NAME", help="portraits (shipped), flux-dev, a hub id, folder or file")
    add("--method", metavar="NAME", help="steady, mtc (the paper), flowedit ... (/method)")
    add("--preset", metavar="NAME", help="the method's numbers: steady, paper, paper-15, code")
    _choice(add, "--keep", get_args(Kept), "what stays as it was outside an edit")
    add("--draft", action="store_const", const="on", help="quick drafts: fewer model calls")
    add("--seed", type=_seed, metavar="N", help="turn n is made with seed N + n")
    add("--device", metavar="NAME", help="cpu, cuda, cuda:1 ...")
    _choice(add, "--memory", get_args(MemoryUse), "how much the model may take")
    add("--compile", action="store_true", default=None, help="slow first edit, faster later ones")


def _reading(add: Any) -> None:
    add("--offline", action="store_true", default=None, help="no LLM, even if one is configured")
    add("--llm-url", metavar="URL", help="an OpenAI-compatible server (key: OPENAI_API_KEY)")
    add("--llm-model", metavar="NAME", help="the model to ask there")


def _showing(add: Any) -> None:
    _choice(
        add, "--preview", ("auto", "kitty", "sixel", "blocks", "off"), "pictures in the terminal"
    )
    add("--json", action="store_true", help="one event a line on standard output")
    add("--home", type=_path, metavar="DIR", help="where sessions and pictures are")
    add("--config", type=_path, metavar="FILE", help="a config.toml")
    _choice(add, "--completion", ("bash", "zsh", "fish", "tcsh"), "print completion for", Complete)
    add("--version", action="version", version=f"palimpsest {__version__}", help="print it")
    add("-h", "--help", action="help", help="print this")


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


def _choice(
    add: Any,
    flag: str,
    names: tuple[str, ...],
    what: str,
    action: str | type[argparse.Action] = "store",
) -> None:
    """Add a flag whose few values stand in its help."""
    add(flag, choices=names, metavar="KIND", action=action, help=f"{what}: {', '.join(names)}")


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


def _seed(text: str) -> int:
    return _read(partial(number, name="seed"), text)


def _path(text: str) -> Path:
    return _read(path_of, text)


def _read(read: Callable[[str], Given], text: str) -> Given:
    """Read what a flag was given; argparse says what is wrong with it."""
    try:
        return read(text)
    except InputError as error:
        said = str(error).rstrip(".")
        raise argparse.ArgumentTypeError(said[0].lower() + said[1:]) from None
