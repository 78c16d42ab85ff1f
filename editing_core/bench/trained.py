"""What a way of training anchor is worth: models trained in several ways, over six turns.

`python -m editing_core.bench trained DIR [DIR ...]` takes folders that
`python -m editing_core.anchor.train --write DIR` wrote; the first is what the others are set
beside, sequence by sequence. A model of `--without causal` goes after `--bidirectional`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from statistics import fmean

import numpy as np

from editing_core.anchor.bidirectional import BidirectionalEngine
from editing_core.anchor.data import encode_portraits
from editing_core.anchor.engine import AnchorEngine, engine
from editing_core.bench.measured import agrees, distances
from editing_core.bench.parallel import Row, map_parallel
from editing_core.bench.rollouts import edited
from editing_core.bench.sequences import sequences
from editing_core.bench.summary import jackknife
from editing_core.bench.tables import markdown
from editing_core.bench.variants import Variant, always
from editing_core.methods import anchor
from editing_core.portraits.classifier import load_classifier
from editing_core.settings import PRESETS

TURNS = 6
SEED = 9  # of sequences that nothing else is measured on

Job = tuple[Path, bool, int]
"""A folder of weights, whether its memories see each other both ways, and a sequence's number."""


def main(argv: Sequence[str]) -> int:
    """Print the table; return an exit code."""
    parser = argparse.ArgumentParser(prog="python -m editing_core.bench trained",
                                     description=__doc__)  # fmt: skip
    parser.add_argument("weights", type=Path, nargs="+", metavar="DIR")
    parser.add_argument("--bidirectional", type=Path, nargs="*", default=[], metavar="DIR")
    parser.add_argument("--count", type=int, default=24, metavar="N", help="sequences")
    args = parser.parse_args(argv)
    models = [*((one, False) for one in args.weights), *((one, True) for one in args.bidirectional)]
    jobs: list[Job] = [(*model, number) for model in models for number in range(args.count)]
    found = [*map_parallel("trained", followed, "portraits-128", jobs)]
    walks = [found[n : n + args.count] for n in range(0, len(found), args.count)]
    print(
        markdown([row(model[0], walk, walks[0]) for model, walk in zip(models, walks, strict=True)])
    )
    return 0


def followed(model: str, _: int, job: Job) -> dict[str, float]:
    """Follow one sequence: share of edits seen, and how far its last picture is from the truth."""
    folder, both_ways, number = job
    by, settings = painter(folder, both_ways), PRESETS["steady"]
    way = Variant(lambda context: anchor.edit(context, by), always(settings), remembers=True)
    turns = sequences(number + 1, TURNS, seed=SEED)[number]
    seen = []
    for turn, result in zip(turns, edited(model, way, turns, number), strict=True):
        seen.append(agrees(load_classifier().classify(result.picture).attributes, turn.changed))
    apart = result.latents - encode_portraits([turns[-1].after])
    return {
        "edits": fmean(seen),
        f"error, {TURNS}": float(apart.square().mean().sqrt()),
        f"L1, {TURNS}": distances(result.picture, turns[0].before, turns[-1].after)["L1"],
    }


@cache
def painter(folder: Path, both_ways: bool) -> AnchorEngine:
    """The engine of a folder's weights."""
    whole = engine(folder)
    return BidirectionalEngine(whole.anchor) if both_ways else whole


def row(folder: Path, walks: Sequence[dict[str, float]], others: Sequence[dict[str, float]]) -> Row:
    """Means over sequences with 95 % intervals, and beside them the differences to others."""
    cells: Row = {"weights": str(folder)}
    for name in walks[0]:
        cells[name] = jackknife([walk[name] for walk in walks], np.mean)
        if walks is not others:
            pairs = zip(walks, others, strict=True)
            cells[name] = (
                f"{cells[name]} ({jackknife([a[name] - b[name] for a, b in pairs], np.mean)})"
            )
    return cells
