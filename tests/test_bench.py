"""The bench: sequences have exact truths, tables have their columns."""

import pytest

from editing_core.bench.__main__ import markdown
from editing_core.bench.drawing import vae_table
from editing_core.bench.editing import METHODS, turns_table
from editing_core.bench.sequences import KINDS, balanced, sequences
from editing_core.bench.spread import averaged
from editing_core.measure import psnr
from editing_core.portraits.world import draw, draws


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
    assert averaged(tables) == {"a": {"x": 1.5, "y": 0.0}, "b": {"y": 4.0}}


def test_psnr_of_a_known_error() -> None:
    black = draw(next(draws("eval"))).point(lambda _: 0)
    assert psnr(black, black.point(lambda _: 255)) == pytest.approx(0)
    assert psnr(black, black.point(lambda _: 25.5)) == pytest.approx(20, abs=0.2)


def test_markdown_lines_up_names_and_numbers() -> None:
    assert markdown([{"method": "a", "score": 0.12345}]).splitlines() == [
        "| method | score |",
        "| --- | --- |",
        "| a | 0.123 |",
    ]


@pytest.mark.weights
def test_tables_have_a_row_for_every_method() -> None:
    assert [row["method"] for row in turns_table("portraits", 1, turns=1)] == list(METHODS)
    assert float(vae_table("portraits", 2)[0]["PSNR, dB"]) > 20
