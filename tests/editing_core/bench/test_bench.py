"""The bench: sequences have exact truths, tables have their columns."""

import json
from itertools import pairwise

import numpy as np
import pytest

from editing_core.bench import sessions
from editing_core.bench.model_quality import vae_table
from editing_core.bench.parallel import mean_rows
from editing_core.bench.rollouts import STRESS, Rollout, found, take
from editing_core.bench.sequences import (
    CONTRADICTED,
    KINDS,
    ONE_REGION,
    balanced,
    contradicting,
    one_region,
    returning,
    sequences,
)
from editing_core.bench.sessions import planned, written
from editing_core.bench.summary import (
    COLUMNS,
    Column,
    Estimate,
    ahead,
    estimated,
    frechet,
    frechet_distance,
    jackknife,
)
from editing_core.bench.tables import after_each, against, markdown
from editing_core.metrics import IDENTICAL


def test_sequences_change_one_thing_a_turn_and_never_the_person() -> None:
    for sequence in sequences(5, turns=4):
        assert len(sequence) == 4
        for turn in sequence:
            assert turn.before.identity == turn.after.identity
            assert turn.changed
            assert turn.source_prompt != turn.target_prompt
            assert set(turn.edit_words) <= set(turn.target_prompt.replace(",", "").split())


def test_sequences_are_the_same_every_time() -> None:
    assert sequences(2) == sequences(2)
    assert sequences(2) != sequences(2, seed=1)


def test_balanced_sequences_end_in_every_kind_as_often() -> None:
    kinds = [sequence[-1].kind for sequence in balanced(2, 2)]
    assert kinds == [kind for kind in KINDS for _ in range(2)]


def test_cells_are_averaged_over_the_tables_that_have_them() -> None:
    tables = [{"a": {"x": 1.0, "y": 0.0}}, {"a": {"x": 2.0}, "b": {"y": 4.0}}]
    assert mean_rows(tables) == {"a": {"x": 1.5, "y": 0.0}, "b": {"y": 4.0}}


def test_markdown_lines_up_names_and_numbers() -> None:
    assert markdown([{"method": "a", "score": 0.12345}]).splitlines() == [
        "| method | score |",
        "| --- | --- |",
        "| a | 0.123 |",
    ]


def steps(*successes: int, **columns: object) -> list[dict]:
    return [{"success": float(success), **columns} for success in successes]


def column(name: str) -> Column:
    return next(column for column in COLUMNS if column.name == name)


def test_success_is_of_all_turns_and_sr_of_those_without_a_miss() -> None:
    walks = [steps(1, 1, 0), steps(1, 1, 1), steps(0, 1, 1), steps(1)]
    assert estimated(column("success"), walks, 3).value == pytest.approx((2 / 3 + 1 + 2 / 3) / 3)
    assert [estimated(column("SR"), walks, turn).value for turn in (1, 2, 3)] == [
        3 / 4,
        2 / 3,
        1 / 3,
    ]


def test_a_picture_collapses_when_it_is_no_portrait_or_mostly_wrong() -> None:
    fine, wrong, lost = steps(1, 1, right=0.9), steps(1, right=0.4), steps(1, portrait=0.0)
    assert estimated(column("CR"), [fine, [*wrong, *fine], [*lost, *fine], fine], 2).value == 0.5
    assert estimated(column("CR"), [[*fine, *wrong]], 2).value == 0


def test_stress_goes_back_contradicts_or_stays_in_one_region() -> None:
    back = returning(1, 20)
    assert back[9].after == back[19].after == back[0].before != back[4].after
    assert back[4].after == back[5].before and back[3].after == back[5].after
    for number in range(5):
        contradictions = contradicting(number, 20)
        names = [{name for name in CONTRADICTED if name in turn.changed} for turn in contradictions]
        assert set.intersection(*names)
    for turn in one_region(0, 20):
        assert turn.changed.keys() & set(ONE_REGION)
    for walk in (back, contradictions):
        assert all(earlier.after == later.before for earlier, later in pairwise(walk))


def test_a_means_margin_is_the_one_of_textbooks() -> None:
    numbers = [1.0, 2.0, 4.0, 8.0]
    found = jackknife(numbers, np.mean)
    assert found.value == 3.75
    assert found.margin == pytest.approx(1.96 * np.std(numbers, ddof=1) / 2)


@pytest.mark.parametrize(
    ("value", "margin", "said"),
    [
        (0.9753, 0.0312, "0.975 ± 0.03"),
        (366.2, 104.0, "366 ± 100"),
        (1.0, 0.0, "1"),
        (38.9, 9.7, "38.9 ± 10"),
    ],
)
def test_a_margin_has_one_digit_that_counts(value: float, margin: float, said: str) -> None:
    assert str(Estimate(value, margin)) == said


def test_ahead_is_above_zero_where_we_are_better() -> None:
    ours, others = [steps(1, L1=2.0)] * 3, [steps(1, L1=5.0)] * 3
    assert ahead(column("L1"), ours, others, 1).value == 3
    ours, others = [steps(1)] * 3, [steps(0)] * 3
    assert ahead(column("success"), ours, others, 1).value == 1


def test_frechet_distance_of_known_distributions() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 3))
    assert frechet_distance(rows, rows) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(rows, rows + [3.0, 0, 4]) == pytest.approx(25)
    spread = rows[:, :1].std(ddof=1)
    assert frechet_distance(rows[:, :1], 3 * rows[:, :1]) == pytest.approx(
        (2 * rows[:, :1].mean()) ** 2 + (2 * spread) ** 2
    )


def test_one_walk_has_no_frechet_distance() -> None:
    walks, truth = [steps(1, features=[1.0, 2.0])], np.array([1.0, 2.0])
    assert np.isnan(frechet(walks, {0: truth}, 1).value)
    assert frechet(walks * 2, {0: truth, 1: truth}, 1).value == pytest.approx(0)


def test_a_longer_sequence_begins_with_the_shorter_and_may_ask_again() -> None:
    long, short = sequences(2, turns=20), sequences(2, turns=4)
    assert [sequence[:4] for sequence in long] == short
    for sequence in long:
        assert all(earlier.after == later.before for earlier, later in pairwise(sequence))


@pytest.mark.weights
def test_walks_are_taken_once_and_make_a_report(tmp_path, monkeypatch) -> None:
    ways = [("turns", "paper"), ("turns", "steady"), ("rounds", "steady"), ("back", "regenerate")]
    walks = [Rollout(kind, way, 0, 2) for kind, way in ways]
    take(walks, "portraits-128", tmp_path)
    nothing = found(Rollout("rounds", "steady", 0, 2), tmp_path)
    assert [step["PSNR"] for step in nothing] == [IDENTICAL, IDENTICAL]
    assert [step["PSNR of latents"] for step in nothing] == [IDENTICAL, IDENTICAL]
    assert all(walk.picture(tmp_path, 2).exists() for walk in walks)
    taken = {way: [found(Rollout("turns", way, 0, 2), tmp_path)] for way in ("paper", "steady")}
    assert {row["which"] for row in against(taken, "steady", 2)} == {"paper"}
    assert [row["method"] for row in after_each(taken, "L1", (1, 2))] == ["paper", "steady"]

    def unwanted(*_: object) -> None:
        raise AssertionError("taken twice")

    monkeypatch.setattr("editing_core.bench.rollouts.map_parallel", lambda *a: map(unwanted, a[-1]))
    take(walks, "portraits-128", tmp_path)
    with pytest.raises(AssertionError, match="taken twice"):  # a longer one is not there yet
        take([Rollout("rounds", "steady", 0, 3)], "portraits-128", tmp_path)
    assert len(found(Rollout("rounds", "steady", 0, 1), tmp_path)) == 1


@pytest.mark.weights
def test_the_vae_loses_little() -> None:
    assert float(vae_table("portraits-128", 2)[0]["PSNR, dB"]) > 20


def test_tables_of_long_sessions(tmp_path) -> None:
    walks = planned(1, 1, ["steady", "anchor"])
    assert {walk.kind for walk in walks} == {"turns", *STRESS}
    for walk in walks:
        good = float(walk.way == "anchor")
        row = {column.name: good for column in COLUMNS} | {"portrait": good, "features": [1.0]}
        walk.file(tmp_path).parent.mkdir(parents=True, exist_ok=True)
        walk.file(tmp_path).write_text(json.dumps([row] * walk.turns))
    tables = written(walks, tmp_path)
    for turn in (10, 20):
        rows = {row["method"]: row for row in tables[f"turn {turn}"]}
        assert [rows["anchor"][name].value for name in ("success", "SR", "CR")] == [1, 1, 0]
        assert [rows["steady"][name].value for name in ("success", "SR", "CR")] == [0, 0, 1]
    assert {row["method"] for row in tables["parts of anchor, turn 10"]} > {"anchor", "window 1"}
    ahead = {
        row["column"]: row["ahead"].value for row in tables["anchor against window 1, turn 10"]
    }
    assert ahead["success"] == 1


@pytest.mark.weights
def test_a_hundred_turns_cost_the_same_each(monkeypatch) -> None:
    monkeypatch.setattr(sessions, "TIMED", (2, 5, 9))
    rows = sessions.cost("portraits-128")
    assert [row["turn"] for row in rows] == ["2", "5", "9"]
    assert rows[1]["MB"] == rows[2]["MB"] > rows[0]["MB"]
    assert rows[2]["remembered"] == "0, 6, 7, 8"
    assert len({row["model calls"] for row in rows}) == 1
