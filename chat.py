"""The door: chat with the editor, do single edits, list and resume sessions.

Parses flags, wires the studio, runs a loop. What is heavy is imported where it is needed, so that
``--help`` and mistakes answer at once.
"""

from __future__ import annotations

import sys

try:
    import argparse
    import json
    import os
    import signal
    import threading
    from contextlib import closing, redirect_stderr, redirect_stdout
    from pathlib import Path
    from typing import TYPE_CHECKING, NoReturn

    from agent.exit_codes import BROKEN, FAILED, MISSING, STOPPED, UNREADABLE
    from agent.visible import VisibleStream, visible
except KeyboardInterrupt:  # in the first second
    sys.exit(130)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.sessions.catalog import Sessions
    from agent.sessions.listing import Session
    from agent.settings import AppSettings
    from agent.terminal.commands import Commands
    from agent.terminal.screen import Screen


OTHERS = {
    "doctor": "agent.terminal.doctor:main",
    "models": "agent.models:main",
    "recipe": "agent.provenance.show_recipe:main",
    "redo": "agent.provenance.redo:main",
    "test": "agent.scripts.command:main",
    "import": "agent.scripts.importing:main",
    "web": "agent.serve.command:web",
    "serve": "agent.serve.command:serve",
    "mcp": "agent.serve.mcp:main",
    "move-sessions": "agent.sessions.moving:main",
}
SPEAKS = "mcp"
"""Its standard output is a protocol's, not a terminal's."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit code; nobody sees a traceback."""
    from agent.terminal.flags import parser

    words = sys.argv[1:] if argv is None else argv
    try:
        _take_any_text()
        if words and words[0] in OTHERS:
            return _other(words[0], words[1:])
        if words and (meant := _command_meant(words[0])):
            return _give_up(f"There is no file {words[0]}; did you mean `{meant}`?", UNREADABLE)
        return _guarded(parser().parse_args(words))
    except KeyboardInterrupt:
        return _give_up("Stopped; every finished edit is kept, and --resume goes on.", STOPPED)
    except ModuleNotFoundError as error:
        if os.environ.get("PALIMPSEST_DEBUG"):
            raise
        return _give_up(
            f"Palimpsest is not installed for this Python (no module {error.name}); "
            "run `make chat`, or .venv/bin/python chat.py.",
            MISSING,
        )


def _command_meant(word: str) -> str:
    """Return the command that a word is a slip for, which names no file; else an empty string."""
    import difflib

    is_other = word.startswith("-") or "." in word or "/" in word or os.path.lexists(word)
    close = [] if is_other else difflib.get_close_matches(word.lower(), OTHERS, n=1)
    return f"palimpsest {close[0]}" if close else ""


def _take_any_text() -> None:
    """Refuse later what cannot be decoded, and escape what cannot be encoded."""
    for stream, errors in (
        (sys.stdin, "surrogateescape"),
        (sys.stdout, "backslashreplace"),
        (sys.stderr, "backslashreplace"),
    ):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors=errors)


def _other(name: str, words: list[str]) -> int:
    """Run a command that is no chat; it says its own errors."""
    from importlib import import_module

    from editing_core.models.context_parallel import processes

    _quiet()
    _interrupt_as_usual()
    if processes() > 1:
        return _give_up(f"`{name}` needs one process; leave torchrun out.", UNREADABLE)
    module, _, function = OTHERS[name].partition(":")
    command = getattr(import_module(module), function)
    out = sys.stdout if name == SPEAKS else VisibleStream(sys.stdout)
    with redirect_stdout(out), redirect_stderr(VisibleStream(sys.stderr)):
        code: int = command(words)
    return code


def _guarded(flags: argparse.Namespace) -> int:
    """Run, and turn whatever goes wrong into one sentence and an exit code."""
    import sqlite3

    from agent.bootstrap import Refusal
    from agent.sessions.catalog import SessionError
    from agent.sessions.database import trouble
    from agent.sessions.store import StorageError
    from agent.settings import default_home
    from agent.terminal.crash_guard import sentence
    from tools.arguments import InputError
    from tools.pictures import StoreError

    try:
        return _run(flags)
    except Refusal as refusal:
        return _give_up(str(refusal), refusal.code)
    except (StorageError, StoreError) as error:
        return _give_up(str(error), MISSING)
    except sqlite3.Error as error:
        return _give_up(trouble(error), MISSING)
    except (InputError, SessionError) as error:
        return _give_up(str(error), UNREADABLE)
    except BrokenPipeError:  # the reader of our output has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except ModuleNotFoundError:
        raise
    except Exception as error:
        if os.environ.get("PALIMPSEST_DEBUG"):
            raise
        return _give_up(sentence(error, flags.home or default_home()), BROKEN)


def _give_up(sentence: str, code: int) -> int:
    print(f"palimpsest: {visible(' '.join(sentence.split()))}", file=sys.stderr)
    return code


def _run(flags: argparse.Namespace) -> int:
    from agent.bootstrap import settings_of
    from agent.provenance.signing import signer_of
    from agent.sessions.catalog import open_home
    from agent.terminal.flags import OPTIONS
    from editing_core.models.context_parallel import follower

    _check(flags)
    given = {name: getattr(flags, name) for names in OPTIONS.values() for name in names}
    settings = settings_of(flags.config, **given)
    _quiet()
    if follower():  # another process talks
        without_model = flags.list_sessions or flags.plan_only or flags.read_only
        return 0 if without_model else _lend(settings)
    for path in flags.pictures:
        _readable(path, settings)
    screen = _screen(flags, settings)
    screen.sign = signer_of(settings)
    if settings.engine:
        return _run_elsewhere(flags, settings, settings.engine, screen)
    looking = flags.list_sessions or flags.read_only
    with open_home(settings.home, read_only=looking) as sessions:
        if flags.list_sessions:
            return _list_sessions(sessions.listed(), json_lines=flags.json)
        try:
            with sessions.opened(
                flags.resume, fork=flags.fork, read_only=flags.read_only
            ) as session:
                return _converse(flags, settings, screen, sessions, session)
        finally:
            screen.rest()


def _run_elsewhere(
    flags: argparse.Namespace, settings: AppSettings, address: str, screen: Screen
) -> int:
    """Do the same with a server that works for us."""
    from agent.remote import door
    from agent.remote.engine import Engine

    door.check(flags)
    with closing(Engine.at(address, settings.engine_token)) as engine:
        if flags.list_sessions:
            return _list_sessions(door.listed(engine), json_lines=flags.json)
        person = not flags.say and sys.stdin.isatty()
        try:
            commands = door.commands_of(flags, settings, engine, screen, person=person)
            return _talk(flags, settings, commands, person=person)
        finally:
            screen.rest()


def _lend(settings: AppSettings) -> int:
    """Let the process that talks use this one's GPU, too."""
    from tools.edit_picture import follow

    follow(settings.model, **settings.holding)
    return 0


def _check(flags: argparse.Namespace) -> None:
    """Refuse what the flags alone show to be wrong."""
    from agent.bootstrap import Refusal
    from agent.terminal.run_message import refusal

    if flags.resume is not None and flags.pictures:
        raise Refusal("--resume takes no pictures; /open opens one inside the session.")
    captions, pictures = len(flags.caption or ()), max(len(flags.pictures), 1)
    if captions not in (0, 1, pictures):
        raise Refusal(
            f"{captions} captions for {pictures} picture{'s' * (pictures > 1)}: give one for all, "
            "or one for each in the same order."
        )
    if flags.resume is None and (flags.fork or flags.read_only):
        flag = "--fork" if flags.fork else "--read-only"
        raise Refusal(f"{flag} needs --resume, or --resume ID.")
    if flags.fork and flags.read_only:
        raise Refusal("Either --fork or --read-only: a copy of your own can be written.")
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
    from agent.terminal.file_io import Folder
    from agent.terminal.screen import JsonScreen, TextScreen

    folder = Folder(Path(flags.out)) if flags.out else None
    if flags.json:
        return JsonScreen(folder)
    return TextScreen(folder, preview=settings.preview)


def _converse(
    flags: argparse.Namespace,
    settings: AppSettings,
    screen: Screen,
    sessions: Sessions,
    session: str,
) -> int:
    """Bring together what a session on this machine is talked in with, and talk."""
    from agent.bootstrap import studio_of
    from agent.chat import Chat
    from agent.options import EDIT_OPTIONS
    from agent.state import Choices
    from agent.terminal.commands import Commands

    person = not flags.say and sys.stdin.isatty()
    if person and not flags.read_only:
        from agent.terminal.local_llm import with_local_llm

        settings = with_local_llm(settings, screen.note)
    studio = studio_of(
        settings,
        person=person,
        plan_only=flags.plan_only or flags.read_only,
        looking=bool(flags.say) and all(line.lstrip().startswith("/") for line in flags.say),
        note=screen.note,
        glimpse=screen.glimpse,
        hear=screen.hear,
        known_only=not (person or flags.anyway),
    )
    chosen = Choices(**{name: getattr(flags, name) for name in EDIT_OPTIONS})
    chat = Chat(studio, sessions.saver, session, chosen=chosen, read_only=flags.read_only)
    commands = Commands(chat, screen, sessions.store)
    return _talk(flags, settings, commands, person=person)


def _talk(
    flags: argparse.Namespace, settings: AppSettings, commands: Commands, *, person: bool
) -> int:
    """Open or resume a session, do what was asked, and close it."""
    from agent.terminal.repl import farewell, read_lines, talk

    _interrupt_as_usual()
    try:
        _begin(flags, commands)
        if person:
            _leave_in_order()
            code = talk(commands, settings.home)
            farewell(commands, flags.home, flags.engine)
            return code
        lines = flags.say or (line.rstrip("\n") for line in sys.stdin if line.strip())
        return read_lines(commands, lines)
    finally:
        commands.screen.event(commands.chat.event("session.ended"))


def _leave_in_order() -> None:
    """Let a kill that can be heard unwind, so that the terminal is left as it was found."""
    for name in ("SIGTERM", "SIGHUP"):  # Windows knows only the first
        if number := getattr(signal, name, None):
            signal.signal(number, lambda heard, _: sys.exit(128 + heard))


def _readable(path: str, settings: AppSettings) -> None:
    """Refuse a bad picture before seconds are spent on loading the model."""
    from tools.pictures import open_picture

    open_picture(path, max_megapixels=settings.max_megapixels)


def _begin(flags: argparse.Namespace, commands: Commands) -> None:
    """Show where the conversation begins: the resumed head, opened pictures, or the sample."""
    from agent.regions import refuse_outside

    chat, screen, store = commands.chat, commands.screen, commands.store
    if chat.conversation.turns:
        turn = chat.conversation.turns[chat.conversation.head]
        picture = str(store.path(turn.picture)) if turn.picture else None
        where = {"turn": turn.id, "picture": picture}
        screen.event(chat.event("session.started", **where, caption=turn.caption, resumed=True))
        return
    captions = flags.caption or [None]
    if flags.pictures:
        each = captions if len(captions) > 1 else captions * len(flags.pictures)
        named = zip(flags.pictures, each, strict=True)
        for path, caption in reversed(
            list(named)
        ):  # the first named is the last opened, and the base
            event, notes = commands.open_file(Path(path), caption)
            for note in notes:
                screen.note(note)
            screen.event(event)
    else:
        screen.event(commands.open_sample(captions[0]))
    if flags.region:
        refuse_outside(chat.settings.region, chat.conversation, store)


def _list_sessions(sessions: Iterable[Session], *, json_lines: bool) -> int:
    from agent.sessions.listing import left_out

    known = list(sessions)
    if json_lines:
        for session in known:
            print(json.dumps(session.row(), ensure_ascii=False))
        return 0
    shown = [session for session in known if not session.blank]
    for session in shown:
        print(visible(session.line()))
    for sentence in left_out(len(known) - len(shown)):
        print(f"palimpsest: {sentence}", file=sys.stderr)
    return 0


def run() -> NoReturn:
    """Run the command line as a program, and end it."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _stop_at_once)
    code = main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is over already
    _leave(code)


def _stop_at_once(*_: object) -> NoReturn:
    """End on Ctrl-C while libraries are imported, some of which print panics of their own then."""
    os.write(sys.stderr.fileno(), b"palimpsest: Stopped; every finished edit is kept.\n")
    os._exit(STOPPED)


def _interrupt_as_usual() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again, now that there is something to clean up."""
    if signal.getsignal(signal.SIGINT) is _stop_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(code: int) -> NoReturn:
    """End the process, which may be one of several that torchrun began.

    A daemon thread that still loads the model would be inside PyTorch while the interpreter takes
    it down, which crashes now and then (SIGSEGV); such a process ends without that.
    """
    from editing_core.models.context_parallel import processes

    if processes() > 1:
        from editing_core.models.context_parallel import leave

        leave(code)
    if any(thread.daemon for thread in threading.enumerate()):
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    run()
