"""The bench's sessions of ten edits, each checked as in a chat, and tried again if it failed."""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image

from agent.bootstrap import studio_of
from agent.chat import Chat
from agent.sessions.database import open_sessions
from agent.settings import AppSettings
from agent.state import EditStep
from editing_core.bench.measured import drawn, like_truth, measure_turn
from editing_core.bench.parallel import Row, map_parallel
from editing_core.bench.rollouts import sequence
from editing_core.bench.sequences import SequenceTurn
from editing_core.bench.summary import COLUMNS, Column, Steps, estimated, over_turns
from editing_core.portraits.instructions import wish
from editing_core.portraits.schema import SIZE

TURNS = 10
SHOWN = ("success", "SR", "CR", "kept", "never asked for", "L1 outside", "seconds", "model calls")
LIKE_TRUTH = Column("like the truth", max, over_turns("like the truth"))
Job = tuple[str, int, int]
"""A method, how often to try again, and the number of a sequence."""


def table(methods: list[str], count: int) -> list[Row]:
    """Go through `count` sessions by every method, with and without trying again."""
    retries = AppSettings.model_fields["retries"].default
    ways = [(method, tries) for method in methods for tries in (0, retries)]
    jobs = [(*way, number) for way in ways for number in range(count)]
    walks = list(map_parallel("sessions", gone_through, "portraits-128", jobs))
    exact = [drawn_exactly(number) for number in range(count)]
    rows: list[Row] = []
    for n, (method, tries) in enumerate(ways):
        steps = walks[n * count : (n + 1) * count]
        rows.append({"method": method, "ladder": "on" if tries else "off", **_told(steps)})
    return [*rows, {"method": "exact drawings", "ladder": "-", **_told(exact)}]


def _told(walks: list[Steps]) -> Row:
    shown = [*(c for c in COLUMNS if c.name in SHOWN), LIKE_TRUTH]
    return {c.name: estimated(c, walks, TURNS) for c in shown}


def drawn_exactly(number: int) -> Steps:
    """What the classifier, who measures, sees of a session's truths: nothing can be better."""
    turns, rows = sequence(number)[:TURNS], []
    seen = turns[0].before.attributes.visible()
    for n, turn in enumerate(turns, start=1):
        row, seen = _judged(drawn(turn.after, SIZE), turns[:n], seen)
        rows.append({**row, "seconds": 0.0, "model calls": 0.0})
    return rows


def gone_through(model: str, _: int, job: Job) -> Steps:
    """Make a session's edits one after the other in a chat of their own, and measure each."""
    method, retries, number = job
    turns, rows = sequence(number)[:TURNS], []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        settings = AppSettings(
            model=model, method=method, home=home, seed=1000 * number, offline=True, retries=retries
        )
        studio = studio_of(settings, person=False, plan_only=False, note=lambda _: None)
        saver = open_sessions(home / "sessions.sqlite")
        chat = Chat(studio, saver, "long")
        first = studio.pictures.put(drawn(turns[0].before, SIZE))  # type: ignore[attr-defined]
        chat.open(first, turns[0].source_prompt)
        seen = turns[0].before.attributes.visible()
        for n, turn in enumerate(turns, start=1):
            assert [e.event for e in chat.move(_step(turn))].count("turn.completed") == 1
            made = chat.conversation.turns[-1]
            row, seen = _judged(studio.pictures.image(made.picture), turns[:n], seen)
            cost = {"seconds": made.report["seconds"], "model calls": made.report["forwards"]}
            rows.append({**row, **cost})
        saver.conn.close()
    return rows


def _judged(
    picture: Image.Image, turns: list[SequenceTurn], seen: dict[str, str]
) -> tuple[dict[str, float], dict[str, str]]:
    """By the classifier and by exact drawings; and what the classifier sees by now."""
    row, output = measure_turn(picture, turns, seen)
    row["like the truth"] = float(like_truth(picture, turns[-1]))
    return row, output.prediction.attributes


def _step(turn: SequenceTurn) -> EditStep:
    return EditStep(
        change=turn.kind,
        source_prompt=turn.source_prompt,
        target_prompt=turn.target_prompt,
        edit_words=turn.edit_words,
        request=wish(turn.source_prompt, turn.target_prompt),
    )
