"""`--engine URL`: the terminal's chat over a real server, beside the same chat on this machine."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from serving import ANN, BOB, exact_users, running

import chat as door
from agent.remote.door import commands_of
from agent.remote.engine import Engine, EngineError
from agent.serve.limits import Admission, Limits
from agent.serve.users import Users
from agent.settings import AppSettings
from agent.terminal.flags import parser
from agent.terminal.screen import Screen
from tools.inspection import sample_portrait
from tools.mirrored_pictures import MirroredStore
from tools.pictures import PictureStore, StoreError

Talk = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def users(tmp_path: Path, gate: threading.Event) -> Iterator[Users]:
    made = exact_users(tmp_path / "server", gate, sees=False)
    yield made
    made.close()


@pytest.fixture
def url(users: Users, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("PALIMPSEST_ENGINE_TOKEN", ANN)
    with running(users) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def talk(url: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Talk:
    """Runs the program over the server; returns its events."""

    def run(*argv: Any, code: int = 0) -> list[dict[str, Any]]:
        words = ["--json", "--engine", url, "--home", str(tmp_path / "here"), *map(str, argv)]
        assert door.main(words) == code
        captured = capsys.readouterr()
        events = [json.loads(line) for line in captured.out.splitlines()]
        return [*events, {"event": "error", "text": captured.err}] if captured.err else events

    return run


def says(*messages: str) -> list[str]:
    return [word for message in messages for word in ("--say", message)]


def size_of(picture: Path | str) -> tuple[int, int]:
    with Image.open(picture) as image:
        return image.size


def replies(events: list[dict[str, Any]]) -> list[str]:
    return [each["text"] for each in events if each["event"] == "reply"]


def told(events: list[dict[str, Any]]) -> str:
    return " ".join(each["text"] for each in events if each["event"] == "error")


def test_a_new_base_and_guesses_at_the_picture(
    talk: Talk, url: str, tmp_path: Path, gate: threading.Event
) -> None:
    events = talk(*says("give her a red hat", "/base", "/tree"))
    assert "@2 is the picture of @1 as a new original" in " ".join(replies(events))
    assert not [each for each in events if each["event"] == "glimpse"]
    seen: list[Any] = []
    flags = parser().parse_args(["--resume"])
    with closing(Engine.at(url, ANN)) as engine:
        screen = Screen()
        screen.glimpse = seen.append
        settings = AppSettings(home=tmp_path / "here")
        commands = commands_of(flags, settings, engine, screen, person=False)
        list(commands.chat.say("make her sad"))
    assert seen[0].size == (16, 16)


def test_a_chat_with_undo_branch_tree_and_save(talk: Talk, tmp_path: Path, users: Users) -> None:
    saved = tmp_path / "saved.png"
    events = talk(
        *says("give her a red hat", "/undo", "give her sunglasses", "/tree", f"/save {saved}")
    )
    session = events[0]["session"]
    made = [each for each in events if each["event"] == "turn.completed"]
    assert [(each["turn"], each["parent"]) for each in made] == [(1, 0), (2, 0)]
    here = tmp_path / "here" / "pictures"
    assert all(Path(each["picture"]).is_relative_to(here) for each in made)
    tree = replies(events)[-2]
    assert "├── @1 give her a red hat" in tree and "└── @2 give her sunglasses  ←" in tree
    assert size_of(saved) == sample_portrait()[0].size
    assert list(users.user("ann").sessions.ids()) == [session]
    assert not (tmp_path / "here" / "sessions.sqlite").exists(), "it is kept there alone"
    on = talk("--resume", session[:17], *says("undo that", "/tree"))
    assert on[0]["resumed"] and "@0" in replies(on)[-1].splitlines()[0]
    assert replies(on)[-1].splitlines()[0].endswith("←")


def test_its_events_are_those_of_a_chat_on_this_machine(
    talk: Talk, perfect_editor: None, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("agent.bootstrap._eyes", lambda *_: None)
    said = says(
        "give her a red hat, now make her older", "undo", "go back to the original",
        "give her sunglasses", "compare with the first one", "/crop square", "/retry other",
        "which edits did I make?", "frobnicate", "/goto 99", "/show 1", "/why 1", "/strength -1",
    )  # fmt: skip
    there = talk("--seed", "7", *said, code=2)
    assert door.main(["--json", "--offline", "--seed", "7", *said]) == 2
    here = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    def comparable(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        passing = ("time", "session", "seconds", "file")
        rows = [{k: v for k, v in e.items() if k not in passing} for e in events]
        for row in rows:
            if row.get("picture"):
                row["picture"] = Path(row["picture"]).name
            if "/pictures/" in str(row.get("text")):
                row["text"] = Path(row["text"].split()[-1]).name
        return [row for row in rows if row["event"] not in ("step", "error")]

    assert comparable(there) == comparable(here)


def test_a_picture_of_ones_own_comes_back_as_it_was(talk: Talk, tmp_path: Path) -> None:
    """Its format, its metadata and its 16 bits, though the file was opened there."""
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    sample_portrait()[0].resize((300, 300)).save(tmp_path / "me.jpg", exif=exif)
    talk(tmp_path / "me.jpg", "--caption", "a woman", *says(f"/save {tmp_path / 'out'}"))
    with Image.open(tmp_path / "out.jpg") as saved:
        assert saved.format == "JPEG" and saved.getexif()[0x010F] == "a camera"


def test_pictures_with_captions_and_the_first_is_the_base(talk: Talk, tmp_path: Path) -> None:
    for name, size in (("a.png", (64, 48)), ("b.png", (80, 90))):
        Image.new("RGB", size, "teal").save(tmp_path / name)
    events = talk(
        *(tmp_path / "a.png", tmp_path / "b.png"),
        *("--caption", "a teal wall", "--caption", "a teal door"), *says("/describe", "/tree"),
    )  # fmt: skip
    started = [e["caption"] for e in events if e["event"] == "session.started"]
    assert started == ["a teal door", "a teal wall"]
    assert size_of(events[1]["picture"]) == (64, 48)


def test_a_picture_that_nobody_can_tell(talk: Talk, tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), "teal").save(tmp_path / "a.png")
    assert '--caption "…"' in told(talk(tmp_path / "a.png", *says("add a hat"), code=2))


def test_a_wish_to_save_is_fulfilled_here(talk: Talk, tmp_path: Path) -> None:
    events = talk(*says(f"save it as {tmp_path / 'mine.png'}"))
    assert (tmp_path / "mine.png").is_file()
    assert [each["path"] for each in events if each["event"] == "save"] == [
        str(tmp_path / "mine.png")
    ]


def test_a_question_takes_its_default_where_nobody_answers(talk: Talk) -> None:
    events = talk(*says("change her hair", "/tree"))
    asked = [each for each in events if each["event"] == "question"]
    assert len(asked) == 1 and asked[0]["options"]


def test_sessions_are_listed_and_found_there(talk: Talk, users: Users) -> None:
    first = talk(*says("give her a red hat"))[0]["session"]
    second = talk(*says("make her sad"))[0]["session"]
    users.user("ann").sessions.rename(first, "Granny")
    rows = talk("--list-sessions")
    assert {row["session"] for row in rows} == {first, second}
    assert talk("--resume", *says("/tree"))[0]["session"] == second
    assert talk("--resume", "Gran", *says("/tree"))[0]["session"] == first
    assert "There is no session nobody" in told(talk("--resume", "nobody", code=2))


def test_choices_by_flags_hold_there(talk: Talk, users: Users) -> None:
    events = talk("--seed", "40", "--strength", "-2", *says("give her a red hat"))
    assert next(e["seed"] for e in events if e["event"] == "turn.completed") == 41
    now = users.user("ann").chat(events[0]["session"]).conversation
    assert now.chosen.made["strength"] == -2


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C interrupts, even where a shell started the tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_stops_there_too(
    talk: Talk, gate: threading.Event, users: Users, capsys: pytest.CaptureFixture[str]
) -> None:
    session = talk(*says("give her a red hat"))[0]["session"]
    gate.clear()

    def interrupt() -> None:
        while not users.user("ann").working(session):
            time.sleep(0.02)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    began = time.monotonic()
    talk("--resume", session, *says("make her sad"), code=130)
    assert time.monotonic() - began < 200
    assert not users.user("ann").working(session)
    now = users.user("ann").chat(session).conversation
    assert (now.head, len(now.turns)) == (1, 2)
    gate.set()
    on = talk("--resume", session, *says("make her sad"))
    assert [each["turn"] for each in on if each["event"] == "turn.completed"] == [2]


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--model", "flux-dev"], "--engine takes no --model"),
        (["--offline"], "--engine takes no --offline"),
        (["--plan-only"], "--engine takes no --plan-only"),
        (["--resume", "--fork"], "--engine takes no --fork"),
    ],
)
def test_flags_that_are_the_servers(talk: Talk, flags: list[str], sentence: str) -> None:
    assert sentence in told(talk(*flags, *says("add a hat"), code=2))


@pytest.mark.parametrize("line", ["/new an old man", "/session list"])
def test_commands_that_are_not_there(talk: Talk, line: str) -> None:
    assert "not there over --engine" in told(talk(*says(line), code=2))


@pytest.mark.parametrize(
    ("address", "token", "sentence"),
    [
        ("http://127.0.0.1:9", ANN, "Nobody answers at http://127.0.0.1:9"),
        ("{url}", "wrong-" + "x" * 20, "does not know this token"),
        ("{url}", "schlüssel", "beyond ASCII"),
        ("ftp://x", ANN, "is no address"),
        ("{url}/page", ANN, "there is no `palimpsest serve`"),
    ],
)
def test_servers_that_cannot_be_used(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str,
    token: str, sentence: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("PALIMPSEST_ENGINE_TOKEN", token)
    words = ["--engine", address.format(url=url), "--say", "add a hat"]
    assert door.main(words) in (2, 3)
    assert sentence in capsys.readouterr().err


def test_the_token_may_stand_in_the_address(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `palimpsest serve` prints it."""
    monkeypatch.delenv("PALIMPSEST_ENGINE_TOKEN")
    assert door.main(["--json", "--engine", f"{url}/?token={BOB}", "--say", "/describe"]) == 0
    assert BOB not in capsys.readouterr().out


def test_what_the_server_refuses_is_said(tmp_path: Path, gate: threading.Event, talk: Talk) -> None:
    few = exact_users(tmp_path / "few", gate, Admission(Limits(edits=1)), sees=False)
    with running(few) as port:
        events = talk(
            "--engine", f"http://127.0.0.1:{port}", *says("make her sad", "make her old"), code=2
        )
    few.close()
    assert "At most 1 edits a minute" in told(events)


class Hostile:
    """Sends what is not asked for."""

    def fetch(self, file: str) -> bytes | None:
        return sample_bytes() if file.endswith("e.png") or file.endswith("f.png") else None

    def keep(self, file: str, content: bytes) -> None:
        raise AssertionError("nothing is kept here")


def sample_bytes() -> bytes:
    import io

    held = io.BytesIO()
    sample_portrait()[0].save(held, "PNG")
    return held.getvalue()


def test_a_picture_that_is_another_is_not_taken(tmp_path: Path) -> None:
    store = MirroredStore(tmp_path, Hostile())
    with pytest.raises(StoreError, match="damaged where it came from"):
        store.path("f" * 64)
    assert not list(tmp_path.rglob("*.png"))


def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    store = MirroredStore(tmp_path / "a" / "b", Hostile())
    assert "../../e" not in store
    assert not list(tmp_path.rglob("*.png"))


def test_a_fetched_picture_is_the_same_to_the_byte(url: str, users: Users, tmp_path: Path) -> None:
    there = users.user("ann").sessions.store
    name = there.put(sample_portrait()[0], recipe={"target_prompt": "a woman"})
    with closing(Engine.at(url, ANN)) as engine:
        store = MirroredStore(tmp_path / "copy", engine)
        assert name in store and store.path(name).read_bytes() == there.path(name).read_bytes()
        assert "0" * 64 not in store
        with pytest.raises(EngineError, match="no such session"):
            engine.get("/v1/sessions/nobody")


def test_a_server_that_ends_in_mid_message(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise httpx.ReadError("peer closed")

    monkeypatch.setattr(httpx.Client, "stream", broken)
    with closing(Engine.at(url, ANN)) as engine:
        said = engine.events("/v1/sessions/x/messages", {"text": "add a hat"})
        with pytest.raises(EngineError, match=r"\(peer closed\); what was said is finished"):
            list(said)


def test_a_plain_store_is_found_again(tmp_path: Path) -> None:
    """What is mirrored lies as a `PictureStore` has it."""
    place = PictureStore(tmp_path / "there")
    name = place.put(sample_portrait()[0])

    class There:
        def fetch(self, file: str) -> bytes | None:
            path = place.path(name).with_name(file)
            return path.read_bytes() if path.is_file() else None

        def keep(self, file: str, content: bytes) -> None: ...

    assert MirroredStore(tmp_path / "here", There()).path(name).is_file()
    assert name in PictureStore(tmp_path / "here")
