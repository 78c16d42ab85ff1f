"""Measure: `python -m editing_core.bench [vae text classifiers ...]` prints tables.

Seven have options of their own: `report --out DIR` compares all methods over many turns,
`sessions --out DIR` looks at long sessions and what a memory is worth there, `trained DIR` at
models of anchor trained in several ways, `photographs FOLDER` compares over photographs with
prompts, `exact` compares edits with exact drawings, `speed` says what an edit costs, and `gpu` all
that a GPU is judged by.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from editing_core.bench import exact_edits, gpu, report, sessions, speed, trained
from editing_core.bench.model_quality import (
    classifiers_table,
    sheets,
    styles_table,
    text_table,
    vae_table,
)
from editing_core.bench.parallel import Row
from editing_core.bench.photographs import command as photographs
from editing_core.bench.single_edits import numbers_table, rungs_table
from editing_core.bench.step_cache import drafts_table
from editing_core.bench.tables import markdown

TABLES: dict[str, tuple[int, Callable[[str, int], list[Row]]]] = {
    "vae": (50, vae_table),
    "classifiers": (500, classifiers_table),
    "text": (500, text_table),
    "sheets": (64, sheets),
    "numbers": (10, numbers_table),
    "rungs": (25, rungs_table),
    "styles": (10, styles_table),
    "drafts": (16, drafts_table),
}
"""Name -> how many captions, pictures or sequences, and what makes the table."""


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "report": report.main,
    "sessions": sessions.main,
    "trained": trained.main,
    "photographs": photographs.main,
    "exact": exact_edits.main,
    "speed": speed.main,
    "gpu": gpu.main,
}
"""What has options of its own."""


def main(argv: list[str]) -> int:
    """Make the tables asked for, all by default, and return an exit code."""
    if argv and argv[0] in COMMANDS:
        return COMMANDS[argv[0]](argv[1:])
    parser = argparse.ArgumentParser(prog="python -m editing_core.bench", description=__doc__)
    parser.add_argument("tables", nargs="*", choices=[*TABLES, []], help="all when left out")
    parser.add_argument("--model", default="portraits-128")
    parser.add_argument("--count", type=int, help="captions, pictures or sequences a table")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers there")
    args = parser.parse_args(argv)
    results: dict[str, Any] = {}
    for name in args.tables or TABLES:
        count, table = TABLES[name]
        rows = results[name] = table(args.model, args.count or count)
        print(f"\n{name} ({args.count or count})\n{markdown(rows)}", flush=True)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
