"""All that a GPU is judged by, with FLUX.1-dev of random weights: python -m editing_core.bench gpu.

Rate, retry, and what is not the model's own work with everything on the GPU; then time and peak
memory of every level, beside what was predicted. It writes 34 GB to a temporary folder (TMPDIR).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from editing_core.bench import random_weights
from editing_core.bench.parallel import Row
from editing_core.bench.random_weights import FULL_DEPTH
from editing_core.bench.speed import PAPER, SOURCE, TARGET, asked, row, speed_rows, tell
from editing_core.bench.timing import Took, call_operations, measured, timed_edit
from editing_core.editor import Editor
from editing_core.errors import ModelMissing
from editing_core.models.attention_backend import attention_of
from editing_core.models.canvas import Canvas
from editing_core.models.diffusers_model import DiffusersModel
from editing_core.models.load import load
from editing_core.models.memory_plan import GB, LEVELS, missing, peak_bytes
from editing_core.models.placement import emptied


def gpu_rows(folder: str, device: torch.device, side: int, count: int) -> Iterator[Row]:
    """Measure the model in a folder at every level that can be had here.

    Args:
        folder: In diffusers' layout.
        device: Where to run.
        side: Of the picture, in pixels.
        count: Tries of every call.
    """
    full: Took | None = None
    for level in LEVELS:
        if lacking := missing(level):
            print(f"{level.name} needs: pip install {' '.join(lacking)}", file=sys.stderr)
            continue
        emptied()
        reset_peak(device)
        try:
            flux = load(folder, device=str(device), memory=level.name)
            took = _edited(flux, side)
        except (RuntimeError, ModelMissing, AssertionError, NotImplementedError) as error:
            reason = str(error).partition("\n")[0]  # too little memory, an older kind of GPU
            print(f"{level.name} cannot be had here: {reason}", file=sys.stderr)
            continue
        yield from _peak(flux, Canvas(side, side))
        by = attention_of(flux.transformer)
        yield row(f"{level.name}: edit ({took.forwards} calls), attention {by}, s", took.whole,
                  took.inside)  # fmt: skip
        if full is None:
            full = took
            yield _rate(flux, took, side)
            yield from speed_rows(flux, count, side=side)
        else:
            yield row(f"{level.name}: calls, times as fast as in full", full.calls / took.calls,
                      1.3 if level.name == "fp8-fast" else 1)  # fmt: skip
        del flux


def _edited(flux: DiffusersModel, side: int) -> Took:
    """Edit once to warm up, and once for the clock, both times from nothing."""
    request = asked(Canvas(side, side))
    timed_edit(Editor(flux), request, PAPER)
    return timed_edit(Editor(flux), request, PAPER)


def _rate(flux: DiffusersModel, took: Took, side: int) -> Row:
    """Operations a second in model calls, of those that the machine does in bare products."""
    canvas, config = Canvas(side, side), argparse.Namespace(**flux.transformer.config)
    tokens = canvas.tokens + flux.text_length
    machine = measured(flux.device, flux.dtype, tokens, flux.transformer.inner_dim)
    done = took.forwards * call_operations(config, canvas, flux.text_length)
    return row("rate of model calls, of matrix products'", done / took.calls / machine.operations,
               0.7)  # fmt: skip


def _peak(flux: DiffusersModel, canvas: Canvas) -> Iterator[Row]:
    """The most memory since loading began, beside what is predicted."""
    assert flux.held is not None and flux.held.plan is not None
    plan = flux.held.plan
    predicted = peak_bytes(flux.held.sizes, plan.level, canvas, plan.tile, flux.dtype.itemsize)
    if found := peak_bytes_seen(flux.device):
        what = f"{plan.level.name}: peak memory, GB, beside the predicted"
        yield row(what, found / GB, predicted / GB)


def reset_peak(device: torch.device) -> None:
    """Begin to look for the most memory in use."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_bytes_seen(device: torch.device) -> int:
    """The most memory in use since; 0 where nobody counts."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0


def main(argv: Sequence[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m editing_core.bench gpu", description=__doc__)
    add = parser.add_argument
    add("--depth", default="19,38", metavar="N,M", help="double and single blocks")
    add("--side", type=int, default=1024, metavar="PIXELS", help="of the picture")
    add("--count", type=int, default=5, help="tries of every call")
    add("--device", help="cpu, cuda ...")
    add("--json", type=Path, metavar="FILE", help="write the numbers there")
    args = parser.parse_args(argv)
    depth = tuple(map(int, args.depth.split(",")))
    device = torch.device(args.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if device.type == "cpu" and depth == FULL_DEPTH:
        parser.error("there is no GPU here; on a CPU try --depth 1,1 --side 256")
    with TemporaryDirectory() as folder:
        dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
        random_weights.write((depth[0], depth[1]), [SOURCE, TARGET], folder, dtype)
        tell(gpu_rows(folder, device, args.side, args.count), args.json)
    return 0
