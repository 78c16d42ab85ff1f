"""What helps an edit that did not happen, or spoilt something: single edits, tried in every way.

The order in which the agent tries again (`agent/verify.py`) comes from this table.
"""

from __future__ import annotations

from editing_core.bench.measured import Made, measured
from editing_core.bench.parallel import Row, averaged, editor_of, spread
from editing_core.bench.sequences import KINDS, SequenceTurn, balanced
from editing_core.editor import EditRequest, Picture
from editing_core.portraits.world import draw
from editing_core.settings import OTHER_SEED, PRESETS, RUNGS


def rungs_table(model: str, count: int) -> list[Row]:
    """Make `count` edits of each kind in each way.

    By kind, the share of edits that are seen and spoil nothing; of all, the share seen, the share
    of other attributes kept, and the mean distance to the truth outside the change (0 to 255).
    "Rescues" is the share of the edits missed at first that are seen, "repairs" that of the edits
    that spoilt something at first and now are right.
    """
    turns = [sequence[0] for sequence in balanced(count, 1)]
    means = averaged(spread("rungs", _try_all, model, turns))
    columns = (*KINDS, "seen", "kept", "distance outside", "rescues", "repairs")
    return [
        {"settings": rung} | {column: row[column] for column in columns if column in row}
        for rung, row in means.items()
    ]


def _try_all(model: str, seed: int, turn: SequenceTurn) -> dict[str, dict[str, float]]:
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
