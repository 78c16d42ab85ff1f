"""Pictures that the model cannot know: what is said of them, and when they are edited."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from serving import ANN, running
from tiny_networks import photograph

import chat
from agent.bootstrap import studio_of
from agent.serve.command import over
from agent.serve.users import Users
from agent.sessions.homes import Homes
from agent.settings import AppSettings
from editing_core.worlds.registry import shipped_world
from tools.edit_picture import Edited
from tools.pictures import PictureStore

pytestmark = pytest.mark.weights
Talk = Callable[..., tuple[int, list[dict[str, Any]], str]]


@pytest.fixture
def talk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Talk:
    """Run the door about a picture, with a model that tints what it is given.

    With ``elsewhere=True`` a server works for it.
    """

    def tinted(editor: Any, store: PictureStore, *, head: str, **asked: Any) -> Edited:
        made = store.put(Image.blend(store.image(head), Image.new("RGB", store.size(head)), 0.3))
        return Edited(picture=made, mask=None, seconds=0.1, forwards=1, columns=())

    monkeypatch.setattr("tools.edit_picture.edit_picture", tinted)

    def run(
        image: Image.Image, *words: str, elsewhere: bool = False
    ) -> tuple[int, list[dict[str, Any]], str]:
        file = tmp_path / "picture.png"
        image.save(file)
        home = ("--home", str(tmp_path / "home"))
        given = [str(file), "--caption", "a young woman with brown hair", *home, *words, "--json"]
        code = served(tmp_path, given) if elsewhere else chat.main(["--offline", *given])
        out, err = capsys.readouterr()
        return code, [json.loads(line) for line in out.splitlines()], err

    return run


def served(folder: Path, given: list[str]) -> int:
    """Run the door over a server as `palimpsest serve` sets it up."""
    settings = AppSettings(home=folder / "server", offline=True)
    studio = studio_of(settings, person=True, note=lambda _: None)
    users = Users({ANN: ""}, Homes(settings.home), partial(over, studio))
    try:
        with running(users) as port:
            return chat.main(["--engine", f"http://127.0.0.1:{port}?token={ANN}", *given])
    finally:
        users.close()


def named(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == name]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_run_without_a_person_leaves_a_photograph_alone(talk: Talk, elsewhere: bool) -> None:
    image = photograph("astronaut", 160)
    code, events, err = talk(image, "--say", "add a hat", elsewhere=elsewhere)
    assert code == 3 and "none of the portraits that the model knows" in err
    assert not named(events, "turn.completed")
    said = named(events, "turn.failed")[0]["error"]
    assert "paint over it" in said
    assert ("--anyway" in said) != elsewhere, "a server speaks to programs, too, and names no flags"


@pytest.mark.parametrize("elsewhere", [False, True])
def test_it_is_edited_if_that_is_wanted(talk: Talk, elsewhere: bool) -> None:
    image = photograph("astronaut", 160)
    code, events, err = talk(image, "--say", "add a hat", "--anyway", elsewhere=elsewhere)
    assert code == 0 and len(named(events, "turn.completed")) == 1
    assert "none of the portraits that the model knows" in err


def test_plain_operations_need_no_model_that_knows_it(talk: Talk) -> None:
    code, events, _ = talk(photograph("astronaut", 160), "--say", "more contrast")
    assert code == 0 and len(named(events, "turn.completed")) == 1


def test_a_portrait_is_edited(talk: Talk) -> None:
    code, events, err = talk(shipped_world().sample()[0], "--say", "add a hat")
    assert code == 0 and "none of the" not in err and named(events, "turn.completed")


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        (("--region", "0,60,256,256"), 0),
        (("--region", "700,60,256,256"), 3),
        (("--close-up", "0,0,384,384"), 0),
        (("--close-up", "616,0,384,384"), 3),
        (("--close-up", "0,0,384,400"), 1),
    ],
)
def test_somebody_in_a_group_is_edited_where_the_model_is_shown_them(
    talk: Talk, flags: tuple[str, str], code: int
) -> None:
    group = photograph("coffee", 1000).resize((1000, 384))
    group.paste(shipped_world().draw({}, side=384)[0], (0, 0))
    got, events, _ = talk(group, *flags, "--say", "add a hat")
    assert got == code
    assert (
        code != 1 or "does not lie inside the picture" in named(events, "turn.failed")[0]["error"]
    )
