"""Edits in one batch: pictures as alone, fewer calls of the network, nobody in another's way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tiny_flux import noise_picture, tiny_flux

from agent.serve.batching import BatchingModel, Room, walks_apart
from editing_core.editor import Editor, EditRequest, EditResult, Picture
from editing_core.settings import PRESETS

FEW = replace(PRESETS["steady"], steps=4)
WORDS = ("a red hat", "a blue hat", "a green hat")


def edited(editor: Editor, number: int, **given: Any) -> EditResult:
    picture = Picture(noise_picture(64, 64, number))
    request = EditRequest(picture, picture, "a hat", WORDS[number], (WORDS[number].split()[1],))
    return editor.edit(request, settings=FEW, seed=number, method="steady", **given)


def at_once(room: Room, *acts: Callable[[], Any]) -> list[Any]:
    """Let some act in a room; return what came of each, or its error."""
    begin = threading.Barrier(len(acts))

    def one(act: Callable[[], Any]) -> Any:
        begin.wait()
        with room.joined():
            return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        futures = [pool.submit(one, act) for act in acts]
        return [future.exception() or future.result() for future in futures]


@pytest.fixture
def batching() -> tuple[Editor, Room]:
    model = BatchingModel(tiny_flux())
    return Editor(model), model.room


def test_edits_of_several_people_share_calls_and_come_out_as_alone(
    batching: tuple[Editor, Room],
) -> None:
    editor, room = batching
    alone = [edited(Editor(tiny_flux()), number) for number in range(3)]
    before = tiny_flux().forwards
    made = at_once(room, *(lambda number=n: edited(editor, number) for n in range(3)))  # type: ignore[misc]
    calls = tiny_flux().forwards - before
    asked = sum(result.report.forwards for result in alone)
    assert [result.report.forwards for result in made] == [r.report.forwards for r in alone]
    assert asked / 3 <= calls <= 0.7 * asked
    for ours, theirs in zip(made, alone, strict=True):
        apart = np.abs(np.asarray(ours.picture, int) - np.asarray(theirs.picture, int))
        assert apart.max() <= 1 and (ours.latents - theirs.latents).abs().max() < 1e-3


def test_who_stops_or_fails_keeps_nobody(batching: tuple[Editor, Room]) -> None:
    editor, room = batching

    def stop(phase: str, index: int, of: int) -> None:
        raise KeyboardInterrupt

    def fail() -> None:
        raise OSError("gone")

    stopped, failed, made = at_once(
        room, lambda: edited(editor, 0, on_step=stop), fail, lambda: edited(editor, 1)
    )
    assert isinstance(stopped, KeyboardInterrupt) and isinstance(failed, OSError)
    assert made.report.forwards == edited(Editor(tiny_flux()), 1).report.forwards


def test_who_wants_to_be_alone_is(batching: tuple[Editor, Room]) -> None:
    editor, room = batching
    inside: list[str] = []
    met: list[tuple[str, ...]] = []

    def look(name: str) -> Callable[[str, int, int], None]:
        return lambda phase, index, of: met.append((name, *inside))

    def work(number: int, alone: bool) -> None:
        name = f"{number}{' alone' * alone}"
        with room.alone() if alone else room.joined():
            inside.append(name)
            edited(editor, number, on_step=look(name))
            inside.remove(name)

    each = [(0, False), (1, True), (2, False), (0, True)]
    threads = [threading.Thread(target=work, args=given, daemon=True) for given in each]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert {name for name, *_ in met} == {"0", "1 alone", "2", "0 alone"}
    assert all(others == [name] for name, *others in met if "alone" in name), met


@pytest.mark.parametrize(
    ("method", "region", "apart"),
    [
        ("steady", "off", True), ("flowedit", "1,2,30,40", True), ("mtc", "off", False),
        ("steady", "the hat", False), ("anchor", "off", False), ("no such", "off", False),
    ],
)  # fmt: skip
def test_which_edits_can_be_made_with_others(method: str, region: str, apart: bool) -> None:
    assert walks_apart({"method": method, "region": region, "settings": FEW}) is apart
