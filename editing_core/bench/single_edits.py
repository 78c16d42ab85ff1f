"""Single edits, tried in every way: with what numbers to begin, and what helps one that failed."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from editing_core.bench.measured import Made, measured
from editing_core.bench.parallel import Row, editor_of, map_parallel, mean_rows
from editing_core.bench.sequences import KINDS, SequenceTurn, balanced
from editing_core.editor import EditRequest, Picture
from editing_core.portraits.schema import draw
from editing_core.settings import OTHER_SEED, PRESETS, RUNGS, EditSettings

LATE = 4  # turns of the longer sequences, of which the last is measured


def numbers_table(model: str, count: int) -> list[Row]:
    """Make `count` edits of each kind with each set of numbers, as first and as fourth turn.

    By kind, the share of edits that are seen and spoil nothing; of all, the share seen, the share
    of other attributes kept, and the mean distance to the truth outside the change (0 to 255).
    """
    first = mean_rows(map_parallel("first turns", _try_numbers, model, balanced(count, 1)))
    late = mean_rows(map_parallel("late turns", _try_numbers, model, balanced(count, LATE)))
    columns = (*KINDS, "seen", "kept", "distance outside")
    return [
        {"turn": turn, "settings": name} | {column: row[column] for column in columns}
        for turn, rows in (("1", first), (str(LATE), late))
        for name, row in rows.items()
    ]


def _numbers(late: bool) -> dict[str, EditSettings]:
    paper = replace(PRESETS["paper"], keep="outside")
    pulls, aims = ((0.9,), (1.0, 0.7, 0.4)) if late else ((0.9, 0.7), (paper.lam,))
    return {
        f"guidance {guidance}, {steps} guided, eta {eta}" + (f", lam {lam}" if late else ""):
            replace(paper, guidance=guidance, lqr_steps=steps, eta=eta, lam=lam)
        for guidance, steps, eta, lam in product((3.5, 2.5), (1, 2), pulls, aims)
    }  # fmt: skip


def _try_numbers(
    model: str, seed: int, sequence: list[SequenceTurn]
) -> dict[str, dict[str, float]]:
    editor, last = editor_of(model), sequence[-1]
    current = original = Picture(draw(sequence[0].before))
    for n, turn in enumerate(sequence[:-1]):
        asked = EditRequest(
            current, original, turn.source_prompt, turn.target_prompt, turn.edit_words
        )
        settings = PRESETS["paper"].fitted(turn.kind, n)
        made = editor.edit(asked, settings=settings, seed=1000 * seed + n)
        current = Picture(made.picture, made.latents)
    asked = EditRequest(current, original, last.source_prompt, last.target_prompt, last.edit_words)
    return {
        name: measured(
            editor.edit(asked, settings=settings, seed=1000 * seed + LATE).picture, last
        ).columns(last.kind)
        for name, settings in _numbers(len(sequence) > 1).items()
    }


def rungs_table(model: str, count: int) -> list[Row]:
    """Make `count` edits of each kind in each way.

    By kind, the share of edits that are seen and spoil nothing; of all, the share seen, the share
    of other attributes kept, and the mean distance to the truth outside the change (0 to 255).
    "Rescues" is the share of the edits missed at first that are seen, "repairs" that of the edits
    that spoilt something at first and now are right.
    """
    turns = [sequence[0] for sequence in balanced(count, 1)]
    means = mean_rows(map_parallel("rungs", _try_rungs, model, turns))
    columns = (*KINDS, "seen", "kept", "distance outside", "rescues", "repairs")
    return [
        {"settings": rung} | {column: row[column] for column in columns if column in row}
        for rung, row in means.items()
    ]


def _try_rungs(model: str, seed: int, turn: SequenceTurn) -> dict[str, dict[str, float]]:
    first = Picture(draw(turn.before))
    request = EditRequest(first, first, turn.source_prompt, turn.target_prompt, turn.edit_words)
    base = PRESETS["paper"].fitted(turn.kind, 0)
    found: dict[str, dict[str, float]] = {}
    made: dict[str, Made] = {}
    for rung in RUNGS:
        again = seed + (OTHER_SEED if rung == "another seed" else 0)
        result = editor_of(model).edit(request, settings=base.rung(rung), seed=again)
        made[rung] = now = measured(result.picture, turn)
        found[rung] = row = now.columns(turn.kind)
        if not made["first"].seen:
            row["rescues"] = float(now.seen)
        elif not made["first"].right:
            row["repairs"] = float(now.right)
    return found
