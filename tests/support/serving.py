"""Users who talk over HTTP, with an editor that draws exactly and can be made to take long."""

import threading
from functools import partial
from pathlib import Path
from typing import Any

from perfect_editor import draw_the_target

from agent.bootstrap import adjust_in
from agent.context import ChatContext
from agent.serve.users import Users
from agent.settings import AppSettings
from tools.edit_picture import PRESETS
from tools.inspection import WorldEyes
from tools.pictures import PictureStore

ANN, BOB = "ann-" + "a" * 20, "bob-" + "b" * 20


class SlowEditor:
    """Draws exactly, one step at a time, while the gate is open."""

    def __init__(self, store: PictureStore, gate: threading.Event) -> None:
        self._edit, self._gate = partial(draw_the_target, store), gate

    def __call__(self, *, on_step: Any, **asked: Any) -> Any:
        for i in range(1, 1000):
            on_step("sample", i, 1000)
            if self._gate.wait(0.01):
                break
        return self._edit(on_step=None, **asked)


def exact_users(home: Path, gate: threading.Event) -> Users:
    """Ann and Bob; while the gate is closed, edits take long."""

    def studio_in(store: PictureStore) -> ChatContext:
        return ChatContext(
            settings=AppSettings(home=home, offline=True),
            edit=SlowEditor(store, gate),
            adjust=adjust_in(store),
            pictures=store,
            eyes=WorldEyes(),
            presets=PRESETS,
            interactive=True,
        )

    return Users({ANN: "ann", BOB: "bob"}, home, studio_in)
