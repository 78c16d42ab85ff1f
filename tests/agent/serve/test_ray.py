"""Conversations and editors as replicas of a real Ray Serve, over a real Postgres."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from postgres_server import serving as postgres
from ray_service import on_ray
from serving import ANN, BOB
from stub_editors import STEPS, begun, loaded

from tools.arguments import InputError

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]  # Ray leaves sockets open
STEP = 0.5  # seconds
PATIENCE = 600.0  # seconds for a request; machines may be busy


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ray")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """Two conversations and one editor."""
    people = {ANN: "ann", BOB: "bob"}
    with (
        postgres() as database,
        on_ray(
            folder / "served",
            database.url,
            people,
            step=STEP,
            conversations="2",
            models="flux-dev",
            held="2",
        ) as found,
    ):
        yield found


Ask = Callable[..., httpx.Response]


@pytest.fixture
def ask(address: str) -> Ask:
    """Asks in a connection of its own each time, so that any replica may answer."""

    def ask(method: str, path: str, token: str = ANN, **given: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.request(
            method, f"{address}/v1{path}", headers=headers, timeout=PATIENCE, **given
        )

    return ask


def begin(ask: Ask, token: str = ANN) -> str:
    answer = ask("POST", "/sessions", token)
    assert answer.status_code == 201, answer.text
    session: str = answer.json()["session"]
    return session


def say(ask: Ask, session: str, text: str, token: str = ANN) -> list[dict[str, Any]]:
    answer = ask("POST", f"/sessions/{session}/messages", token, json={"text": text})
    assert answer.status_code == 200, answer.text
    lines = [line for line in answer.text.splitlines() if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def in_background(*given: Any) -> tuple[threading.Thread, list[dict[str, Any]]]:
    """Say something in a thread; return it, and where the events will be."""
    told: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: told.extend(say(*given)))
    thread.start()
    return thread, told


def wait_for(true: Callable[[], Any], seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


def kinds(told: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [each for each in told if each["event"] == kind]


def test_a_conversation_with_a_branch(ask: Ask) -> None:
    session = begin(ask)
    assert say(ask, session, "give her a red hat")[-1]["text"] == "Added: red hat (@1)."
    assert "Back at @0" in say(ask, session, "/undo")[-1]["text"]
    assert say(ask, session, "give her sunglasses")[-1]["text"] == "Added: sunglasses (@2)."
    state = ask("GET", f"/sessions/{session}").json()
    assert [turn["parent"] for turn in state["turns"]] == [None, 0, 0]
    assert ask("GET", f"/pictures/{state['turns'][2]['picture']}").status_code == 200
    assert ask("GET", f"/sessions/{session}", BOB).status_code == 404


def test_guesses_are_shown_and_regions_are_found_by_words(ask: Ask) -> None:
    session = begin(ask)
    told = say(ask, session, "/region the hat")
    assert "edits keep to" in told[-1]["text"], told
    assert ask("GET", f"/sessions/{session}").json()["region"] == "the hat"
    shown = kinds(say(ask, session, "/show region"), "reply")
    assert any("picture" in each for each in shown), shown
    told = say(ask, session, "give her a red hat")
    assert len(kinds(told, "glimpse")) == STEPS == len(kinds(told, "step"))
    assert told[-1]["text"] == "Added: red hat (@1)."
    say(ask, session, "/region nowhere")
    lost = kinds(say(ask, session, "/show region"), "turn.failed")
    assert "I cannot tell where" in lost[0]["error"]


def test_one_editor_holds_several_models(ask: Ask, folder: Path) -> None:
    names = [each["id"] for each in ask("GET", "/models").json()["data"]]
    assert names == ["portraits", "flux-dev"]
    other = ask("POST", "/sessions", data={"model": "flux-dev"}).json()
    assert other["model"] == "flux-dev"
    assert ask("POST", "/sessions", data={"model": "what"}).status_code == 422
    usual = begin(ask)
    wishes = [
        (other["session"], "give her a red hat"), (usual, "give her a red hat"),
        (other["session"], "make her sad"),
    ]  # fmt: skip
    for session, wish in wishes:
        assert kinds(say(ask, session, wish), "turn.completed")
    held = loaded(folder / "served" / "log")
    both = {process for process, model in held if model == "flux-dev"}
    assert both and all((process, "portraits") in held for process in both), held


def test_who_waits_is_told_how_many_are_before(ask: Ask, folder: Path) -> None:
    first, second = begin(ask), begin(ask, BOB)
    log = folder / "served" / "log"
    before = len(begun(log))
    thread, _ = in_background(ask, first, "give her a red hat")
    wait_for(lambda: len(begun(log)) > before)
    told = say(ask, second, "make her sad", BOB)
    thread.join(PATIENCE)
    assert kinds(told, "queued")[0]["before"] >= 1
    assert told[-1]["text"] == "Changed: sad (@1)."


def test_a_stop_frees_the_editor_within_a_step(ask: Ask, folder: Path) -> None:
    """Whichever replica hears it: the lease in the database carries it on."""
    session, log = begin(ask), folder / "served" / "log"
    before = len(begun(log))
    thread, told = in_background(ask, session, "make her older, now add a hat, now make her sad")
    wait_for(lambda: len(begun(log)) > before)
    assert ask("POST", f"/sessions/{session}/stop").json() == {"stopping": True}
    stopped = time.monotonic()
    thread.join(PATIENCE)
    assert told[-1] == {
        "event": "note", "session": session, "text": "Stopped; every finished edit is kept.",
    }  # fmt: skip
    assert len(kinds(told, "step")) < 3 * STEPS
    other = begin(ask, BOB)
    number = len(begun(log))
    assert say(ask, other, "make her sad", BOB)[-1]["text"] == "Changed: sad (@1)."
    assert begun(log)[number][0] - stopped < 60
    assert ask("GET", f"/sessions/{session}").json()["head"] == 0


def test_an_editor_is_killed_in_mid_edit(ask: Ask, folder: Path) -> None:
    """The turn is made again with the same seed and picture, and told once."""
    quiet, killed = begin(ask), begin(ask)
    wanted = kinds(say(ask, quiet, "give her a red hat"), "turn.completed")[0]
    log = folder / "served" / "log"
    before = len(begun(log))
    thread, told = in_background(ask, killed, "give her a red hat")
    wait_for(lambda: len(begun(log)) > before)
    time.sleep(2 * STEP)
    os.kill(begun(log)[-1][1], signal.SIGKILL)
    thread.join(PATIENCE)
    made = kinds(told, "turn.completed")
    assert len(made) == 1 and told[-1]["text"] == "Added: red hat (@1)."
    assert (made[0]["picture"], made[0]["seed"]) == (wanted["picture"], wanted["seed"])
    tries = begun(log)[before:]
    assert len({process for _, process, _ in tries}) == 2, "two processes had a try"
    assert len({seed for _, _, seed in tries}) == 1
    assert len(ask("GET", f"/sessions/{killed}").json()["turns"]) == 2


@pytest.mark.parametrize("count", ["", "0", "few", "2-x", "-3", "1-0"])
def test_numbers_of_replicas_that_are_none(count: str) -> None:
    from agent.serve.ray import scaled

    with pytest.raises(InputError, match="no number of replicas"):
        scaled(count)


def test_editors_grow_and_shrink_with_the_queue() -> None:
    from agent.serve.ray import scaled

    assert scaled("3") == {"num_replicas": 3}
    grown = scaled("0-8")["autoscaling_config"]
    assert (grown["min_replicas"], grown["max_replicas"]) == (0, 8)
    assert grown["target_ongoing_requests"] == 1


def test_several_machines_need_one_database(tmp_path: Path) -> None:
    from agent.serve.ray import application

    (tmp_path / "tokens").write_text(f"{ANN} ann\n")
    with pytest.raises(InputError, match="PALIMPSEST_DATABASE"):
        application({"tokens": str(tmp_path / "tokens")})
