"""Load the service and break it on purpose; print what was lost or mixed, and how long it took.

python -m tests.faults --chats 50 --real 8 --kills 3

Every server is a process of its own that speaks HTTP. Most have a stub in the place of the model,
which draws the answer exactly and takes ``--step`` seconds for each of its eight steps, so that for
every turn the right picture is known: a turn with another one was mixed up. The rows:

- many chats at once, with the stub, and some with the shipped model;
- clients that leave in mid-message;
- a disk that is full for a while;
- a server that is killed (-9) in mid-edit and begun again, and "go on" is said;
- Postgres stopped (immediate) in mid-message and begun again;
- an editor of Ray Serve killed (-9) in mid-edit.
"""

from __future__ import annotations

import argparse
import errno
import json
import multiprocessing
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "support"))

import httpx
import postgres_server
import ray_service
from stub_editors import StubEdit, begun

from agent.bootstrap import adjust_in, studio_of
from agent.context import ChatContext
from agent.serve.command import over
from agent.serve.limits import Admission, Limits
from agent.serve.users import Users
from agent.sessions.homes import homes_at
from agent.settings import AppSettings
from editing_core.bench.__main__ import markdown
from editing_core.worlds.registry import shipped_world
from tools import pictures
from tools.edit_picture import PRESETS
from tools.inspection import sample_portrait
from tools.pictures import PictureStore, picture_hash

SAID = (
    ("make her older, now add a hat", "/undo", "give her sunglasses"),
    ("give her a red hat", "make her sad", "undo the hat"),
    ("make her younger", "give her sunglasses, now make her sad", "/goto 1"),
    ("make the background blue", "add a hat", "make her older"),
)
LIMITS = Limits(
    requests=100_000, edits=100_000, waiting=100, waiting_in_all=1000, upload_seconds=900
)
"""None are reached here."""
PATIENCE = 3600.0  # seconds; a busy machine is slow, and that is not what is looked for
FULL = "full"  # the file that makes a disk full


@dataclass(frozen=True)
class Served:
    """What a server process is begun with.

    Attributes:
        folder: Its home.
        people: Token to name.
        step: Seconds of a step of the stub; None for the shipped model.
        database: The address of Postgres; "" for files.
    """

    folder: Path
    people: dict[str, str]
    step: float | None
    database: str = ""


@dataclass
class Answer:
    """What came of one message: all its events, and the seconds to the last."""

    events: list[dict[str, Any]]
    seconds: float

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.events if each["event"] == kind]


@dataclass
class Found:
    """What a case found."""

    seconds: list[float] = field(default_factory=list)
    turns: int = 0
    lost: int = 0
    mixed: int = 0
    twice: int = 0
    cpu: float | None = None
    """Seconds of the server's processors, for all turns."""

    def row(self, name: str) -> dict[str, str]:
        times = sorted(self.seconds) or [0.0]
        late = times[min(len(times) - 1, round(0.95 * len(times)))]
        cost = "" if self.cpu is None else f"{self.cpu / max(self.turns, 1):.2f}"
        return {
            "case": name, "messages": str(len(self.seconds)), "turns": str(self.turns),
            "lost": str(self.lost), "mixed": str(self.mixed), "told twice": str(self.twice),
            "p50 s": f"{statistics.median(times):.1f}", "p95 s": f"{late:.1f}",
            "CPU s a turn": cost,
        }  # fmt: skip

    @property
    def harm(self) -> int:
        return self.lost + self.mixed + self.twice


def main(words: Sequence[str] | None = None) -> int:
    """Run the cases, and print the table; 1 if anything was lost, mixed or told twice."""
    flags = _parser().parse_args(words)
    cases: dict[str, Callable[[Path], Found]] = {
        f"{flags.chats} chats at once, a stub": partial(chats, flags.chats, flags.step),
        f"{flags.real} chats at once, the shipped model": partial(chats, flags.real, None),
        "clients leave in mid-message": partial(clients_leave, flags.few, flags.step),
        "the disk is full for a while": partial(disk_full, flags.few),
        "the server is killed in mid-edit": partial(server_killed, flags.kills, flags.step),
        "Postgres is begun again in mid-message": partial(database_down, flags.few, flags.step),
        "an editor of Ray is killed in mid-edit": partial(editor_killed, flags.kills),
    }
    rows, harm = [], 0
    for name, case in cases.items():
        if why := _left_out(name, flags):
            print(f"left out: {name} ({why})", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = case(Path(folder))
        rows.append(found.row(name))
        harm += found.harm
        print(rows[-1], file=sys.stderr, flush=True)
    if rows:
        print(markdown(rows))
    return int(harm > 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--chats", type=int, default=50, metavar="N", help="with the stub")
    parser.add_argument("--real", type=int, default=8, metavar="N", help="with the shipped model")
    parser.add_argument("--few", type=int, default=8, metavar="N", help="chats of other cases")
    parser.add_argument("--kills", type=int, default=3, metavar="N")
    parser.add_argument("--step", type=float, default=0.02, metavar="SECONDS", help="of the stub")
    parser.add_argument(
        "--only", default="", metavar="WORDS", help="cases with these in their name"
    )
    return parser


def _left_out(name: str, flags: argparse.Namespace) -> str:
    if flags.only not in name:
        return "not asked for"
    if name.startswith("0 ") or ("killed" in name and not flags.kills):
        return "none asked for"
    if "Ray" in name:
        return ray_service.missing()
    return postgres_server.missing() if "Postgres" in name else ""


def chats(count: int, step: float | None, folder: Path) -> Found:
    """Many people talk at once, after one who lets everything be loaded."""
    with server(Served(folder, people(count + 1), step)) as (address, process):
        talk(address, count)
        before = cpu_of(process)
        found = all_talk(address, count, exact=step is not None)
        found.cpu = cpu_of(process) - before
    return found


def all_talk(address: str, count: int, *, exact: bool = True) -> Found:
    """Let everybody talk at once, and judge each session by what was told of it."""
    found = Found()
    with ThreadPoolExecutor(count) as pool:
        for answers, now in pool.map(partial(talk, address), range(count)):
            found.seconds += [answer.seconds for answer in answers]
            judge(found, answers, now, exact=exact)
    return found


def talk(address: str, number: int) -> tuple[list[Answer], dict[str, Any]]:
    """Begin a session, say three things, and return all that was told, and the session."""
    with client(address, number) as asked:
        session = begin(asked)
        answers = [say(asked, session, line) for line in SAID[number % len(SAID)]]
        return answers, look(asked, session)


def clients_leave(count: int, step: float, folder: Path) -> Found:
    """Everybody hangs up at the first step; the messages are finished all the same."""
    found = Found()

    def leave(number: int) -> dict[str, Any]:
        with client(address, number) as asked:
            session = begin(asked)
            body = {"text": "make her older, now add a hat"}
            with asked.stream("POST", f"/v1/sessions/{session}/messages", json=body) as answer:
                next(line for line in answer.iter_lines() if '"step"' in line)
            began = time.monotonic()
            while (now := look(asked, session))["working"]:
                time.sleep(0.05)
            found.seconds.append(time.monotonic() - began)
            return now

    with (
        server(Served(folder, people(count), step)) as (address, _),
        ThreadPoolExecutor(count) as pool,
    ):
        for now in pool.map(leave, range(count)):
            judge(found, [], now)
            found.lost += 3 - len(now["conversation"]["turns"])
    return found


def disk_full(count: int, folder: Path) -> Found:
    """No picture can be kept for a while: it is told, nothing is lost, and then all goes on."""
    found = Found()
    with server(Served(folder, people(count), 0.0)) as (address, _):
        for number in range(count):
            with client(address, number) as asked:
                session = begin(asked)
                first = say(asked, session, "give her a red hat")
                (folder / FULL).touch()
                failed = say(asked, session, "make her older")
                refused = asked.post("/v1/sessions", files={"pictures": ("a.png", sample())})
                (folder / FULL).unlink()
                last = say(asked, session, "make her older")
                told = any("No space left" in e["error"] for e in failed.of("turn.failed"))
                found.lost += not told or refused.status_code != 507
                judge(found, [first, failed, last], look(asked, session))
                found.seconds += [first.seconds, last.seconds]
    return found


def server_killed(count: int, step: float, folder: Path) -> Found:
    """The whole server is killed in mid-edit; begun again, it finishes the message once."""
    found = Found()
    served = Served(folder, people(1), max(step, 0.1))
    for _ in range(count):
        with server(served) as (address, process), client(address, 0) as asked:
            session = begin(asked)
            body = {"text": "give her a red hat"}
            with asked.stream("POST", f"/v1/sessions/{session}/messages", json=body) as answer:
                next(line for line in answer.iter_lines() if '"step"' in line)
                os.kill(process, signal.SIGKILL)
        with server(served) as (address, _), client(address, 0) as asked:
            found.lost += look(asked, session)["unfinished"] != "give her a red hat"
            rest = say(asked, session, "go on")
            now = look(asked, session)
            judge(found, [rest], now)
            found.lost += 2 - len(now["conversation"]["turns"])
            found.seconds.append(rest.seconds)
    return found


def database_down(count: int, step: float, folder: Path) -> Found:
    """Postgres stops at once in mid-message, and comes back a second later."""
    with postgres_server.serving() as database:
        served = Served(folder, people(count), max(step, 0.05), database.url)
        with server(served) as (address, _):
            begin_again = threading.Timer(3, partial(again, database))
            begin_again.start()
            found = all_talk(address, count)
            begin_again.join()
    return found


def again(database: postgres_server.Server) -> None:
    """Stop Postgres without a word to anybody, and begin it again."""
    database.end()
    time.sleep(1)
    database.begin()


def editor_killed(count: int, folder: Path) -> Found:
    """An editor dies in mid-edit; another makes the edit, with the same seed and picture."""
    found, step, log = Found(), 0.3, folder / "served" / "log"
    with (
        postgres_server.serving() as database,
        ray_service.on_ray(folder / "served", database.url, people(1), step=step) as address,
        client(address, 0) as asked,
        ThreadPoolExecutor(1) as pool,
    ):
        for _ in range(count):
            session, before = begin(asked), len(begun(log))
            saying = pool.submit(say, asked, session, "give her a red hat")
            while len(begun(log)) == before:
                time.sleep(0.02)
            time.sleep(2 * step)
            os.kill(begun(log)[-1][1], signal.SIGKILL)
            answer = saying.result()
            tries = begun(log)[before:]
            found.mixed += len({seed for _, _, seed in tries}) != 1
            found.lost += len(tries) < 2  # nothing was killed
            judge(found, [answer], look(asked, session))
            found.seconds.append(answer.seconds)
    return found


def judge(
    found: Found, answers: Sequence[Answer], now: dict[str, Any], *, exact: bool = True
) -> None:
    """Compare a session with what was told of it."""
    turns = now["conversation"]["turns"]
    kept = {turn["id"]: turn["picture"] for turn in turns}
    told = [each for answer in answers for each in answer.of("turn.completed")]
    found.turns += len(turns) - 1
    found.lost += sum(kept.get(each["turn"]) != each["picture"] for each in told)
    found.lost += sum(not answer.of("reply") for answer in answers)
    found.twice += len(told) - len({each["turn"] for each in told})
    if exact:
        found.mixed += sum(
            turn["picture"] != drawn(turn["step"]["target_prompt"])
            for turn in turns
            if turn["step"]
        )


def drawn(caption: str) -> str:
    """Return the picture that the stub makes of a caption."""
    world = shipped_world()
    return picture_hash(world.draw(world.parse(caption))[0])


def people(count: int) -> dict[str, str]:
    """Return tokens and names."""
    return {token(number): f"p{number}" for number in range(count)}


def token(number: int) -> str:
    return f"token-{number:020}"


def client(address: str, number: int) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token(number)}"}
    return httpx.Client(base_url=address, headers=headers, timeout=PATIENCE)


def begin(asked: httpx.Client) -> str:
    answer = asked.post("/v1/sessions")
    answer.raise_for_status()
    session: str = answer.json()["session"]
    return session


def say(asked: httpx.Client, session: str, line: str) -> Answer:
    began = time.monotonic()
    answer = asked.post(f"/v1/sessions/{session}/messages", json={"text": line})
    answer.raise_for_status()
    data = [row for row in answer.text.splitlines() if row.startswith("data: ")]
    events = [json.loads(row.removeprefix("data: ")) for row in data]
    return Answer(events, time.monotonic() - began)


def look(asked: httpx.Client, session: str) -> dict[str, Any]:
    answer = asked.get(f"/v1/sessions/{session}/conversation")
    answer.raise_for_status()
    seen: dict[str, Any] = answer.json()
    return seen


def sample() -> bytes:
    """Return the sample portrait as a file."""
    import io

    held = io.BytesIO()
    sample_portrait()[0].save(held, "PNG")
    return held.getvalue()


@contextmanager
def server(served: Served) -> Iterator[tuple[str, int]]:
    """Serve in a process of its own; lends the address and the process."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(served, theirs))
    process.start()
    theirs.close()
    assert process.pid is not None
    try:
        yield f"http://127.0.0.1:{ours.recv()}", process.pid
    finally:
        process.kill()
        process.join()


def serve(served: Served, parent: Connection) -> None:
    """Be the server."""
    import uvicorn

    from agent.serve.app import create_app
    from agent.serve.guard import ImpatientProtocol

    def write(target: Path, content: bytes) -> None:
        if (served.folder / FULL).exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        kept(target, content)

    kept, pictures.write_whole = pictures.write_whole, write
    homes = homes_at(served.folder, served.database)
    users = Users(served.people, homes, studios(served), admission=Admission(LIMITS))
    config = uvicorn.Config(create_app(users), port=0, log_level="critical", http=ImpatientProtocol)
    running = uvicorn.Server(config)
    threading.Thread(target=running.run, daemon=True).start()
    while not running.started:
        time.sleep(0.05)
    parent.send(running.servers[0].sockets[0].getsockname()[1])
    threading.Event().wait()


def studios(served: Served) -> Callable[[PictureStore, str], ChatContext]:
    """Return what conversations work with: the stub, or the shipped model."""
    settings = AppSettings(home=served.folder, offline=True)
    if served.step is None:
        return partial(over, studio_of(settings, person=True, note=lambda told: None))

    def studio_in(store: PictureStore, _: str) -> ChatContext:
        return ChatContext(
            settings=settings, edit=StubEdit(store, step=served.step), adjust=adjust_in(store),
            pictures=store, presets=PRESETS, interactive=True,
        )  # fmt: skip

    return studio_in


def cpu_of(process: int) -> float:
    """Return the seconds that a process has had of processors (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
