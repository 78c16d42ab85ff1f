"""`palimpsest models`: what can be edited with, and `palimpsest models get NAME` to fetch it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stderr
from typing import TYPE_CHECKING

from agent.exit_codes import DONE, MISSING

if TYPE_CHECKING:
    from editing_core.models.catalogue import Entry

HEAD = ("name", "licence", "size", "this machine", "here")
MORE = """
A model of any of these families may also be named by its hub id or its folder.
palimpsest models get NAME fetches one; --model NAME edits with it."""


def main(argv: Sequence[str]) -> int:
    """Run `palimpsest models` and return its exit code."""
    flags = _parser().parse_args(argv)
    from editing_core.errors import ModelMissing

    try:
        if flags.command == "get":
            _get(flags.name)
        else:
            _list(json_lines=flags.json)
    except ModelMissing as error:
        print(f"palimpsest: {error}", file=sys.stderr)
        return MISSING
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="palimpsest models",
        description="List the models that can be edited with, or fetch one.",
        epilog="exit codes: 0 done, 2 wrong usage, 3 the model cannot be had",
    )
    parser.add_argument("--json", action="store_true", help="one model a line, for programs")
    get = parser.add_subparsers(dest="command", metavar="get NAME").add_parser(
        "get", help="fetch a model; what was begun is gone on with"
    )
    get.add_argument("name", metavar="NAME", help="one of the list, or a hub id")
    return parser


def _list(*, json_lines: bool) -> None:
    import torch

    from editing_core.models.catalogue import entries

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    found = list(entries(device))
    if json_lines:
        for entry in found:
            print(json.dumps(_as_data(entry), ensure_ascii=False))
        return
    print("\n".join(table(found)))
    print(MORE)


def table(found: Iterable[Entry]) -> list[str]:
    """Lay models out in lines, the first a head."""
    rows = [HEAD, *(_row(entry) for entry in found)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _row(entry: Entry) -> tuple[str, ...]:
    from editing_core.models.memory_plan import told

    return (
        entry.spec.name,
        entry.spec.licence,
        told(entry.size) if entry.size else "small",
        _fit(entry),
        "yes" if entry.here else "no",
    )


def _fit(entry: Entry) -> str:
    from editing_core.models.memory_plan import told

    if entry.refusal:
        return f"needs {told(entry.least)}"
    if entry.plan is None:
        return "fits" if not entry.size else "unknown"
    return f"{entry.plan.level.name}, {told(entry.plan.peak)}"


def _as_data(entry: Entry) -> dict[str, object]:
    plan = entry.plan
    return {
        "name": entry.spec.name,
        "family": entry.spec.family,
        "licence": entry.spec.licence,
        "hub_id": entry.hub_id or None,
        "bytes": entry.size,
        "memory": plan.level.name if plan else None,
        "peak": plan.peak if plan else None,
        "least": entry.least or None,
        "why_not": entry.refusal or None,
        "here": entry.here,
    }


def _get(name: str) -> None:
    from editing_core.models.catalogue import get

    with redirect_stderr(sys.__stderr__ or sys.stderr):  # the hub's progress draws over itself
        source = get(name)
    print(f"{name} is in {source.base}; edit with it by --model {name}")
