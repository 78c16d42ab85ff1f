"""With what numbers to begin an edit: guidance, and the pull and its aim, by kind and by turn.

`FITTED` and `LATER` in `editing_core/settings.py` come from these tables.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from editing_core.bench.measured import measured
from editing_core.bench.parallel import Row, averaged, editor_of, spread
from editing_core.bench.sequences import KINDS, SequenceTurn, balanced
from editing_core.editor import EditRequest, Picture
from editing_core.portraits.world import draw
from editing_core.settings import PRESETS, EditSettings

LATE = 4  # turns of the longer sequences, of which the last is measured


def numbers_table(model: str, count: int) -> list[Row]:
    """Make `count` edits of each kind with each set of numbers, as first and as fourth turn.

    By kind, the share of edits that are seen and spoil nothing; of all, the share seen, the share
    of other attributes kept, and the mean distance to the truth outside the change (0 to 255).
    """
    first = averaged(spread("first turns", _try_all, model, balanced(count, 1)))
    late = averaged(spread("late turns", _try_all, model, balanced(count, LATE)))
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


def _try_all(model: str, seed: int, sequence: list[SequenceTurn]) -> dict[str, dict[str, float]]:
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
