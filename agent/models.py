"""`palimpsest models` lists what can be edited with, fetches it, and measures its layers."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stderr
from typing import TYPE_CHECKING

from agent.exit_codes import DONE, FAILED, MISSING

if TYPE_CHECKING:
    from editing_core.measured_layers import LayerAnalysis
    from editing_core.models.catalogue import Entry, Kind

HEAD = ("name", "licence", "size", "this machine", "here")
LAYERS_HEAD = ("layer", "stream", "activation", "rank", "localisation", "influence", "mask")
MORE = """
A model of any of these families may also be named by its hub id or its folder.
palimpsest models get NAME fetches one; --model NAME edits with it.
palimpsest models analyse NAME measures which of its layers tell where words look."""
FEWEST, USUAL = 2, 24  # pictures that a model is analysed on


def main(argv: Sequence[str]) -> int:
    """Run `palimpsest models` and return its exit code."""
    flags = _parser().parse_args(argv)
    from editing_core.errors import EditError, ModelMissing

    try:
        if flags.command == "get":
            _get(flags.name)
        elif flags.command == "analyse":
            _analyse(flags.name, flags.pictures, flags.device, flags.memory)
        else:
            _list(json_lines=flags.json)
    except (ModelMissing, EditError) as error:
        print(f"palimpsest: {error}", file=sys.stderr)
        return MISSING if isinstance(error, ModelMissing) else FAILED
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="palimpsest models",
        description="List the models that can be edited with, fetch one, or analyse one.",
        epilog="exit codes: 0 done, 1 it cannot be analysed, 2 wrong usage, 3 it cannot be had",
    )
    parser.add_argument("--json", action="store_true", help="one model a line, for programs")
    commands = parser.add_subparsers(dest="command", metavar="get NAME | analyse NAME")
    get = commands.add_parser("get", help="fetch a model; what was begun is gone on with")
    get.add_argument("name", metavar="NAME", help="one of the list, or a hub id")
    analyse = commands.add_parser(
        "analyse", help="measure which layers tell where words look; mtc then uses those"
    )
    analyse.add_argument("name", metavar="NAME", help="what --model takes")
    analyse.add_argument("--pictures", type=_pictures, default=USUAL, metavar="N",
                         help=f"how many drawings to measure on ({USUAL})")  # fmt: skip
    analyse.add_argument("--device", help="where to run, as in a chat")
    analyse.add_argument("--memory", default="auto", help="how the model is held, as in a chat")
    return parser


def _pictures(text: str) -> int:
    if not text.isdecimal() or int(text) < FEWEST:
        raise argparse.ArgumentTypeError(f"must be a whole number from {FEWEST}")
    return int(text)


# The list


def _list(*, json_lines: bool) -> None:
    from editing_core.models.catalogue import device_here, entries
    from editing_core.models.memory_plan import free_bytes

    device = device_here()
    free = free_bytes(device)
    found = list(entries(device, free))
    if json_lines:
        for entry in found:
            print(json.dumps(_as_data(entry), ensure_ascii=False))
        return
    print("\n".join(["Models", *_laid_out([HEAD, *map(_row, found)]), ""]))
    print("\n".join(["Memory that they need on a GPU, by --memory", *levels_table(found)]))
    print(f"\n{_machine(device, free, found)}\n{MORE}")


def _laid_out(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay rows out in lines, each column as wide as it needs to be."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _row(entry: Entry) -> tuple[str, ...]:
    from editing_core.models.memory_plan import in_gb

    return (
        entry.spec.name,
        entry.spec.licence,
        in_gb(entry.size) if entry.size else "small",
        _fit(entry),
        "yes" if entry.here else "no",
    )


def _fit(entry: Entry) -> str:
    from editing_core.models.memory_plan import in_gb

    if plan := entry.plan or entry.after:
        return f"{plan.level.name}, {in_gb(plan.peak)}{'' if entry.plan else ' *'}"
    if entry.refusal:
        return f"no, {in_gb(entry.least)}"
    return "unknown" if entry.size else "fits"


def levels_table(found: Iterable[Entry]) -> list[str]:
    """Lay out what each model needs at each level, the first line a head."""
    from editing_core.models.memory_plan import LEVELS, in_gb

    names = [level.name for level in LEVELS if level.offered]
    rows = [
        (entry.spec.name, *(in_gb(needed[name]) if name in needed else "-" for name in names))
        for entry in found
        if (needed := {plan.level.name: plan.peak for plan in entry.levels})
    ]
    return _laid_out([("name", *names), *rows])


def _machine(device: Kind, free: int | None, found: Sequence[Entry]) -> str:
    """Say what the table of what fits was made for."""
    from editing_core.models.memory_plan import in_gb

    room = "nobody can tell how much memory is free" if free is None else f"{in_gb(free)} are free"
    if device == "cpu":
        return (
            f"This machine has no GPU that PyTorch can use; {room}.\n"
            "On a CPU a model is held whole, in 32 bits a weight; the other levels are for GPUs."
        )
    said = f"On the GPU of this machine {room}."
    if any(entry.after for entry in found):
        said += ' A level with * needs what `pip install -e ".[gpu]"` brings.'
    return said


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
        "levels": {plan.level.name: plan.peak for plan in entry.levels},
        "here": entry.here,
    }


# Fetching and analysing


def _get(name: str) -> None:
    from editing_core.models.catalogue import get

    with redirect_stderr(sys.__stderr__ or sys.stderr):  # the hub's progress draws over itself
        source = get(name)
    print(f"{name} is in {source.base}; edit with it by --model {name}")


def _analyse(name: str, pictures: int, device: str | None, memory: str) -> None:
    from editing_core.layer_analysis import analysed
    from editing_core.measured_layers import write
    from tools.edit_picture import load_editor

    model = load_editor(name, device=device, memory=memory).model
    analysis = analysed(model, pictures=pictures, progress=_progress)
    file = write(analysis)
    print("\n".join(layers_table(analysis)))
    print(f"\n{_conclusion(analysis)}\nKept in {file}.")


def _progress(number: int, of: int) -> None:
    end = "\n" if number == of else ""
    print(f"\rpicture {number} of {of}", end=end, file=sys.stderr, flush=True)


def layers_table(analysis: LayerAnalysis) -> list[str]:
    """Lay out what was measured of each layer, the first line a head."""
    rows = [
        (
            str(layer.index),
            layer.stream,
            f"{layer.activation:.3f}",
            str(layer.rank or "-"),
            f"{layer.localisation:.3f}",
            f"{layer.influence:.3f}",
            "yes" if layer.index in analysis.chosen else "no",
        )
        for layer in analysis.layers
    ]
    return _laid_out([LAYERS_HEAD, *rows])


def _conclusion(analysis: LayerAnalysis) -> str:
    *others, last = map(str, analysis.best)
    best = f"s {', '.join(others)} and {last}" if others else f" {last}"
    measured = (
        f"The mask of layer{best} overlaps what the words name by {analysis.overlap:.2f}, that "
        f"of the paper's ranks by {analysis.overlap_by_rank:.2f} (intersection over union)"
    )
    if analysis.chosen:
        return f"{measured}: from now on mtc takes these layers."
    return f"{measured}: mtc goes on with the ranks."
