"""What quick drafts save and what they cost, beside fewer steps and diffusers' caches of blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count as counter
from typing import Any

import numpy as np
import torch
from diffusers import FirstBlockCacheConfig, TaylorSeerCacheConfig

from editing_core.bench.measured import drawn, measure_turn
from editing_core.bench.parallel import Row, editor_of, map_parallel
from editing_core.bench.sequences import SequenceTurn, sequences
from editing_core.bench.summary import jackknife
from editing_core.bench.timing import replaced
from editing_core.editor import Editor, EditRequest, EditResult, Picture
from editing_core.methods.context import EditContext, EditOutput
from editing_core.methods.registry import method_named
from editing_core.metrics import pixels_of
from editing_core.models.base import TextEmbedding
from editing_core.models.diffusers_model import DiffusersModel
from editing_core.portraits.schema import SIZE
from editing_core.settings import PRESETS, EditSettings

TURNS = 4
METHODS = {"steady": ("steady", PRESETS["steady"]), "paper, fitted": ("mtc", PRESETS["paper"])}
COLUMNS = ("model calls", "moved", "success", "kept", "L1 outside")


@dataclass(frozen=True)
class Saving:
    """A way to save model calls: other settings, or a cache of diffusers'."""

    settings: Callable[[EditSettings], EditSettings] = lambda s: s
    cache: Any = None


def _steps(count: int) -> Saving:
    return Saving(lambda s: replace(s, steps=count))


def _taylor(order: int) -> Saving:
    every_second = TaylorSeerCacheConfig(
        cache_interval=2,
        disable_cache_before_step=3,
        max_order=order,
        taylor_factors_dtype=torch.float32,
        use_lite_mode=True,
    )
    return Saving(cache=every_second)


SAVINGS = {
    "in full": Saving(),
    "draft": Saving(EditSettings.drafted),
    "6 steps": _steps(6),
    "5 steps": _steps(5),
    "TaylorSeer, order 0": _taylor(0),
    "TaylorSeer, order 1": _taylor(1),
    "first block cache, 0.1": Saving(cache=FirstBlockCacheConfig(threshold=0.1)),
    "first block cache, 0.2": Saving(cache=FirstBlockCacheConfig(threshold=0.2)),
    "first block cache, 0.5": Saving(cache=FirstBlockCacheConfig(threshold=0.5)),
}


def drafts_table(model: str, count: int) -> list[Row]:
    """Walk `count` held-out sequences of four turns by two methods, saving calls in every way.

    "Model calls" counts blocks that were computed, in calls of all of them, a turn; "moved" is how
    far the first picture is from that made in full, "L1 outside" that of the last from the truth
    outside all changes (0 to 255); success and kept are means over the turns. With 95 % intervals.
    """
    found = list(map_parallel("drafts", _walked, model, sequences(count, TURNS)))
    return [
        {"method": method, "way": way}
        | {name: jackknife([each[method, way][name] for each in found], np.mean)
           for name in COLUMNS}
        for method, way in found[0]
    ]  # fmt: skip


def _walked(
    model: str, seed: int, turns: list[SequenceTurn]
) -> dict[tuple[str, str], dict[str, float]]:
    flux = editor_of(model).model
    assert isinstance(flux, DiffusersModel)
    rows = {}
    for name, (method, preset) in METHODS.items():
        full = None
        for way, saving in SAVINGS.items():
            with _blocks_computed(flux) as computed:
                results = list(_edited(flux, method, preset, saving, turns, seed))
            first = pixels_of(results[0].picture)
            full = first if full is None else full
            rows[name, way] = _measured(results, turns) | {
                "model calls": sum(computed.values()) / len(computed) / len(turns),
                "moved": float(np.abs(first - full).mean()),
            }
    return rows


def _edited(
    flux: DiffusersModel,
    method: str,
    preset: EditSettings,
    saving: Saving,
    turns: list[SequenceTurn],
    seed: int,
) -> Iterator[EditResult]:
    editor = Editor(flux)
    current = original = Picture(drawn(turns[0].before, SIZE))
    for n, turn in enumerate(turns):
        asked = EditRequest(
            current, original, turn.source_prompt, turn.target_prompt, turn.edit_words
        )
        yield (
            made := editor.edit(
                asked,
                settings=saving.settings(preset.fitted(turn.kind, n)),
                seed=1000 * seed + n,
                method=cached(method, saving.cache) if saving.cache else method,
            )
        )
        current = Picture(made.picture, made.latents)


def cached(method: str, config: Any) -> Callable[[EditContext], EditOutput]:
    """Return a method whose sampling runs under a cache of diffusers', its inversion without."""
    edit = method_named(method).edit

    def edit_cached(context: EditContext) -> EditOutput:
        flux, fresh = context.model, counter()
        assert isinstance(flux, DiffusersModel)
        sampling = {context.target.prompt} | (
            {context.source.prompt} if method == "steady" else set()
        )
        velocity = flux.velocity

        def remembered(x: Any, t: float, text: TextEmbedding, **how: Any) -> Any:
            name = text.prompt if text.prompt in sampling else f"inverting {next(fresh)}"
            with flux.transformer.cache_context(name):
                return velocity(x, t, text, **how)

        flux.transformer.enable_cache(config)
        try:
            with replaced(flux, "velocity", remembered):
                return edit(context)
        finally:
            flux.transformer.disable_cache()

    return edit_cached


@contextmanager
def _blocks_computed(flux: DiffusersModel) -> Iterator[Counter[int]]:
    """Count how often each block computes its queries, which it does once a call or not at all."""
    blocks = [*flux.transformer.transformer_blocks, *flux.transformer.single_transformer_blocks]
    computed: Counter[int] = Counter()
    hooks = [
        block.attn.to_q.register_forward_hook(lambda *_, n=n: computed.update([n]))
        for n, block in enumerate(blocks)
    ]
    try:
        yield computed
    finally:
        for hook in hooks:
            hook.remove()


def _measured(results: list[EditResult], turns: list[SequenceTurn]) -> dict[str, float]:
    seen = turns[0].before.attributes.visible()
    rows = []
    for n, made in enumerate(results, start=1):
        row, output = measure_turn(made.picture, turns[:n], seen)
        seen = output.prediction.attributes
        rows.append(row)
    means = {name: float(np.mean([row[name] for row in rows if name in row]))
             for name in ("success", "kept")}  # fmt: skip
    return means | {"L1 outside": rows[-1]["L1 outside"]}
