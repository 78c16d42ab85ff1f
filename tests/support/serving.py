"""Users who talk over HTTP, with an editor that draws exactly and can be made to take long."""

import select
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from perfect_editor import draw_the_target
from PIL import Image

from agent.bootstrap import adjust_in
from agent.context import ChatContext, OnGlimpse
from agent.serve.app import create_app
from agent.serve.guard import ImpatientProtocol
from agent.serve.limits import Admission, Limits
from agent.serve.users import Users
from agent.sessions.homes import Homes
from agent.settings import AppSettings
from tools.edit_picture import PRESETS
from tools.inspection import WorldEyes
from tools.pictures import PictureStore

ANN, BOB = "ann-" + "a" * 20, "bob-" + "b" * 20


class SlowEditor:
    """Draws exactly, one step at a time, while the gate is open; it knows all; guesses are gray."""

    def __init__(
        self, store: PictureStore, gate: threading.Event, show: OnGlimpse = lambda guess: None
    ) -> None:
        self._store, self._gate, self._show = store, gate, show
        self._edit = partial(draw_the_target, store)

    def glimpsed(self, show: OnGlimpse) -> "SlowEditor":
        return SlowEditor(self._store, self._gate, show)

    def __call__(self, *, on_step: Any, known_only: bool = False, **asked: Any) -> Any:
        for i in range(1, 1000):
            on_step("sample", i, 1000)
            self._show(Image.new("RGB", (16, 16), "gray"))
            if self._gate.wait(0.01):
                break
        return self._edit(on_step=None, **asked)


def exact_users(
    home: Path, gate: threading.Event, admission: Admission | None = None, *, sees: bool = True,
    others: Iterable[str] = (),
) -> Users:  # fmt: skip
    """Ann and Bob; while the gate is closed, edits take long. Without eyes no torch is needed."""

    def studio_in(store: PictureStore, _: str, **chosen: Any) -> ChatContext:
        return ChatContext(
            settings=AppSettings(home=home, offline=True, **chosen),
            edit=SlowEditor(store, gate),
            adjust=adjust_in(store),
            pictures=store,
            eyes=WorldEyes() if sees else None,
            presets=PRESETS,
            interactive=True,
        )

    return Users(
        {ANN: "ann", BOB: "bob"},
        Homes(home),
        studio_in,
        admission=admission or Admission(Limits()),
        others={model: partial(studio_in, model=model) for model in others},
    )


@contextmanager
def running(users: Users) -> Iterator[int]:
    """A real server, set up as `palimpsest serve` sets it up; lends its port."""
    config = uvicorn.Config(create_app(users), port=0, log_level="critical", http=ImpatientProtocol)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(10)


def spoken(port: int, *parts: bytes, every: float = 0.0, patience: float = 20) -> bytes:
    """Send bytes as they are, a part now and then until the server answers; return its answer."""
    heard = b""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as line:
        for part in parts:
            line.sendall(part)
            if select.select([line], [], [], every)[0]:
                break
        with suppress(ConnectionResetError):  # after an answer to what it did not read to the end
            while piece := line.recv(4096):
                heard += piece
    return heard
