"""The whole report: every method walks the same sequences; tables, curves, filmstrips, numbers.

`python -m editing_core.bench report --out DIR` takes up where it was stopped: a walk whose file is
there is not taken again. A folder belongs to one state of the code; begin another after a change.
"""

from __future__ import annotations

import argparse
import html
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageDraw

from editing_core.bench.measured import drawn
from editing_core.bench.parallel import Row
from editing_core.bench.rollouts import LONG, MARKS, SHOWN, Rollout, found, sequence, take
from editing_core.bench.summary import COLUMNS, Steps, estimated
from editing_core.bench.tables import Walked, after_each, against, at_turn, cell, markdown
from editing_core.bench.variants import (
    CONTROLS,
    ON_PORTRAITS,
    OURS,
    PARTS_OF_PAPER,
    PARTS_OF_STEADY,
    RIVALS,
    Variant,
)
from editing_core.portraits.schema import SIZE

CURVES = ("success", "SR", "kept", "L1 outside", "SSIM outside", "drift")
FRAME = 96  # pixels of a picture in a filmstrip
LABEL = 130  # pixels for the name before it
STYLE = """body { font: 15px sans-serif; margin: 2em; } div { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; } tr:nth-child(even) { background: #eee; }
td, th { padding: .1em .6em; text-align: right; white-space: nowrap; }
td:first-child { text-align: left; }"""


def write_page(
    out: Path, tables: Mapping[str, Sequence[Row]], main: Walked, shown: list[Rollout]
) -> None:
    """Write ``index.html`` and the pictures it shows."""
    curves(main, out / "curves.png")
    strips = filmstrips(out, shown)
    parts = ["<h1>Many edits in a row</h1>", "<p><img src=curves.png></p>"]
    parts += [
        f"<h2>{html.escape(name)}</h2><div>{_table(rows)}</div>" for name, rows in tables.items()
    ]
    parts += [
        f"<h2>{html.escape(name)}</h2><div><img src={file.name}></div>" for name, file in strips
    ]
    page = f"<!doctype html><meta charset=utf-8><title>Bench</title><style>{STYLE}</style>"
    (out / "index.html").write_text("\n".join([page, *parts]))


def curves(walked: Walked, file: Path) -> None:
    """Draw what becomes of every method over the turns."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 8), layout="constrained")
    columns = {column.name: column for column in COLUMNS}
    for axes, name in zip(figure.subplots(2, 3).flat, CURVES, strict=True):
        for n, (way, walks) in enumerate(walked.items()):
            long = [steps for steps in walks if len(steps) == LONG]
            heights = [estimated(columns[name], long, turn).value for turn in range(1, LONG + 1)]
            bold = 2.5 if n == len(walked) - 1 else 1.0
            axes.plot(range(1, LONG + 1), heights, label=way, color=f"C{n % 10}", lw=bold,
                      ls="--" if n >= 10 else "-")  # fmt: skip
        axes.set(title=name, xlabel="turn", xticks=range(2, LONG + 1, 2))
    axes.legend(fontsize="small")
    figure.savefig(file, dpi=80)


def filmstrips(out: Path, shown: list[Rollout]) -> list[tuple[str, Path]]:
    """Make one sheet for every sequence: a row for the truth and one for each method."""
    files = []
    for kind, number in sorted({(walk.kind, walk.number) for walk in shown}):
        walks = [walk for walk in shown if (walk.kind, walk.number) == (kind, number)]
        file = out / f"{kind}-{number}.jpg"
        _strip(out, walks).save(file, quality=88)
        files.append((f"{kind} {number}", file))
    return files


def _strip(out: Path, walks: list[Rollout]) -> Image.Image:
    turns = max(walk.turns for walk in walks)
    sheet = Image.new("RGB", (LABEL + FRAME * (turns + 1), FRAME * (len(walks) + 1)), "white")
    pen = ImageDraw.Draw(sheet)
    if walks[0].kind == "turns":
        told = sequence(walks[0].number)[:turns]
        pen.text((4, FRAME // 2), "truth", fill="black")
        for n, portrait in enumerate([told[0].before, *(turn.after for turn in told)]):
            _put(sheet, drawn(portrait, SIZE), 0, n)
        for n, turn in enumerate(told, start=1):
            asked = ", ".join(f"{value}" for value in turn.changed.values())
            pen.text((LABEL + FRAME * n + 2, 2), asked[:17], fill="black")
    for row, walk in enumerate(walks, start=1):
        pen.text((4, FRAME * row + FRAME // 2), walk.way, fill="black")
        for n in range(1, walk.turns + 1):
            with Image.open(walk.picture(out, n)) as picture:
                _put(sheet, picture, row, n)
    return sheet


def _put(sheet: Image.Image, picture: Image.Image, row: int, column: int) -> None:
    small = picture.resize((FRAME, FRAME), Image.Resampling.LANCZOS)
    sheet.paste(small, (LABEL + FRAME * column, FRAME * row))


def _section(name: str, inner: str) -> str:
    return f"<h2>{html.escape(name)}</h2><div>{inner}</div>"


def _table(rows: Sequence[Row]) -> str:
    head = "".join(f"<th>{html.escape(name)}" for name in rows[0])
    lines = ("".join(f"<td>{html.escape(cell(value))}" for value in row.values()) for row in rows)
    return f"<table><tr>{head}" + "".join(f"<tr>{line}" for line in lines) + "</table>"


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
    parser.add_argument("--model", default="portraits-128")
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
    write_page(out, tables, main, [walk for walk in taken if walk.number < SHOWN])


def _of(
    turns: Mapping[str, list[Steps]], whole: str, parts: Mapping[str, Variant], turn: int
) -> Walked:
    """A way and what is left of it without some part, on the sequences that all have walked."""
    ways = (whole, *parts)
    least = min(sum(len(steps) >= turn for steps in turns[way]) for way in ways)
    return {way: turns[way][:least] for way in ways}
