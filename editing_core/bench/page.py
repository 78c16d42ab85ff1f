"""The report as a page: tables, curves over turns, and filmstrips of all methods side by side."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from editing_core.bench.measured import drawn
from editing_core.bench.parallel import Row
from editing_core.bench.rollouts import LONG, Rollout, sequence
from editing_core.bench.summary import COLUMNS, estimated
from editing_core.bench.tables import Walked, cell
from editing_core.portraits.world import SIZE

CURVES = ("success", "SR", "kept", "L1 outside", "SSIM outside", "drift")
FRAME = 96  # pixels of a picture in a filmstrip
LABEL = 130  # pixels for the name before it
STYLE = """body { font: 15px sans-serif; margin: 2em; } div { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; } tr:nth-child(even) { background: #eee; }
td, th { padding: .1em .6em; text-align: right; white-space: nowrap; }
td:first-child { text-align: left; }"""


def write(
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
