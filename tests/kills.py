"""Kill a chat with kill -9 at random moments, take it up again, and print what was lost.

python -m tests.kills --count 200 --real 50 --flips 300

Every chat is a process of its own with pictures, database and locks on disk; most have an editor
that draws the answer exactly, ``--real`` of them the shipped model. After every kill the database
must be whole, and what was told on standard output must be in it, picture and all; then the same
session is taken up, and killed again, ten times.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import partial, wraps
from pathlib import Path
from typing import Any, NoReturn

sys.path.insert(0, str(Path(__file__).parent / "support"))

import agent.bootstrap
import agent.nodes
import agent.terminal.repl
import agent.understand
import agent.verify
import chat
from agent.chat import Chat
from agent.context import ChatContext
from agent.sessions import catalog
from agent.sessions.catalog import open_home
from agent.sessions.database import Saver
from agent.settings import AppSettings
from editing_core.bench.__main__ import markdown
from tools.edit_picture import load_editor
from tools.inspection import WorldEyes, sample_portrait
from tools.pictures import PictureError, PictureStore, picture_hash

SAID = (
    "make her older, now add a hat",
    "undo the hat",
    "give her sunglasses instead",
    "/undo",
    "make the background blue, now make her sad",
    "make her younger",
)
ONE_HOME = 10  # kills before another session is begun
MOMENTS = (
    "saving a checkpoint",
    "storing a picture",
    "editing",
    "checking an edit",
    "reading a message",
    "opening the database",
    "between these",
)
"""What a chat can be at, the innermost first."""
ELSEWHERE, TOLD = "starting or leaving", "just having told of a turn"
ONCE = 2  # of these, the last, come once in a chat
TIMES = 8  # how often, at most, a moment is let pass before the kill
DELAYS = (1e-4, 0.2)  # seconds after a moment begins, at least and at most, that the kill comes
BROKEN = "broken"
STEP = 0.01  # seconds that a step of the editor takes that is no model


@dataclass
class Home:
    """A data folder, and all that its chats told."""

    folder: Path
    told: dict[tuple[str, int], str] = field(default_factory=dict)
    """Session and turn to the picture that was announced."""


def main() -> int:
    """Kill, look, and print the table; 1 if anything was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.kills")
    parser.add_argument("--count", type=int, default=200, metavar="N")
    parser.add_argument("--real", type=int, default=0, metavar="N", help="with the shipped model")
    parser.add_argument("--flips", type=int, default=200, metavar="N", help="of bits in the file")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    flags = parser.parse_args()
    chance, losses = random.Random(flags.seed), dict[str, Counter[str]]()
    started = time.monotonic()
    warm_up(flags.real > 0)
    for kind, count in (("real", flags.real), ("exact", flags.count - flags.real)):
        for first in range(0, count, ONE_HOME):
            with tempfile.TemporaryDirectory() as folder:
                home = Home(Path(folder))
                for _ in range(min(ONE_HOME, count - first)):
                    while (moment := strike(home, kind, chance)) is None:
                        pass
                    losses.setdefault(moment, Counter()).update(["kills", *harm(home)])
                last = finish(home, kind)
                losses[moment].update([*last, *harm(home)])
    names = ("kills", "lost turns", "missing pictures", "damaged databases", "cannot go on")
    rows = [
        {"killed while": moment} | {name: str(losses[moment][name]) for name in names}
        for moment in (*MOMENTS, ELSEWHERE, TOLD)
        if moment in losses
    ]
    print(markdown(rows))
    broken = flips(flags.flips, chance)
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
    return int(broken or any(losses[moment][name] for moment in losses for name in names[1:]))


def warm_up(real: bool) -> None:
    """Load once what every chat would load: they are forks of this process."""
    first, _ = sample_portrait()
    WorldEyes().describe(first)
    if real:
        load_editor("portraits")


def strike(home: Home, kind: str, chance: random.Random) -> str | None:
    """Start or take up a chat, kill it, and return what it was at; None if it was done before."""
    process, told, trace = start(home, kind, SAID)
    number = chance.randrange(len(MOMENTS) + 1)
    heard = seen = b""
    if number == len(MOMENTS):
        heard = until(told, b'"turn.completed"', 1)
    else:
        times = chance.randint(1, TIMES) if number < len(MOMENTS) - ONCE else 1
        seen = until(trace, f"+{number}\n".encode(), times)
        time.sleep(math.exp(chance.uniform(*map(math.log, DELAYS))))
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    note(home, told, heard)
    with os.fdopen(trace, "rb") as rest:
        seen += rest.read()
    if not os.WIFSIGNALED(status):
        return None
    return TOLD if heard else at(seen)


def until(pipe: int, words: bytes, times: int) -> bytes:
    """Read up to some words, so many times, or to the end."""
    seen = b""
    while seen.count(words) < times and (piece := os.read(pipe, 4096)):
        seen += piece
    return seen


def finish(home: Home, kind: str) -> list[str]:
    """Take the session up a last time, and say something; name what does not work."""
    process, told, trace = start(home, kind, ("make her older", "give her a red hat"))
    note(home, told)
    os.close(trace)
    _, status = os.waitpid(process, 0)
    return ["cannot go on"] if os.waitstatus_to_exitcode(status) else []


def start(
    home: Home, kind: str, said: tuple[str, ...], *, afresh: bool = False
) -> tuple[int, int, int]:
    """Fork a chat; return its id, and pipes of what it tells and of what it is at."""
    told, telling = os.pipe()
    trace, tracing = os.pipe()
    argv = ["--offline", "--json", "--seed", "7", "--home", str(home.folder)]
    with open_home(home.folder) as sessions:
        argv += ["--resume"] if sessions.ids() and not afresh else []
    argv += [part for message in said for part in ("--say", message)]
    if process := os.fork():
        os.close(telling)
        os.close(tracing)
        return process, told, trace
    os.close(told)
    os.close(trace)
    talk(argv, kind, telling, tracing)


def talk(argv: list[str], kind: str, telling: int, tracing: int) -> NoReturn:
    """Be the chat."""
    code = 70
    try:
        sys.stdout = os.fdopen(telling, "w")
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
        watch(tracing, kind)
        code = chat.main(argv)
        sys.stdout.flush()
    finally:
        os._exit(code)


def watch(tracing: int, kind: str) -> None:
    """Write down when each of the moments begins and ends."""

    def watched(moment: str, work: Callable[..., Any]) -> Callable[..., Any]:
        number = MOMENTS.index(moment)

        @wraps(work)
        def told(*args: Any, **named: Any) -> Any:
            os.write(tracing, f"+{number}\n".encode())
            try:
                return work(*args, **named)
            finally:
                os.write(tracing, f"-{number}\n".encode())

        return told

    for name in ("put", "put_writes"):
        setattr(Saver, name, watched("saving a checkpoint", getattr(Saver, name)))
    setattr(PictureStore, "put", watched("storing a picture", PictureStore.put))  # noqa: B010
    agent.understand.understand = watched("reading a message", agent.understand.understand)
    catalog.open_sessions = watched("opening the database", catalog.open_sessions)
    agent.verify.judge = watched("checking an edit", agent.verify.judge)
    agent.terminal.repl.read_lines = watched("between these", agent.terminal.repl.read_lines)
    wired = agent.bootstrap._edit if kind == "real" else exactly
    agent.bootstrap._edit = lambda *args, **named: watched("editing", wired(*args, **named))


def exactly(settings: AppSettings, store: PictureStore, note: Any, **_: Any) -> Any:
    """Return an editor that draws the answer, and takes a while for it."""
    from perfect_editor import draw_the_target

    def edit(*, on_step: Any, **request: Any) -> Any:
        def slowly(*step: Any) -> None:
            time.sleep(STEP)
            on_step(*step)

        return draw_the_target(store, on_step=slowly, **request)

    return wraps(draw_the_target)(partial(edit))


def at(trace: bytes) -> str:
    """Return what a chat was at when its trace ended."""
    open_ones: Counter[str] = Counter()
    for line in trace.decode().splitlines():
        open_ones[MOMENTS[int(line[1:])]] += 1 if line[0] == "+" else -1
    return next((moment for moment in MOMENTS if open_ones[moment] > 0), ELSEWHERE)


def note(home: Home, told: int, heard: bytes = b"") -> None:
    """Note which turns a chat announced; a line that was cut short announced nothing."""
    with os.fdopen(told, "rb") as rest:
        for line in (heard + rest.read()).splitlines(keepends=True):
            if line.endswith(b"\n") and (event := json.loads(line))["event"] == "turn.completed":
                home.told[event["session"], event["turn"]] = Path(event["picture"]).stem


def harm(home: Home) -> Iterator[str]:
    """Yield what is wrong in a home, as often as it is."""
    with closing(sqlite3.connect(home.folder / "sessions.sqlite")) as connection:
        if connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            yield "damaged databases"
            return
    with open_home(home.folder) as sessions:
        studio = ChatContext(AppSettings(home=home.folder), edit=None, pictures=sessions.store)
        kept: dict[tuple[str, int], str] = {}
        for session in sessions.ids():
            conversation = Chat(studio, sessions.saver, session).conversation
            kept |= {(session, turn.id): turn.picture for turn in conversation.turns}
            needed = {turn.mask for turn in conversation.turns} | {*kept.values()}
            needed |= {turn.original for turn in conversation.turns}
            needed |= {made for one in conversation.tries for made in (one.picture, one.mask)}
            for name in filter(None, needed):
                if not whole(sessions.store, name):
                    yield "missing pictures"
        for place, picture in home.told.items():
            if kept.get(place) != picture:
                yield "lost turns"


def flips(count: int, chance: random.Random) -> bool:
    """Flip bits of a database, one in a copy each, and print what the program then says of it.

    Returns:
        Whether it ever broke, or lost a session that the bit was not in.
    """
    codes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for said in (SAID, SAID[:2], SAID[2:4]):
            process, told, trace = start(Home(Path(folder)), "exact", said, afresh=True)
            note(Home(Path(folder)), told)
            os.close(trace)
            os.waitpid(process, 0)
        file = Path(folder) / "sessions.sqlite"
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
        kept = bytearray(file.read_bytes())
        for _ in range(count):
            content = kept.copy()
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
            file.write_bytes(content)
            codes.update(_looked_at(folder))
            for log in ("sessions.sqlite-wal", "sessions.sqlite-shm"):
                (Path(folder) / log).unlink(missing_ok=True)
    print(markdown([{"after one flipped bit": what, "times": str(codes[what])} for what in codes]))
    return any(what.endswith(BROKEN) for what in codes)


def _looked_at(home: str) -> Iterator[str]:
    """Use a database as a person would, and name what happened."""
    looks = {
        "list": ["--list-sessions"],
        "look": ["--resume", "--read-only", "--say", "/tree"],
        "go on": ["--resume", "--say", "/goto 1"],
        "copy": ["--resume", "--fork", "--say", "/goto 0"],
    }
    for name, words in looks.items():
        said, complained = io.StringIO(), io.StringIO()
        with redirect_stdout(said), redirect_stderr(complained):
            code = chat.main(["--offline", "--json", "--home", home, *words])
        lost = name == "list" and code == 0 and len(said.getvalue().splitlines()) != 3
        broken = code in (1, 4) or lost or "Traceback" in complained.getvalue()
        outcome = BROKEN if broken else "refused in a sentence" if code else "done"
        yield f"{name}: {outcome}"


def whole(store: PictureStore, name: str) -> bool:
    """Whether a picture is there, and is the one that it was."""
    try:
        return picture_hash(store.image(name)) == name and store.get(name) is not None
    except PictureError:
        return False


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
