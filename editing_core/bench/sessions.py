"""Long sessions: what a memory of all turns is worth, and what it costs.

`python -m editing_core.bench sessions --out DIR` writes tables of sessions of 10 and 20 turns, of
sequences that are hard on memory, of anchor's parts, and of the cost of a turn up to the hundredth.
A folder of `report` may be gone on with: the walks of both are the same.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from editing_core.anchor.engine import engine
from editing_core.bench.parallel import Row
from editing_core.bench.rollouts import LONG, MARKS, STRESS, Rollout, edited, found, take
from editing_core.bench.sequences import sequences
from editing_core.bench.tables import Walked, against, at_turn, markdown
from editing_core.bench.variants import PARTS_OF_ANCHOR, WAYS

MIDDLE = MARKS[1]
OTHERS = ("regenerate", "RF-Inversion", "paper, fitted", "steady")
"""The best of the others at one thing or another over ten turns, in `report`."""
TIMED = (5, 20, 50, 100)
SHOWN = ("method", "n", "success", "SR", "CR", "kept", "never asked for", "similarity", "L1",
         "L1 outside", "SSIM outside", "drift", "seconds", "model calls")  # fmt: skip


def main(argv: Sequence[str]) -> int:
    """Take the walks that are missing and write the tables; return an exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m editing_core.bench sessions", description=__doc__
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--model", default="portraits-128")
    parser.add_argument("--count", type=int, default=20, metavar="N", help="ordinary sessions")
    parser.add_argument("--stress", type=int, default=8, metavar="N", help="of each hard kind")
    parser.add_argument("--against", nargs="*", choices=WAYS, default=OTHERS, metavar="METHOD")
    args = parser.parse_args(argv)
    walks = planned(args.count, args.stress, [*args.against, "anchor"])
    take(walks, args.model, args.out)
    tables = written(walks, args.out) | {"cost of a turn": cost(args.model)}
    texts = [f"### {name}\n\n{markdown(rows)}\n" for name, rows in tables.items()]
    (args.out / "sessions.md").write_text("\n".join(texts))
    (args.out / "sessions.json").write_text(json.dumps(tables, indent=1, default=vars))
    print("\n".join(texts))
    return 0


def planned(count: int, stress: int, ways: Sequence[str]) -> list[Rollout]:
    """Return all walks; those of anchor's parts have ten turns."""
    counts = {"turns": count, **dict.fromkeys(STRESS, stress)}
    some = [(kind, n) for kind, most in counts.items() for n in range(most)]
    whole = [Rollout(kind, way, n, LONG) for kind, n in some for way in ways]
    parts = [Rollout("turns", way, n, MIDDLE) for n in range(count) for way in PARTS_OF_ANCHOR]
    return [*whole, *parts]


def written(walks: Sequence[Rollout], out: Path) -> dict[str, list[Row]]:
    """Return the tables of walks that were taken."""
    kinds: dict[str, dict[str, list[list[dict]]]] = {}  # type: ignore[type-arg]
    for walk in walks:
        kinds.setdefault(walk.kind, {}).setdefault(walk.way, []).append(found(walk, out))
    turns = kinds["turns"]
    main = {way: steps for way, steps in turns.items() if way not in PARTS_OF_ANCHOR}
    parts = {way: turns[way] for way in ("anchor", *PARTS_OF_ANCHOR)}
    tables = {f"turn {turn}": _table(main, turn) for turn in MARKS}
    tables |= {f"{kind}, turn {LONG}": _table(kinds[kind], LONG) for kind in STRESS}
    tables[f"parts of anchor, turn {MIDDLE}"] = _table(parts, MIDDLE)
    for way in PARTS_OF_ANCHOR:
        pair = {"anchor": parts["anchor"], way: parts[way]}
        tables[f"anchor against {way}, turn {MIDDLE}"] = against(pair, "anchor", MIDDLE)
    return tables


def cost(model: str) -> list[Row]:
    """Seconds of a turn, the median of five, and bytes of the memory, in a session of a hundred."""
    turns, painter, rows = sequences(1, TIMED[-1], seed=8)[0], engine(), list[Row]()
    took: list[float] = []
    started = time.process_time()
    for n, result in enumerate(edited(model, WAYS["anchor"], turns, 0), start=1):
        took.append(time.process_time() - started)
        if n in TIMED:
            kept = painter.latest
            rows.append(
                {
                    "turn": str(n),
                    "seconds": median(took[-5:]),
                    "model calls": str(result.report.forwards),
                    "remembered": ", ".join(str(frame.turn) for frame in kept.frames),
                    "MB": sum(frame.kept.nbytes for frame in kept.frames) / 1e6,
                }
            )
        started = time.process_time()
    return rows


def _table(walked: Walked, turn: int) -> list[Row]:
    return [{name: row[name] for name in SHOWN} for row in at_turn(walked, turn)]
