"""How well methods edit: rounds that ask for nothing, and turns that ask for one thing each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from statistics import fmean

from PIL import Image

from editing_core.bench.sequences import Turn, sequences
from editing_core.bench.spread import Row, averaged, editor_of, spread
from editing_core.editor import Editor, EditRequest, Picture
from editing_core.measure import psnr
from editing_core.portraits.captions import caption
from editing_core.portraits.read import identity_distance
from editing_core.portraits.reader import reader
from editing_core.portraits.world import Portrait, change_mask, draw, draws
from editing_core.settings import PRESETS, EditSettings

_PAPER = PRESETS["paper"]


def _always(settings: EditSettings) -> Callable[[str, int], EditSettings]:
    return lambda change, turns: settings


METHODS: dict[str, tuple[str, Callable[[str, int], EditSettings]]] = {
    "regenerate": ("regenerate", _always(_PAPER)),
    "Euler": ("euler", _always(_PAPER)),
    "RF-Inversion": ("rf-inversion", _always(_PAPER)),
    "StableFlow": ("stableflow", _always(_PAPER)),
    "FlowEdit": ("flowedit", _always(_PAPER)),
    "RF-Solver": ("rf-solver", _always(_PAPER)),
    "FireFlow": ("fireflow", _always(_PAPER)),
    "MasaCtrl": ("masactrl", _always(_PAPER)),
    "PnP Inversion": ("pnp", _always(_PAPER)),
    "single-objective": ("mtc", _always(replace(_PAPER, lam=1.0))),
    "paper": ("mtc", _always(_PAPER)),
    "paper, fitted": ("mtc", _PAPER.fitted),
    "steady": ("steady", PRESETS["steady"].fitted),
}
"""Name in the table -> method, and its settings for a kind of change after so many turns."""
ROUNDS = (1, 2, 4, 8, 20)
WALKS = {
    "Euler": ("euler", _PAPER),
    "FireFlow": ("fireflow", _PAPER),
    "paper": ("mtc", _PAPER),
    "steady": ("steady", PRESETS["steady"]),
}
"""The same for rounds that ask for nothing."""


def rounds_table(model: str, count: int) -> list[Row]:
    """Edit without asking for anything, again and again: PSNR against the first picture, dB."""
    portraits = list(islice(draws("eval", 2), count))
    means = averaged(spread("rounds", _rounds, model, portraits))
    return [{"method": name, **row} for name, row in means.items()]


def turns_table(model: str, count: int, turns: int = 4) -> list[Row]:
    """Edit turn after turn; how near the last picture is to the truth.

    Success is the share of turns whose change is seen right after it, kept the share of all other
    visible attributes that are still right (after the first turn, and at the end); the distances
    are mean absolute differences (0 to 255) to the exact truth at the end, in all and outside
    everything that was changed.
    """
    means = averaged(spread("turns", _follow_all, model, sequences(count, turns)))
    return [{"method": name, **row} for name, row in means.items()]


def _rounds(model: str, seed: int, portrait: Portrait) -> dict[str, dict[str, float]]:
    first, said = Picture(draw(portrait)), caption(portrait.attributes.visible())
    found: dict[str, dict[str, float]] = {}
    for name, (method, settings) in WALKS.items():
        current, quality = first, {}
        for n in range(1, max(ROUNDS) + 1):
            result = editor_of(model).edit(
                EditRequest(current, first, said, said),
                settings=replace(settings, guidance=1.0),
                seed=100 * seed + n,
                method=method,
            )
            current = Picture(result.picture, result.latents)
            if n in ROUNDS:
                quality[f"round {n}"] = psnr(first.image, result.picture)
        found[name] = quality
    return found


def _follow_all(model: str, seed: int, sequence: list[Turn]) -> dict[str, dict[str, float]]:
    flux = editor_of(model).flux  # but no row may profit from another's inversions
    return {name: _follow(Editor(flux), name, sequence, seed) for name in METHODS}


def _follow(editor: Editor, name: str, sequence: list[Turn], seed: int) -> dict[str, float]:
    method, settings = METHODS[name]
    start, truth = sequence[0].before, sequence[-1].after
    current = original = Picture(draw(start))
    done, kept, seconds, forwards = [], [], 0.0, 0
    for n, turn in enumerate(sequence):
        result = editor.edit(
            EditRequest(current, original, turn.source_prompt, turn.target_prompt, turn.edit_words),
            settings=settings(turn.kind, n),
            seed=1000 * seed + n,
            method=method,
        )
        seconds += result.report.seconds
        forwards += result.report.forwards
        current = Picture(result.picture, result.latents)
        seen = reader().read(result.picture).attributes
        done.append(agrees(seen, turn.changed))
        changed = {name for earlier in sequence[: n + 1] for name in earlier.changed}
        visible = turn.after.attributes.visible()
        kept.append([seen.get(name) == visible[name] for name in visible.keys() - changed])
    mask = change_mask(start, truth)
    inside, outside = identity_distance(current.image, truth, mask)
    return {
        "success, turn 1": done[0],
        "kept, turn 1": fmean(kept[0]),
        "success": fmean(done),
        "kept": fmean(kept[-1]),
        "distance": inside * float(mask.mean()) + outside * float(1 - mask.mean()),
        "distance outside": outside,
        "seconds a turn": seconds / len(sequence),
        "model calls a turn": forwards / len(sequence),
    }


@dataclass(frozen=True)
class Made:
    """How one edit came out, against the exact truth."""

    seen: bool
    """Whether the change is."""
    kept: float
    """The share of other visible attributes that are right."""
    outside: float
    """Mean distance to the truth outside the change, 0 to 255."""

    @property
    def right(self) -> bool:
        """Whether the change is seen and nothing else is spoilt."""
        return self.seen and self.kept == 1

    def columns(self, kind: str) -> dict[str, float]:
        """The same as columns of a table, with one for the kind of change."""
        return {
            kind: float(self.right),
            "seen": float(self.seen),
            "kept": self.kept,
            "distance outside": self.outside,
        }


def measured(picture: Image.Image, turn: Turn) -> Made:
    """Compare the picture of an edit with its truth."""
    seen, visible = reader().read(picture).attributes, turn.after.attributes.visible()
    return Made(
        seen=agrees(seen, turn.changed),
        kept=fmean(seen.get(name) == visible[name] for name in visible.keys() - turn.changed),
        outside=identity_distance(picture, turn.after, change_mask(turn.before, turn.after))[1],
    )


def agrees(seen: dict[str, str], changed: dict[str, str]) -> bool:
    """Whether every change is seen."""
    return all(seen.get(name) == value for name, value in changed.items())
