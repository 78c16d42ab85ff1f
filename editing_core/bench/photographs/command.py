"""Edit photographs with prompts, and judge what came out.

Prints a table of methods after the last turn; DIR/report.json has the numbers after every turn.
A run that was stopped goes on where it was: what is in DIR is not made again.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from editing_core.bench.photographs.names import LEVELS, NetworkNames
from editing_core.benchmark_layouts import LAYOUTS, EditSequence, LayoutError
from editing_core.errors import EditError, ModelMissing

if TYPE_CHECKING:
    from editing_core.bench.photographs.running import Measured, PhotographRollout, Ways

DONE, FAILED, UNREADABLE, MISSING = 0, 1, 2, 3
"""Exit codes; they mean what those of chat.py mean."""


def main(argv: Sequence[str], ways: Ways | None = None) -> int:
    """Measure methods on photographs and return an exit code.

    Args:
        argv: The words of the command.
        ways: Rows of the table, and how each edits; those of the bench when left out.
    """
    ways = ways or _methods()
    flags = _parser(ways).parse_args(argv)
    try:
        _needed()
        flags.out.mkdir(parents=True, exist_ok=True)
        sequences = chosen(LAYOUTS[flags.layout](flags.folder), flags.count)
        walks = _walks(flags, sequences, {name: ways[name] for name in flags.methods or ways})
        _tell(flags, sequences, walks)
    except (ModelMissing, LayoutError, EditError) as error:
        print(f"bench: {error}", file=sys.stderr)
        codes = {ModelMissing: MISSING, LayoutError: UNREADABLE, EditError: FAILED}
        return codes[type(error)]
    except OSError as error:
        print(f"bench: Results cannot be kept in {flags.out}: {error}.", file=sys.stderr)
        return MISSING
    return DONE


def _parser(ways: Ways) -> argparse.ArgumentParser:
    first = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser("python -m editing_core.bench photographs", description=first)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the benchmark lies")
    layouts = "pie: PIE-Bench (the default); mtc: the paper's sequences over its pictures"
    parser.add_argument("--layout", choices=sorted(LAYOUTS), default="pie", help=layouts)
    parser.add_argument("--model", default="flux-dev", help="as in chat.py; flux-dev by default")
    parser.add_argument("--methods", nargs="+", choices=list(ways), metavar="NAME",
                        help=f"rows of the table, all by default: {', '.join(ways)}")  # fmt: skip
    parser.add_argument("--count", type=_count, metavar="N", help="only N sequences, by chance")
    parser.add_argument("--out", type=Path, metavar="DIR", default=Path("results/photographs"),
                        help="for results; results/photographs by default")  # fmt: skip
    names = NetworkNames()
    parser.add_argument("--clip", default=names.clip, metavar="ID", help="for CLIP-T and CLIP-I")
    parser.add_argument("--dino", default=names.dino, metavar="ID", help="for structure")
    parser.add_argument("--perceptual", default=names.perceptual, metavar="FILE",
                        help="torchvision's weights of SqueezeNet 1.1, for LPIPS")  # fmt: skip
    parser.add_argument("--features", default=names.features, metavar="ID",
                        help="for FID: a ViT, or inception-2048 (768, 192, 64)")  # fmt: skip
    parser.add_argument("--levels", default=names.levels, choices=LEVELS,
                        help="what DINO is shown; published: as PIE-Bench does")  # fmt: skip
    return parser


def _count(said: str) -> int:
    if (count := int(said)) < 1:
        raise argparse.ArgumentTypeError("there must be one at least")
    return count


def chosen(sequences: list[EditSequence], count: int | None) -> list[EditSequence]:
    """Draw some sequences, the same every time, and of a larger number all of a smaller."""
    if count is None:
        return sequences
    return random.Random(0).sample(sequences, len(sequences))[:count]


def _methods() -> Ways:
    from editing_core.bench.variants import CONTROLS, OURS, RIVALS

    ways = CONTROLS | RIVALS | OURS
    return {name: (str(way.method), way.settings) for name, way in ways.items()}


def _needed() -> None:
    if find_spec("torchmetrics") is None:
        raise ModelMissing(
            "Photographs are judged with torchmetrics, which is not here: "
            "install Palimpsest with its extra eval, pip install -e '.[eval]'."
        )


def _walks(
    flags: argparse.Namespace, sequences: list[EditSequence], ways: Ways
) -> dict[str, list[PhotographRollout]]:
    from editing_core.bench.photographs.networks import load_networks
    from editing_core.bench.photographs.running import run
    from editing_core.models.load import load

    flux = load(flags.model)
    networks = load_networks(_names(flags), str(flux.device))
    return run(flux, networks, sequences, ways, flags.out)


def _names(flags: argparse.Namespace) -> NetworkNames:
    return NetworkNames(**{name: getattr(flags, name) for name in asdict(NetworkNames())})


def _tell(
    flags: argparse.Namespace,
    sequences: list[EditSequence],
    walks: dict[str, list[PhotographRollout]],
) -> None:
    """Print the table, and write all numbers to a file."""
    from editing_core.bench.photographs.running import measured
    from editing_core.bench.tables import markdown

    last = min(len(sequence.target_prompts) for sequence in sequences)
    found: dict[str, list[Measured]] = {
        way: [measured(of_way, turn + 1) for turn in range(last)] for way, of_way in walks.items()
    }
    report = {
        "model": flags.model,
        "networks": asdict(_names(flags)),
        "sequences": len(sequences),
        "ways": {way: [asdict(turn) for turn in turns] for way, turns in found.items()},
    }
    (flags.out / "report.json").write_text(json.dumps(report, indent=1))
    many = f"{len(sequences)} sequence" + "s" * (len(sequences) > 1)
    print(
        f"{many} after turn {last}, 95 % intervals over sequences in brackets. FID: Frechet "
        f"distance in the features of {flags.features}. Structure: levels {flags.levels}.\n"
    )
    print(markdown([turns[-1].row(way) for way, turns in found.items()]))
