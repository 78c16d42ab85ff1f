"""What helps an edit that did not happen, or spoilt something: single edits, tried in every way.

The order in which the agent tries again (`agent/check.py`) comes from this table.
"""

from __future__ import annotations

from statistics import fmean

from editing_core.bench.editing import agrees
from editing_core.bench.sequences import Turn, sequences
from editing_core.bench.spread import Row, averaged, editor_of, spread
from editing_core.editor import EditRequest, Picture
from editing_core.portraits.captions import kind_of
from editing_core.portraits.read import identity_distance
from editing_core.portraits.reader import reader
from editing_core.portraits.world import change_mask, draw
from editing_core.settings import PRESETS, RUNGS

KINDS = ("add", "remove", "replace", "color", "attribute", "background")
OTHER_SEED = 10_000


def rungs_table(model: str, count: int) -> list[Row]:
    """Make `count` edits in each way.

    By kind, the share of edits that are seen; of the others, the share of attributes kept, and the
    mean distance to the truth outside the change (0 to 255). "Rescues" is the share of the edits
    missed at first that are seen, "repairs" that of the edits that spoilt something at first and
    now are seen and spoil nothing.
    """
    turns = [sequence[0] for sequence in sequences(count, 1, seed=3)]
    means = averaged(spread("rungs", _try_all, model, turns))
    columns = (*KINDS, "all", "kept", "distance outside", "rescues", "repairs")
    return [
        {"settings": rung} | {column: row[column] for column in columns if column in row}
        for rung, row in means.items()
    ]


def _try_all(model: str, seed: int, turn: Turn) -> dict[str, dict[str, float]]:
    first = Picture(draw(turn.before))
    request = EditRequest(first, first, turn.source_prompt, turn.target_prompt, turn.edit_words)
    mask = change_mask(turn.before, turn.after)
    old, visible = (portrait.attributes.visible() for portrait in (turn.before, turn.after))
    kind = kind_of(old, turn.changed)
    base = PRESETS["paper"].fitted(kind, 0)
    found: dict[str, dict[str, float]] = {}
    for rung in RUNGS:
        picture = (
            editor_of(model)
            .edit(
                request,
                settings=base.rung(rung),
                seed=seed + (OTHER_SEED if rung == "another seed" else 0),
            )
            .picture
        )
        seen = reader().read(picture).attributes
        done = float(agrees(seen, turn.changed))
        kept = fmean(seen.get(name) == visible[name] for name in visible.keys() - turn.changed)
        found[rung] = row = {kind: done, "all": done, "kept": kept}
        row["distance outside"] = identity_distance(picture, turn.after, mask)[1]
        if found["first"]["all"] == 0:
            row["rescues"] = done
        elif found["first"]["kept"] < 1:
            row["repairs"] = float(done == kept == 1)
    return found
