"""Walks: one way to edit, along one sequence of turns, measured after each and kept in a file.

"turns" ask for one thing each; "rounds" ask for nothing; "back" asks for a thing and for its
opposite, again and again; what `stress` makes is hard on memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image

from editing_core import metrics
from editing_core.bench.measured import drawn, measure_turn
from editing_core.bench.parallel import editor_of, map_parallel
from editing_core.bench.sequences import (
    SequenceTurn,
    contradicting,
    one_region,
    returning,
    sequences,
)
from editing_core.bench.variants import WAYS, Variant
from editing_core.editor import Editor, EditRequest, EditResult, Picture
from editing_core.models.canvas import Canvas
from editing_core.portraits.instructions import wish
from editing_core.portraits.schema import SIZE, draws

LONG = 20
"""Turns of a long walk."""
MARKS = (4, 10, LONG)
"""Turns at which tables are made."""
STRESS = {
    "returning": returning,
    "contradicting": contradicting,
    "one region": one_region,
}
"""Kinds that are hard on memory."""
SHOWN = 8
"""So many walks of a kind keep their pictures."""

Step = tuple[Image.Image, dict[str, Any]]
"""A picture, and what was measured of it."""


@dataclass(frozen=True)
class Rollout:
    """One file's worth of work; numbers count from 0."""

    kind: str
    way: str
    number: int
    turns: int

    def file(self, out: Path) -> Path:
        """Where its numbers are kept."""
        return self.folder(out) / f"{self.number:03}.json"

    def picture(self, out: Path, turn: int) -> Path:
        """Where the picture after a turn is kept, turns counted from 1."""
        return self.folder(out) / f"{self.number:03}-{turn:02}.png"

    def folder(self, out: Path) -> Path:
        """Where its kind and way lie."""
        return out / self.kind.replace(" ", "-") / self.way.replace(" ", "-").replace(",", "")


def take(walks: list[Rollout], model: str, out: Path) -> None:
    """Take the walks that are not there yet, or are shorter there, on all cores."""
    missing = [(walk, out) for walk in walks if not _whole(walk, out)]
    for _ in map_parallel(str(out), _take, model, missing):
        pass


def found(walk: Rollout, out: Path) -> list[dict[str, Any]]:
    """Return what was measured after each turn of a walk that was taken."""
    rows: list[dict[str, Any]] = json.loads(walk.file(out).read_text())
    return rows[: walk.turns]


def _whole(walk: Rollout, out: Path) -> bool:
    return walk.file(out).exists() and len(found(walk, out)) == walk.turns


def _take(model: str, _: int, job: tuple[Rollout, Path]) -> None:
    walk, out = job
    file = walk.file(out)
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    for n, (picture, row) in enumerate(KINDS[walk.kind](model, WAYS[walk.way], walk)):
        rows.append(row)
        if walk.number < SHOWN:
            picture.save(walk.picture(out, n + 1))
    part = file.with_suffix(".part")
    part.write_text(json.dumps(rows))
    part.replace(file)


def edited(model: str, way: Variant, turns: list[SequenceTurn], seed: int) -> Iterator[EditResult]:
    """Make edit after edit; no walk profits from another's inversions."""
    editor = Editor(editor_of(model).model)
    current = original = Picture(drawn(turns[0].before, SIZE))
    shown = [(original, "")]
    for n, turn in enumerate(turns):
        result = editor.edit(
            EditRequest(
                current,
                original,
                turn.source_prompt,
                turn.target_prompt,
                turn.edit_words,
                history=tuple(shown) if way.remembers else (),
            ),
            settings=way.settings(turn.kind, n),
            seed=1000 * seed + n,
            method=way.method,
        )
        yield result
        current = Picture(result.picture, result.latents if way.latents_stay else None)
        shown.append((current, wish(turn.source_prompt, turn.target_prompt)))


def _turns(model: str, way: Variant, walk: Rollout) -> Iterator[Step]:
    return _along(model, way, walk, sequence(walk.number)[: walk.turns])


def _along(model: str, way: Variant, walk: Rollout, turns: list[SequenceTurn]) -> Iterator[Step]:
    seen = turns[0].before.attributes.visible()
    for n, result in enumerate(edited(model, way, turns, walk.number), start=1):
        row, output = measure_turn(result.picture, turns[:n], seen)
        seen = output.prediction.attributes
        kept = {"features": output.features.round(4).tolist()} if n in MARKS else {}
        yield result.picture, {"kind": turns[n - 1].kind, **row, **_cost(result), **kept}


def _stressed(
    make: Callable[[int, int], list[SequenceTurn]], model: str, way: Variant, walk: Rollout
) -> Iterator[Step]:
    return _along(model, way, walk, make(walk.number, walk.turns))


def _rounds(model: str, way: Variant, walk: Rollout) -> Iterator[Step]:
    portrait = next(islice(draws("eval", 2), walk.number, None))
    flux, canvas = editor_of(model).model, Canvas(SIZE, SIZE)
    first = drawn(portrait, SIZE)
    decoded = flux.decode(flux.encode(first), canvas)
    plain = replace(way, settings=lambda change, n: replace(way.settings(change, n), guidance=1.0))
    nothing = [SequenceTurn(portrait, portrait)] * walk.turns
    for result in edited(model, plain, nothing, 100 + walk.number):
        again = flux.decode(result.latents.to(flux.device), canvas)
        yield (
            result.picture,
            {
                "PSNR": metrics.psnr(first, result.picture),
                "PSNR of latents": metrics.psnr(decoded, again),
                **_cost(result),
            },
        )


def _back(model: str, way: Variant, walk: Rollout) -> Iterator[Step]:
    there = sequence(walk.number)[0]
    both = [there, SequenceTurn(there.after, there.before)] * (walk.turns // 2)
    seen = there.before.attributes.visible()
    for n, result in enumerate(edited(model, way, both, walk.number)):
        row, output = measure_turn(result.picture, both[: n + 1], seen)
        seen = output.prediction.attributes
        yield result.picture, {**row, **_cost(result)}


def sequence(number: int) -> list[SequenceTurn]:
    """Return a sequence of `LONG` turns."""
    return _sequences(-(-(number + 1) // 100) * 100)[number]


@lru_cache(2)
def _sequences(count: int) -> list[list[SequenceTurn]]:
    return sequences(count, LONG)


def _cost(result: EditResult) -> dict[str, float]:
    return {"seconds": result.report.seconds, "model calls": result.report.forwards}


KINDS: dict[str, Callable[[str, Variant, Rollout], Iterator[Step]]] = {
    "turns": _turns,
    "rounds": _rounds,
    "back": _back,
    **{kind: partial(_stressed, make) for kind, make in STRESS.items()},
}
