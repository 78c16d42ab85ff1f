"""The rows of the report: methods, each with its settings, and what their parts are worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from editing_core.methods import steady
from editing_core.settings import PRESETS, EditSettings

if TYPE_CHECKING:
    from editing_core.methods import Method
    from editing_core.methods.task import Outcome, Task

Fitting = Callable[[str, int], EditSettings]
"""``fitting(change, turns)``: the settings for a kind of change after so many turns."""


@dataclass(frozen=True)
class Way:
    """One way to edit.

    Attributes:
        method: A name in ``METHODS``, or a function like theirs.
        settings: Its numbers.
        latents_stay: Whether a turn starts from the last one's latents, else from its pixels.
    """

    method: str | Method
    settings: Fitting
    latents_stay: bool = True


def always(settings: EditSettings) -> Fitting:
    """Return the same settings for every change."""
    return lambda change, turns: settings


PAPER, STEADY = PRESETS["paper"], PRESETS["steady"]

CONTROLS = {
    "regenerate": Way("regenerate", always(PAPER)),
    "Euler": Way("euler", always(PAPER)),
}
"""What needs no method: drawing the caption afresh, and plain inversion."""
RIVALS = {
    "RF-Inversion": Way("rf-inversion", always(PAPER)),
    "StableFlow": Way("stableflow", always(PAPER)),
    "FlowEdit": Way("flowedit", always(PAPER)),
    "RF-Solver": Way("rf-solver", always(PAPER)),
    "FireFlow": Way("fireflow", always(PAPER)),
    "MasaCtrl": Way("masactrl", always(PAPER)),
    "PnP Inversion": Way("pnp", always(PAPER)),
}
OURS = {
    "paper": Way("mtc", always(PAPER)),
    "paper, fitted": Way("mtc", PAPER.fitted),
    "steady": Way("steady", STEADY.fitted),
}
PARTS_OF_PAPER = {
    "paper-15": Way("mtc", always(PRESETS["paper-15"])),
    "code": Way("mtc", always(PRESETS["code"])),
    "single-objective": Way("mtc", always(replace(PAPER, lam=1.0))),
    "high-activation attention": Way("mtc", always(replace(PAPER, ranks=(1, 5)))),
    "no attention": Way("mtc", always(replace(PAPER, amplify=1.0, damp=1.0))),
}
"""The paper's own ablations, and its other two sets of numbers."""


def _steady(**numbers: Any) -> Way:
    own = steady.Numbers(**numbers)
    return Way(lambda task: steady.edit(task, own), STEADY.fitted)


def _everywhere(task: Task) -> Outcome:
    return steady.edit(task, steady.Numbers(hardly=-1.0, clearly=0.0))


PARTS_OF_STEADY = {
    "no region": Way(_everywhere, always(replace(STEADY, keep="nothing"))),
    "region only in the walk": Way("steady", always(replace(STEADY, keep="nothing"))),
    "region of whole tokens": _steady(by_token=True),
    "region only at the end": _steady(free_steps=STEADY.steps),
    "an eighth skipped": _steady(skipped=1 / 8),
    "three steps free": _steady(free_steps=3),
    "source guidance 1.5": _steady(source_guidance=1.5),
    "guidance 3.5": Way("steady", always(replace(STEADY, guidance=3.5))),
    "through the VAE every turn": Way("steady", STEADY.fitted, latents_stay=False),
}
"""Steady with one of its parts taken out."""

WAYS: dict[str, Way] = {**CONTROLS, **RIVALS, **PARTS_OF_PAPER, **OURS, **PARTS_OF_STEADY}
