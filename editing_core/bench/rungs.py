"""What helps an edit that did not happen: single edits of every kind, under settings one step off.

The order in which the agent tries again, and with what numbers it begins for each kind of edit,
come from this table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from statistics import fmean

from editing_core.bench.editing import agrees
from editing_core.bench.sequences import Turn, sequences
from editing_core.bench.spread import Row, editor_of, spread
from editing_core.editor import EditRequest, Picture
from editing_core.portraits.read import identity_distance
from editing_core.portraits.reader import reader
from editing_core.portraits.world import change_mask, draw
from editing_core.settings import PRESETS, EditSettings

RUNGS: dict[str, Callable[[EditSettings], EditSettings]] = {
    "as the preset": lambda s: s,
    "stronger": lambda s: s.stronger(),
    "weaker": lambda s: s.weaker(),
    "guidance + 25 %": lambda s: replace(s, guidance=1.25 * s.guidance),
    "one guided step fewer": lambda s: replace(s, lqr_steps=s.guided_steps - 1),
    "target: previous only": lambda s: replace(s, lam=1.0),
    "pull 0.7": lambda s: replace(s, eta=0.7),
    "wider, stronger mask": lambda s: replace(s, tau=0.15, amplify=3.0),
    "12 steps": lambda s: replace(s, steps=12, lqr_steps=3),
    "colour kept": lambda s: replace(s, keep="color"),
    "outside kept": lambda s: replace(s, keep="outside"),
}
KINDS = ("add", "remove", "replace", "color", "attribute", "background")
_WORN = ("headwear", "eyewear", "facial_hair", "earrings", "neckwear")


def kind_of(turn: Turn) -> str:
    """Name the kind of change that a turn asks for, in the agent's words."""
    names = set(turn.changed)
    for name in _WORN:
        if name in names:
            if turn.changed[name] == "none":
                return "remove"
            before = turn.before.attributes.visible()[name]
            return "add" if before == "none" else "replace"
    if "background" in names:
        return "background"
    if "clothing" in names:
        return "replace"
    colors = all(name.endswith("_color") or name == "pattern" for name in names)
    return "color" if colors else "attribute"


def rungs_table(model: str, count: int) -> list[Row]:
    """Make `count` edits with each; the share seen by kind, what is kept, the distance outside."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    turns = [sequence[0] for sequence in sequences(count, 1, seed=3)]
    for turn, of_rungs in zip(turns, spread("rungs", _try_all, model, turns), strict=True):
        for rung, (seen, kept, outside) in of_rungs.items():
            found[rung][kind_of(turn)].append(seen)
            found[rung]["all"].append(seen)
            found[rung]["kept"].append(kept)
            found[rung]["distance outside"].append(outside)
    return [
        {"settings": rung}
        | {
            column: fmean(columns[column])
            for column in (*KINDS, "all", "kept", "distance outside")
            if column in columns
        }
        for rung, columns in found.items()
    ]


def _try_all(model: str, seed: int, turn: Turn) -> dict[str, tuple[float, float, float]]:
    first = Picture(draw(turn.before))
    request = EditRequest(first, first, turn.source_prompt, turn.target_prompt, turn.edit_words)
    mask = change_mask(turn.before, turn.after)
    visible = turn.after.attributes.visible()
    found = {}
    for rung, changed in RUNGS.items():
        settings = changed(PRESETS["paper"])
        picture = editor_of(model).edit(request, settings=settings, seed=seed).picture
        seen = reader().read(picture).attributes
        rest = [seen.get(name) == visible[name] for name in visible.keys() - turn.changed]
        outside = identity_distance(picture, turn.after, mask)[1]
        found[rung] = (float(agrees(seen, turn.changed)), fmean(rest), outside)
    return found
