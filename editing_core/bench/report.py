"""The whole report: every method walks the same sequences; tables, curves, filmstrips, numbers.

`python -m editing_core.bench report --out DIR` takes up where it was stopped: a walk whose file is
there is not taken again. A folder belongs to one state of the code; begin another after a change.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from editing_core.bench import page
from editing_core.bench.rollouts import LONG, MARKS, SHOWN, Rollout, found, take
from editing_core.bench.summary import Steps
from editing_core.bench.tables import Walked, after_each, against, at_turn, markdown
from editing_core.bench.variants import (
    CONTROLS,
    ON_PORTRAITS,
    OURS,
    PARTS_OF_PAPER,
    PARTS_OF_STEADY,
    RIVALS,
    Variant,
)

SHORT, MIDDLE, _ = MARKS
ROUNDS = (1, 2, 4, 8, 20)
BACK = (2, 4, 10, 20)
CHAMPION = "steady"
MISSING = 3
"""Exit code where something is not installed, as chat.py's."""
MAIN = [*CONTROLS, *RIVALS, *OURS, *ON_PORTRAITS]


@dataclass(frozen=True)
class Size:
    """How much is walked.

    Attributes:
        sequences: Those of `SHORT` turns.
        long: Those of them that go on to `LONG`.
        parts: Those on which the parts of the paper and of steady are tried.
        portraits: Those of rounds, and of there-and-back.
    """

    sequences: int = 100
    long: int = 24
    parts: int = 40
    portraits: int = 8


QUICK = Size(sequences=2, long=1, parts=1, portraits=1)


def main(argv: Sequence[str]) -> int:
    """Take the walks that are missing, write the report, and return an exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m editing_core.bench report", description=__doc__
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--model", default="portraits")
    parser.add_argument(
        "--quick", action="store_true", help="a few sequences, minutes, wide intervals"
    )
    for name in ("sequences", "long", "parts", "portraits"):
        parser.add_argument(f"--{name}", type=int, metavar="N")
    args = parser.parse_args(argv)
    base = QUICK if args.quick else Size()
    size = Size(**{n: getattr(args, n) or v for n, v in vars(base).items()})
    if find_spec("matplotlib") is None:
        print("bench: Curves are drawn with matplotlib: pip install -e '.[bench]'", file=sys.stderr)
        return MISSING
    walks = planned(size)
    take(walks, args.model, args.out)
    write({walk: found(walk, args.out) for walk in walks}, args.out)
    print(args.out / "index.html")
    return 0


def planned(size: Size) -> list[Rollout]:
    """Return all walks, those first that tell most."""

    def turns(numbers: range, turns: int) -> list[Rollout]:
        return [Rollout("turns", way, n, turns) for n in numbers for way in MAIN]

    parts = [
        Rollout("turns", way, n, turns)
        for n in range(size.parts)
        for ways, turns in ((PARTS_OF_PAPER, SHORT), (PARTS_OF_STEADY, MIDDLE))
        for way in ways
    ]
    idle = [
        Rollout(kind, way, n, LONG)
        for n in range(size.portraits)
        for kind in ("back", "rounds")
        for way in MAIN
    ]
    long, short = range(size.long), range(size.long, size.sequences)
    return [*turns(long, LONG), *parts, *idle, *turns(short, SHORT)]


def write(taken: Mapping[Rollout, Steps], out: Path) -> None:
    """Write all tables as Markdown and as numbers, and the page with curves and filmstrips."""
    kinds: dict[str, dict[str, list[Steps]]] = {}
    for walk, steps in sorted(taken.items(), key=lambda item: item[0].number):
        kinds.setdefault(walk.kind, {}).setdefault(walk.way, []).append(steps)
    turns = kinds["turns"]
    main = {way: turns[way] for way in MAIN}
    duel = f"{CHAMPION} against the best of the others"
    tables = {
        **{f"turn {mark}": at_turn(main, mark) for mark in MARKS},
        **{f"{duel}, turn {mark}": against(main, CHAMPION, mark) for mark in MARKS},
        f"parts of the paper, turn {SHORT}": at_turn(
            _of(turns, "paper", PARTS_OF_PAPER, SHORT), SHORT
        ),
        f"parts of steady, turn {MIDDLE}": at_turn(
            _of(turns, CHAMPION, PARTS_OF_STEADY, MIDDLE), MIDDLE
        ),
        "rounds that ask for nothing, PSNR in dB": after_each(kinds["rounds"], "PSNR", ROUNDS),
        "the same of the latents": after_each(kinds["rounds"], "PSNR of latents", ROUNDS),
        "there and back, L1 to the start": after_each(kinds["back"], "L1", BACK),
    }
    texts = [f"### {name}\n\n{markdown(rows)}\n" for name, rows in tables.items()]
    (out / "tables.md").write_text("\n".join(texts))
    (out / "numbers.json").write_text(json.dumps(tables, indent=1, default=vars))
    page.write(out, tables, main, [walk for walk in taken if walk.number < SHOWN])


def _of(
    turns: Mapping[str, list[Steps]], whole: str, parts: Mapping[str, Variant], turn: int
) -> Walked:
    """A way and what is left of it without some part, on the sequences that all have walked."""
    ways = (whole, *parts)
    least = min(sum(len(steps) >= turn for steps in turns[way]) for way in ways)
    return {way: turns[way][:least] for way in ways}
