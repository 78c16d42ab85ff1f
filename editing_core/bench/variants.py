"""The rows of the report: methods, each with its settings, and what their parts are worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from editing_core.anchor.attention import Frame, KVCache
from editing_core.anchor.engine import AnchorEngine, engine
from editing_core.methods import anchor, steady
from editing_core.settings import PRESETS, EditSettings

if TYPE_CHECKING:
    from editing_core.methods.base import Method
    from editing_core.methods.context import EditContext, EditOutput

Fitting = Callable[[str, int], EditSettings]
"""``fitting(change, turns)``: the settings for a kind of change after so many turns."""


@dataclass(frozen=True)
class Variant:
    """One way to edit.

    Attributes:
        method: A name in ``METHODS``, or a function like theirs.
        settings: Its numbers.
        latents_stay: Whether a turn starts from the last one's latents, else from its pixels.
        remembers: Whether it is told of all turns so far.
    """

    method: str | Method
    settings: Fitting
    latents_stay: bool = True
    remembers: bool = False


def always(settings: EditSettings) -> Fitting:
    """Return the same settings for every change."""
    return lambda change, turns: settings


PAPER, STEADY = PRESETS["paper"], PRESETS["steady"]

CONTROLS = {
    "regenerate": Variant("regenerate", always(PAPER)),
    "Euler": Variant("euler", always(PAPER)),
}
"""What needs no method: drawing the caption afresh, and plain inversion."""
RIVALS = {
    "RF-Inversion": Variant("rf-inversion", always(PAPER)),
    "StableFlow": Variant("stableflow", always(PAPER)),
    "FlowEdit": Variant("flowedit", always(PAPER)),
    "RF-Solver": Variant("rf-solver", always(PAPER)),
    "FireFlow": Variant("fireflow", always(PAPER)),
    "MasaCtrl": Variant("masactrl", always(PAPER)),
    "PnP Inversion": Variant("pnp", always(PAPER)),
}
OURS = {
    "paper": Variant("mtc", always(PAPER)),
    "paper, fitted": Variant("mtc", PAPER.fitted),
    "steady": Variant("steady", STEADY.fitted),
}
ON_PORTRAITS = {
    "anchor": Variant("anchor", STEADY.fitted, remembers=True),
}
"""What was trained on the portraits alone."""
PARTS_OF_PAPER = {
    "paper-15": Variant("mtc", always(PRESETS["paper-15"])),
    "code": Variant("mtc", always(PRESETS["code"])),
    "single-objective": Variant("mtc", always(replace(PAPER, lam=1.0))),
    "the paper's ranks": Variant("mtc", always(replace(PAPER, layers=()))),
    "the paper's ranks, fitted": Variant("mtc", replace(PAPER, layers=()).fitted),
    "high-activation attention": Variant("mtc", always(replace(PAPER, layers=(), ranks=(1, 5)))),
    "no attention": Variant("mtc", always(replace(PAPER, amplify=1.0, damp=1.0))),
}
"""The paper's own ablations and its other two sets of numbers; PAPER takes measured layers."""


def _steady(**numbers: Any) -> Variant:
    own = steady.SteadyConfig(**numbers)
    return Variant(lambda context: steady.edit(context, own), STEADY.fitted)


def _everywhere(context: EditContext) -> EditOutput:
    return steady.edit(context, steady.SteadyConfig(hardly=-1.0, clearly=0.0))


PARTS_OF_STEADY = {
    "no region": Variant(_everywhere, always(replace(STEADY, keep="nothing"))),
    "region only in the walk": Variant("steady", always(replace(STEADY, keep="nothing"))),
    "region of whole tokens": _steady(by_token=True),
    "region only at the end": _steady(free_steps=STEADY.steps),
    "an eighth skipped": _steady(skipped=1 / 8),
    "three steps free": _steady(free_steps=3),
    "source guidance 1.5": _steady(source_guidance=1.5),
    "guidance 3.5": Variant("steady", always(replace(STEADY, guidance=3.5))),
    "through the VAE every turn": Variant("steady", STEADY.fitted, latents_stay=False),
}
"""Steady with one of its parts taken out."""


def _anchor(by: Callable[[], AnchorEngine] = engine, steps: int = 4) -> Variant:
    times = tuple(1 - n / steps for n in range(steps))
    return Variant(lambda context: anchor.edit(context, by(), times), STEADY.fitted, remembers=True)


@cache
def _remembering(empty: KVCache) -> AnchorEngine:
    return AnchorEngine(engine().anchor, empty)


@cache
def _guided(by: float) -> AnchorEngine:
    return AnchorEngine(engine().anchor, guidance=lambda t: by)


class Unanchored(KVCache):
    """One that forgets the original like any other picture."""

    @property
    def seen(self) -> tuple[Frame, ...]:
        """What the next picture attends to."""
        return super().seen[1:] or self.frames[:1]


PARTS_OF_ANCHOR = {
    "no original in memory": _anchor(lambda: _remembering(Unanchored())),
    "the original alone": _anchor(lambda: _remembering(KVCache(window=0))),
    "window 1": _anchor(lambda: _remembering(KVCache(window=1))),
    "window 6": _anchor(lambda: _remembering(KVCache(window=6))),
    "12 steps": _anchor(steps=12),
    "24 steps": _anchor(steps=24),
    "no guidance": _anchor(lambda: _guided(1.0)),
    "guidance 1.5 in all steps": _anchor(lambda: _guided(1.5)),
    "all of it repainted": Variant(
        "anchor", always(replace(STEADY, keep="nothing")), remembers=True
    ),
}
"""Anchor with another memory, more steps, other guidance, or its region left out."""

WAYS: dict[str, Variant] = {**CONTROLS, **RIVALS, **PARTS_OF_PAPER, **OURS, **PARTS_OF_STEADY,
                        **ON_PORTRAITS, **PARTS_OF_ANCHOR}  # fmt: skip
