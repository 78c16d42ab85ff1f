"""The numbers of an edit, each with its meaning and origin, and the presets.

"Paper" is Multi-turn Consistent Image Editing (arXiv 2505.04320); "code" its official release.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

Keep = Literal["nothing", "color", "outside"]
Bounds = tuple[float, float, float, float]
"""Left, top, right and bottom of a box, as shares of a picture's width and height."""
GUIDANCE_RANGE = (1.0, 5.0)  # what guidance-distilled FLUX models are trained on


@dataclass(frozen=True)
class EditSettings:
    """How one edit is made.

    Attributes:
        steps: Solver steps a direction; N steps cost N + 1 model calls (paper: 8 and 15).
        invert_guidance: The model's own guidance while inverting (paper: 1, "none extra").
        guidance: The model's own guidance while sampling (paper: 3.5).
        inversion_prompt: What the model is told while inverting. The paper's text says nothing
            ("null"), its code says the source prompt ("source").
        gamma: Pull of the inversion toward fresh noise (code: 0.5; 0 is plain inversion).
        inversion_denominator: See ``guidance.single_objective``; the paper's literal midpoint
            would erase the picture.
        eta: Pull of the guided sampling steps toward X_dual (paper: 0.9).
        lam: Share of the previous picture in X_dual, the rest is the original (paper: 0.7;
            1 is the single-objective ablation).
        lqr_steps: How many sampling steps are pulled; None leaves it to ``lqr_stop``. The
            paper's first 4 of 15 move the state 15 % of the way to X_dual, 2 of 8 as much
            (14 %); 4 of 8 would be 35 %, and most edits would not happen.
        lqr_stop: The same as a share of all steps (code: 0.25).
        ranks: First and last double block, ranked by activation from 1, whose maps make the
            mask, counted as if there were 19 blocks and scaled to other depths (paper: 10 to 14).
        layers: Layers whose maps make the mask, by number, whatever their rank (not in the paper).
            "measured" are those that `palimpsest models analyse` found for the model; where there
            are none, the ranks choose.
        tau: Threshold of the mean map, in (0, 1) (code: 0.3).
        amplify: Factor on picture-to-text attention inside the mask (paper: 2.0).
        damp: The same outside the mask (paper: 0.8).
        guide_from: First sampling step, from 0, with emphasised attention (code: 4).
        columns: Which text tokens are emphasised: those of the prompt, or the first 15 (code).
        keep: What stays as it was outside the region of the edit (not in the paper): "nothing",
            slow "color", or all that is "outside", pixel by pixel. Finding the region costs four
            model calls.
        bounds: A box outside of which nothing changes, whatever ``keep`` says (not in the paper).
        draft: Whether part of the sampling is reused, for a quick look (not in the paper; see
            ``step_cache``); a model that was distilled takes the few steps that it knows instead.
    """

    steps: int = 8
    invert_guidance: float = 1.0
    guidance: float = 3.5
    inversion_prompt: Literal["source", "null"] = "source"
    gamma: float = 0.5
    inversion_denominator: Literal["code", "start"] = "code"
    eta: float = 0.9
    lam: float = 0.7
    lqr_steps: int | None = 2
    lqr_stop: float = 0.25
    ranks: tuple[int, int] = (10, 14)
    layers: tuple[int, ...] | Literal["measured"] = ()
    tau: float = 0.3
    amplify: float = 2.0
    damp: float = 0.8
    guide_from: int = 4
    columns: Literal["prompt", "first15"] = "prompt"
    keep: Keep = "nothing"
    bounds: Bounds | None = None
    draft: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing."""
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, not {self.steps}")
        for name in ("gamma", "eta", "lam", "lqr_stop", "tau"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], not {getattr(self, name)}")

        if self.bounds is not None:
            left, top, right, bottom = self.bounds
            if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
                raise ValueError(f"bounds must be a box inside the picture, not {self.bounds}")

    @property
    def guided_steps(self) -> int:
        """How many sampling steps are pulled toward X_dual."""
        wanted = int(self.lqr_stop * self.steps) if self.lqr_steps is None else self.lqr_steps
        return min(wanted, self.steps)

    def stronger(self) -> EditSettings:
        """What a person means by stronger: more guidance, one guided step fewer."""
        return self._moved(guidance=1.25, guided=-1)

    def weaker(self) -> EditSettings:
        """The reverse of ``stronger``."""
        return self._moved(guidance=1 / 1.25, guided=+1)

    def rung(self, name: str) -> EditSettings:
        """The settings of another try of the same edit; ``RUNGS`` names them."""
        return RUNGS[name](self)

    def fitted(self, change: str, turns: int) -> EditSettings:
        """The numbers for a kind of change after so many turns; see ``FITTED``."""
        changes = FITTED.get(change, {}) | ({} if turns == 0 else LATER)
        return replace(self, **changes)

    def keeping(self, what: Keep) -> EditSettings:
        """The same with other things left as they were outside the mask."""
        return replace(self, keep=what)

    def bounded(self, box: Bounds | None) -> EditSettings:
        """The same inside a box only."""
        return replace(self, bounds=box)

    def drafted(self) -> EditSettings:
        """The same as a quick draft."""
        return replace(self, draft=True)

    def _moved(self, *, guidance: float, guided: int) -> EditSettings:
        low, high = GUIDANCE_RANGE
        return replace(
            self,
            guidance=min(max(self.guidance * guidance, low), high),
            lqr_steps=min(max(self.guided_steps + guided, 0), self.steps),
        )


PRESETS = {
    "steady": EditSettings(guidance=2.5, keep="outside"),
    "instruct": EditSettings(steps=28, keep="outside"),
    "paper": EditSettings(layers="measured"),
    "paper-15": EditSettings(steps=15, lqr_steps=4, layers="measured"),
    "code": EditSettings(steps=15, lqr_steps=None, ranks=(12, 15), columns="first15"),
}

OTHER_SEED = 10_000  # added to an edit's seed where another one is tried

RUNGS: dict[str, Callable[[EditSettings], EditSettings]] = {
    "first": lambda s: s,
    "stronger": lambda s: s.stronger(),
    "much stronger": lambda s: s.stronger().stronger(),
    "weaker": lambda s: s.weaker(),
    "more guidance": lambda s: replace(s, guidance=min(1.25 * s.guidance, GUIDANCE_RANGE[1])),
    "less guided": lambda s: replace(s, lqr_steps=max(s.guided_steps - 1, 0)),
    "weaker pull": lambda s: replace(s, eta=0.75 * s.eta),
    "previous only": lambda s: replace(s, lam=1.0),
    "original only": lambda s: replace(s, lam=0.0),
    "more attention": lambda s: replace(s, tau=s.tau / 2, amplify=1.5 * s.amplify),
    "more steps": lambda s: replace(s, steps=s.steps * 3 // 2, lqr_steps=s.guided_steps * 3 // 2),
    "anywhere": lambda s: replace(s, keep="nothing"),
    "another seed": lambda s: s,
}
"""Ways to try an edit again, by what people read; ``bench rungs`` measures what each is good for.

"another seed" is for the caller to choose.
"""

_MILD = {"guidance": 2.5, "lqr_steps": 1, "eta": 0.7}
FITTED: dict[str, dict[str, Any]] = {
    **dict.fromkeys(
        ("add", "remove", "replace", "color", "attribute"), {**_MILD, "keep": "outside"}
    ),
    "background": _MILD,
    "style": {"keep": "nothing"},
    "pose": {"keep": "nothing"},
}
LATER: dict[str, Any] = {"lam": 0.4}
"""What a preset changes for a kind of change, and after the first turn: what was seen most often in
`python -m editing_core.bench numbers`, and of equals what came nearest to the truth."""
