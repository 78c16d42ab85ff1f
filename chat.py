"""The door: chat with the editor, do single edits, list and resume sessions.

Parses flags, wires the studio, runs a loop. What is heavy is imported where it is needed, so that
``--help`` and mistakes answer at once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from editing_core.methods import METHODS
from tools import __version__

if TYPE_CHECKING:
    from agent.settings import AppSettings
    from agent.terminal.commands import Commands
    from agent.terminal.screen import Screen


EXAMPLES = """\
examples:
  python chat.py                          chat about a sample portrait, offline
  python chat.py photo.png                chat about a picture of yours
  python chat.py photo.png --say "make her older" --say "now add a hat" --out results/
  python chat.py --resume                 go on with the last session
  python chat.py recipe FILE              say how a saved picture was made (recipe --help)
  python chat.py redo FILE                make it again and compare (redo --help)
  python chat.py test PATH                run conversations written as scripts (test --help)
  python chat.py import LAYOUT FOLDER     make scripts of a benchmark (import --help)

exit codes: 0 done, 1 an edit failed, 2 wrong usage or unreadable input,
3 model or configuration missing, 4 LLM or engine failure, 130 Ctrl-C
"""
NOT_INSTALLED = 3
OTHERS = {
    "recipe": "agent.provenance.telling",
    "redo": "agent.provenance.again",
    "test": "agent.scripts.command",
    "import": "agent.scripts.importing",
}


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit code; nobody sees a traceback."""
    words = sys.argv[1:] if argv is None else argv
    try:
        if words and words[0] in OTHERS:
            return _other(words[0], words[1:])
        return _guarded(_parser().parse_args(words))
    except ModuleNotFoundError as error:
        if os.environ.get("PALIMPSEST_DEBUG"):
            raise
        return _give_up(
            f"Palimpsest is not installed for this Python (no module {error.name}); "
            "run `make chat`, or .venv/bin/python chat.py.",
            NOT_INSTALLED,
        )


def _other(name: str, words: list[str]) -> int:
    """Run a command that is no chat; it says its own errors."""
    from importlib import import_module

    _quiet()
    code: int = import_module(OTHERS[name]).main(words)
    return code


def _guarded(flags: argparse.Namespace) -> int:
    """Run, and turn whatever goes wrong into one sentence and an exit code."""
    from agent.terminal.play import BROKEN, FAILED, STOPPED, UNREADABLE
    from agent.wiring import Refusal
    from tools.pictures import PictureError

    try:
        return _run(flags)
    except Refusal as refusal:
        return _give_up(str(refusal), refusal.code)
    except PictureError as error:
        return _give_up(str(error), UNREADABLE)
    except KeyboardInterrupt:
        return _give_up("Stopped; every finished edit is kept.", STOPPED)
    except BrokenPipeError:  # the reader of our output has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except ModuleNotFoundError:
        raise
    except Exception as error:
        if os.environ.get("PALIMPSEST_DEBUG"):
            raise
        kind = type(error).__name__
        hint = "PALIMPSEST_DEBUG=1 shows where."
        return _give_up(f"Something broke inside: {kind}: {error} ({hint})", BROKEN)


def _give_up(sentence: str, code: int) -> int:
    print(f"palimpsest: {' '.join(sentence.split())}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="palimpsest",
        description="Chat with an image editor that never forgets the original.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("pictures", nargs="*", metavar="PICTURE", help="the first is the base")
    parser.add_argument("--version", action="version", version=f"palimpsest {__version__}")
    add = parser.add_argument_group("what to do").add_argument
    add("--say", action="append", metavar="TEXT", help="a message or /command; may be repeated")
    add("--out", metavar="DIR", help="also write every edit there, as 01-make-her-older.png")
    add("--caption", metavar="TEXT", help="what the picture shows, if it cannot be told")
    add("--plan-only", action="store_true", help="understand only; load no model")
    add("--resume", nargs="?", const="", metavar="ID", help="go on with the last or that session")
    add("--list-sessions", action="store_true", help="list the sessions, newest first")
    add = parser.add_argument_group("how to edit").add_argument
    add("--model", metavar="NAME", help="portraits (shipped), flux-dev, a hub id or a folder")
    add("--method", metavar="NAME", help=f"one of: {', '.join(METHODS)}; mtc is the paper's")
    add("--preset", metavar="NAME", help="the method's numbers: paper, paper-15, code")
    add(
        "--keep", choices=("auto", "nothing", "color", "outside"), help="what stays outside an edit"
    )
    add("--seed", type=_natural, metavar="N", help="turn n is made with seed N + n")
    add("--device", metavar="NAME", help="cpu, cuda, cuda:1 ...")
    add = parser.add_argument_group("who reads the messages").add_argument
    add("--offline", action="store_true", default=None, help="no LLM, even if one is configured")
    add("--llm-url", metavar="URL", help="an OpenAI-compatible server (key: OPENAI_API_KEY)")
    add("--llm-model", metavar="NAME", help="the model to ask there")
    add = parser.add_argument_group("how to show it").add_argument
    add(
        "--preview",
        choices=("auto", "kitty", "sixel", "blocks", "off"),
        help="pictures in the terminal",
    )
    add("--json", action="store_true", help="one event a line on standard output")
    add = parser.add_argument_group("where things are").add_argument
    add("--home", type=Path, metavar="DIR", help="sessions and pictures")
    add("--config", type=Path, metavar="FILE", help="a config.toml")
    return parser


def _natural(text: str) -> int:
    if not text.isdigit() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"a whole number from 0 is needed, not {text!r}")
    return int(text)


def _run(flags: argparse.Namespace) -> int:
    from agent.provenance.signing import signer_of
    from agent.wiring import open_home, settings_of

    _check(flags)
    names = (
        "model",
        "method",
        "preset",
        "keep",
        "seed",
        "device",
        "llm_url",
        "llm_model",
        "offline",
    )
    given = {name: getattr(flags, name) for name in (*names, "preview", "home")}
    settings = settings_of(flags.config, **given)
    _quiet()
    for path in flags.pictures:
        _readable(path, settings)
    screen = _screen(flags, settings)
    screen.sign = signer_of(settings)
    saver = open_home(settings.home)
    try:
        if flags.list_sessions:
            return _list_sessions(settings, saver, json_lines=flags.json)
        return _converse(flags, settings, screen, saver)
    finally:
        screen.rest()
        saver.conn.close()


def _check(flags: argparse.Namespace) -> None:
    """Refuse what the flags alone show to be wrong."""
    from agent.terminal.play import refusal
    from agent.wiring import Refusal

    if flags.resume is not None and flags.pictures:
        raise Refusal("--resume takes no pictures; /open opens one inside the session.")
    if flags.json and not (flags.say or flags.list_sessions) and sys.stdin.isatty():
        raise Refusal("--json needs --say, or messages on standard input.")
    for message in flags.say or ():
        if reason := refusal(message):
            raise Refusal(reason)


def _quiet() -> None:
    """Keep the libraries' own chatter off the person's screen."""
    import warnings

    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    if not sys.warnoptions and "pytest" not in sys.modules:
        warnings.simplefilter("ignore")


def _screen(flags: argparse.Namespace, settings: AppSettings) -> Screen:
    from agent.terminal.opening import Folder
    from agent.terminal.screen import JsonScreen, TextScreen

    folder = Folder(Path(flags.out)) if flags.out else None
    if flags.json:
        return JsonScreen(folder)
    return TextScreen(folder, preview=settings.preview)


def _converse(flags: argparse.Namespace, settings: AppSettings, screen: Screen, saver: Any) -> int:
    """Open or resume a session, do what was asked, and close it."""
    from agent.graph import Chat
    from agent.terminal.commands import Commands
    from agent.terminal.repl import read_lines, talk
    from agent.wiring import session_id, studio_of
    from tools.pictures import PictureStore

    session = session_id(flags.resume, saver)
    person = not flags.say and sys.stdin.isatty()
    studio = studio_of(settings, person=person, plan_only=flags.plan_only, note=screen.note)
    chat = Chat(studio, saver, session)
    commands = Commands(chat, screen, PictureStore(settings.home / "pictures"))
    try:
        _begin(flags, commands)
        if person:
            _leave_in_order()
            return talk(commands, settings.home)
        lines = flags.say or (line.rstrip("\n") for line in sys.stdin if line.strip())
        return read_lines(commands, lines, take_up=flags.resume is not None)
    finally:
        screen.event(chat.event("session.ended"))


def _leave_in_order() -> None:
    """Let a kill that can be heard unwind, so that the terminal is left as it was found."""
    import signal

    for name in ("SIGTERM", "SIGHUP"):  # Windows knows only the first
        if number := getattr(signal, name, None):
            signal.signal(number, lambda heard, _: sys.exit(128 + heard))


def _readable(path: str, settings: AppSettings) -> None:
    """Refuse a bad picture before seconds are spent on loading the model."""
    from tools.pictures import open_picture

    open_picture(path, max_side=settings.max_side)


def _begin(flags: argparse.Namespace, commands: Commands) -> None:
    """Show where the conversation begins: the resumed head, opened pictures, or the sample."""
    from agent.terminal.opening import open_file
    from tools.look import sample_portrait

    chat, screen, store = commands.chat, commands.screen, commands.store
    if chat.conversation.turns:
        turn = chat.conversation.turns[chat.conversation.head]
        picture = str(store.path(turn.picture)) if turn.picture else None
        where = {"turn": turn.id, "picture": picture}
        screen.event(chat.event("session.started", **where, caption=turn.caption, resumed=True))
    elif flags.pictures:
        for path in reversed(flags.pictures):  # the first named is the last opened, and the base
            event, notes = open_file(chat, store, Path(path), flags.caption)
            for note in notes:
                screen.note(note)
            screen.event(event)
    else:
        image, caption = sample_portrait()
        screen.event(chat.open(store.put(image), flags.caption or caption))


def _list_sessions(settings: AppSettings, saver: Any, *, json_lines: bool) -> int:
    from agent.graph import Chat, sessions
    from agent.studio import Studio
    from tools.pictures import PictureStore

    studio = Studio(settings=settings, edit=None, pictures=PictureStore(settings.home / "pictures"))
    for session in sessions(saver):
        conversation = Chat(studio, saver, session).conversation
        said = [message.text for message in conversation.messages]
        edits = sum(turn.step is not None for turn in conversation.turns)
        if json_lines:
            row = {"session": session, "edits": edits, "messages": said}
            print(json.dumps(row, ensure_ascii=False))
        else:
            count = f"{edits:>3} edit{'s' if edits != 1 else ' '}"
            print(f"{session}  {count}  {' · '.join(said)}"[:120])
    return 0


if __name__ == "__main__":
    sys.exit(main())
