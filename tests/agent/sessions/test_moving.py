"""`palimpsest move-sessions`: from folder to folder, into Postgres and S3, and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from perfect_chat import begin
from postgres_server import Server

import chat as door
from agent.context import ChatContext
from agent.sessions.catalog import Sessions, open_home
from agent.sessions.homes import homes_at
from tools.arguments import InputError
from tools.metadata import Source
from tools.mirrored_pictures import MirroredStore
from tools.picture_places import FarPlace, store_at
from tools.pictures import FILES, PictureStore, StoreError


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A home with sessions of its own, and of Ann's, one of which waits for an answer."""
    home = tmp_path / "old"
    with open_home(home) as sessions:
        begin(sessions, "first", "make her older", "add a hat", "/undo 1")
        begin(sessions, "second")
        sessions.rename("first", "Granny")
        begin(sessions, "second")
    with open_home(home / "people" / "ann") as sessions:
        chat = begin(sessions, "hers", "make her sad")
        chat.studio = ChatContext(**{**vars(chat.studio), "interactive": True})
        list(chat.say("make her hair purple"))
        assert chat.question is not None
        sessions.store.remember(chat.conversation.turns[0].picture, Source(".jpg"))
    return home


def told(sessions: Sessions) -> dict[str, object]:
    """All that can be seen of sessions, pictures byte by byte."""
    seen: dict[str, object] = {"order": sessions.ids(), "names": sessions.names()}
    for session in sessions.ids():
        chat = begin(sessions, session)
        now = chat.conversation
        files = [
            sessions.store.path(turn.picture).with_suffix(ending)
            for turn in now.turns
            for ending in FILES
        ]
        seen[session] = now, chat.question, [f.read_bytes() for f in files if f.is_file()]
    return seen


def all_told(home: Path) -> list[dict[str, object]]:
    seen = []
    for folder in (home, home / "people" / "ann"):
        with open_home(folder) as sessions:
            seen.append(told(sessions))
    return seen


def moved(*words: object, code: int = 0) -> None:
    assert door.main(["move-sessions", *map(str, words)]) == code


def test_from_folder_to_folder(
    old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, new = all_told(old), tmp_path / "new"
    moved(old, new, "--keep")
    assert capsys.readouterr().out == "3 sessions moved.\n"
    assert all_told(new) == before == all_told(old)
    moved(old, new)
    assert all_told(new) == before, "what was moved before is left alone"
    with open_home(old) as sessions:
        assert sessions.ids() == []
    with open_home(new / "people" / "ann") as sessions:
        chat = begin(sessions, "hers")
        list(chat.answer("pink"))
        assert chat.question is None and len(chat.conversation.turns) == 3


def test_what_is_in_use_or_another_stays(
    old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "new"
    with open_home(new) as sessions:
        begin(sessions, "second", "add a hat")
    with open_home(old) as sessions, sessions.held("first"):
        moved(old, new, code=1)
    captured = capsys.readouterr()
    assert captured.out == "1 session moved, 2 left.\n"
    assert "first stays: The session first is open" in captured.err
    assert "second stays: another session has its id there." in captured.err
    with open_home(new) as sessions:
        assert begin(sessions, "second").conversation.turns[1].request == "add a hat"
    with open_home(old) as sessions:
        assert set(sessions.ids()) == {"first", "second"}


@pytest.mark.postgres
def test_into_postgres_and_back(
    old: Path, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.url.replace("/postgres?", "/moving?")
    with __import__("psycopg").connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE moving")
    monkeypatch.setenv("PALIMPSEST_HOME", str(tmp_path / "copies"))
    before = all_told(old)
    moved(old, url, "--pictures", "memory://moving")
    homes = homes_at(tmp_path / "elsewhere", url, "memory://moving")
    assert homes.people() == ["", "ann"]
    seen = []
    for person in homes.people():
        with homes.open(person) as sessions:
            seen.append(told(sessions))
    homes.close()
    assert seen == before
    moved(url, tmp_path / "back", "--pictures", "memory://moving")
    assert all_told(tmp_path / "back") == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["mysql://x", "new"], "neither a folder nor postgresql://"),
        (["old", "postgresql:///x?host=/nowhere&connect_timeout=1"], "database"),
    ],
)
def test_places_that_are_none(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert door.main(["move-sessions", *words]) in (2, 3)
    assert sentence in capsys.readouterr().err


def test_pictures_are_not_kept_elsewhere_alone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="together with a database"):
        homes_at(tmp_path, "", "s3://bucket")


@pytest.fixture(params=["memory", "s3"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An address where pictures are kept far away."""
    if request.param == "memory":
        yield "memory://somewhere"
        return
    pytest.importorskip("s3fs", reason="needs s3fs: pip install '.[s3]'")
    moto = pytest.importorskip("moto.server", reason="needs moto: pip install 'moto[server]'")
    served = moto.ThreadedMotoServer(port=0)
    served.start()
    host, port = served.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "us", "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    FarPlace.at("s3://bucket").system.mkdir("bucket")
    yield "s3://bucket/pictures"
    served.stop()


def test_pictures_far_away(place: str, tmp_path: Path) -> None:
    """One machine puts, another reads: the same bytes, the latents and the source among them."""
    import torch
    from PIL import Image

    here, there = store_at(place, tmp_path / "here"), store_at(place, tmp_path / "there")
    image = Image.radial_gradient("L").convert("RGB")
    name = here.put(image, torch.ones(1, 4, 64), {"seed": 7})
    here.remember(name, Source(".jpg"))
    assert name in there and "0" * 64 not in there
    assert there.source(name) == Source(".jpg") and there.has_latents(name)
    assert there.path(name).read_bytes() == here.path(name).read_bytes()
    latents = there.get(name).latents
    assert latents is not None and latents.shape == (1, 4, 64)


def test_a_place_that_fails_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    store = store_at("memory://full", tmp_path)
    assert isinstance(store, MirroredStore) and isinstance(store.place, FarPlace)
    monkeypatch.setattr(
        type(store.place.system), "pipe_file", lambda *_: (_ for _ in ()).throw(OSError("full"))
    )
    with pytest.raises(StoreError, match="cannot be kept at memory://full: full"):
        store.put(Image.new("RGB", (16, 16)))


def test_a_folder_that_all_see_needs_no_copies(tmp_path: Path) -> None:
    shared = store_at(str(tmp_path / "shared"), tmp_path / "here")
    assert type(shared) is PictureStore and shared.folder == tmp_path / "shared"
    with pytest.raises(InputError, match=r"pip install 'palimpsest\[s3\]'"):
        store_at("nothing-reads-this://x", tmp_path)
