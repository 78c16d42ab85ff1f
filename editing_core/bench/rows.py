"""Rows of what was measured, each beside its floor or bar, said as they become known."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from editing_core.bench.parallel import Row
from editing_core.bench.tables import markdown


def row(what: str, found: float, floor: float) -> Row:
    """A row; ``floor`` is the least there can be, or the most there may be of a share."""
    return {"what": what, "measured": found, "floor or bar": floor, "ratio": found / floor}


def tell(found: Iterable[Row], file: Path | None) -> None:
    """Say each row as soon as it is known, print all as a table, and write them to a file."""
    rows: list[Row] = []
    for each in found:
        print(f"{each['what']:<52}{each['measured']:>12.4g}", file=sys.stderr, flush=True)
        rows.append(each)
    print(markdown(rows))
    if file:
        file.write_text(json.dumps(rows, indent=1))
