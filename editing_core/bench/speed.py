"""What an edit costs, beside what it must cost: python -m editing_core.bench speed.

On a GPU: python -m editing_core.bench speed --geometry flux-dev --depth 19,38 --side 1024
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from editing_core.attention_guidance import AttentionControl
from editing_core.attention_probs import attend_with_probs
from editing_core.bench.parallel import Row
from editing_core.bench.random_weights import FULL_DEPTH, random_weights
from editing_core.bench.tables import markdown
from editing_core.bench.timing import (
    LiveBytes,
    Machine,
    Recorder,
    Took,
    call_operations,
    counted,
    measured,
    replaced,
    seconds,
    timed_edit,
)
from editing_core.editor import Editor, EditRequest, Picture, draw_noise
from editing_core.metrics import pixels_of
from editing_core.models.base import AttentionCall
from editing_core.models.canvas import Canvas
from editing_core.models.diffusers_internals import dispatch_attention_fn
from editing_core.models.diffusers_model import DiffusersModel
from editing_core.models.load import load
from editing_core.models.memory_plan import (
    LEVELS,
    Sizes,
    forward_bytes,
    peak_bytes,
    sizes_in,
    vae_bytes,
)
from editing_core.settings import PRESETS
from editing_core.token_alignment import columns_of


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


SOURCE = "a portrait of a smiling young woman with a brown bob, light skin, a blue t-shirt"
TARGET = "a portrait of a smiling old woman with a gray bob, light skin, a red hat, a blue t-shirt"
WORDS = ("old", "gray", "red", "hat")
PAPER = PRESETS["paper"]
FLUX_WIDTH = 3072


@dataclass
class Bench:
    """One model and one size of picture, and what the machine can do at the most."""

    model: DiffusersModel
    canvas: Canvas
    count: int
    machine: Machine
    editor: Editor = field(init=False)

    def __post_init__(self) -> None:
        """Begin with an editor that remembers nothing."""
        self.editor = Editor(self.model)

    @property
    def call_floor(self) -> float:
        """Seconds of a model call at the least."""
        weights = sum(p.numel() * p.element_size() for p in self.model.transformer.parameters())
        return self.machine.seconds(self.operations(), weights)

    def operations(self, depth: tuple[int, int] | None = None) -> float:
        """Operations of a model call, at another depth if one is given."""
        config = argparse.Namespace(**self.model.transformer.config)
        if depth:
            config.num_layers, config.num_single_layers = depth
        return call_operations(config, self.canvas, self.model.text_length)


def speed_table(
    model: str, count: int, *, side: int = 0, flux: DiffusersModel | None = None, edits: bool = True
) -> list[Row]:
    """Time calls, steps, an edit and a retry, and say what of it is not the model's own work.

    Args:
        model: What ``flux.load`` takes.
        count: Tries of every call, of which the median counts.
        side: Of the square picture, in pixels; 0 is 1024, or the most that the model is good at.
        flux: A model loaded already.
        edits: Whether whole edits are timed, too.
    """
    return list(speed_rows(flux or load(model), count, side=side, edits=edits))


@torch.no_grad()
def speed_rows(
    flux: DiffusersModel, count: int, *, side: int = 0, edits: bool = True
) -> Iterator[Row]:
    """Make the rows of ``speed_table`` one after the other, as they are measured."""
    side = side or min(1024, flux.spec.sizes[1])
    canvas = flux.canvas(side, side)
    tokens, width = canvas.tokens + flux.text_length, flux.transformer.inner_dim
    machine = measured(flux.device, flux.dtype, tokens, width)
    bench = Bench(flux, canvas, count, machine)
    yield from _calls(bench)
    yield from _memory(bench)
    if edits:
        yield from _edits(bench)
        yield from _drafts(bench)


def _calls(bench: Bench) -> Iterator[Row]:
    """A model call and solver step; how much more attention's control takes."""
    flux, canvas = bench.model, bench.canvas
    text = flux.encode_text(TARGET)
    x = draw_noise(0, canvas, flux.channels).to(flux.device)
    control = AttentionControl(flux, PAPER, text, columns_of(text, WORDS), canvas)
    mask = torch.rand(canvas.rows, canvas.cols, device=flux.device) > 0.5

    def call() -> Tensor:
        return flux.velocity(x, 0.5, text, guidance=3.5, canvas=canvas)

    def controlled(watching: bool, scaling: bool) -> Callable[[], object]:
        def work() -> None:
            control.watching, control.mask = watching, mask if scaling else None
            with control:
                call()

        return work

    kinds: dict[str, Callable[[], object]] = {
        "bare": lambda: flux.transformer(**_bare(flux, x, text, canvas)),
        "plain": call,
        "step": lambda: x + 0.1 * call(),
        "watched": controlled(True, False),
        "both": controlled(True, True),
        "scaled": controlled(False, True),
    }
    took = _interleaved(kinds, bench)
    said = {"bare": "transformer alone", "plain": "model call", "step": "solver step",
            "watched": "call, attention watched", "both": "call, watched and scaled"}  # fmt: skip
    for kind, name in said.items():
        yield row(f"{name}, s", took[kind], bench.call_floor)
    plain = took["plain"]
    watched, both, scaled = controlled_calls()
    more = watched * took["watched"] + both * took["both"] + scaled * took["scaled"]
    more -= (watched + both + scaled) * plain
    yield row("attention control, of plain sampling", more / ((PAPER.steps + 1) * plain), 0.05)


def controlled_calls() -> tuple[int, int, int]:
    """How many calls of an edit are watched alone, watched and scaled, scaled alone."""
    scaled = range(PAPER.guide_from, PAPER.steps)
    watched = range(max(PAPER.guide_from - 1, 0), PAPER.steps - 1)
    both = len(set(watched) & set(scaled))
    return len(watched) - both, both, len(scaled) - both


def _bare(flux: DiffusersModel, x: Tensor, text: Any, canvas: Canvas) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    with replaced(flux, "transformer", Recorder(flux.transformer, kept)):
        flux.velocity(x, 0.5, text, guidance=3.5, canvas=canvas)
    return kept


def _interleaved(kinds: dict[str, Callable[[], object]], bench: Bench) -> dict[str, float]:
    """Time kinds of work in turns, so that all share a busy machine's moods; medians."""
    took: dict[str, list[float]] = {kind: [] for kind in kinds}
    next(iter(kinds.values()))()  # warm
    for _ in range(bench.count):
        for kind, work in kinds.items():
            took[kind].append(seconds(work, bench.model.device))
    return {kind: median(times) for kind, times in took.items()}


def _memory(bench: Bench) -> Iterator[Row]:
    """Bytes at the most besides weights, beside those predicted; attention's control, dense."""
    flux, canvas = bench.model, bench.canvas
    config = flux.transformer.config
    text = flux.encode_text(TARGET)
    x = draw_noise(0, canvas, flux.channels).to(flux.device)
    tokens = canvas.tokens + flux.text_length
    with LiveBytes(flux.transformer) as call:
        flux.velocity(x, 0.5, text, guidance=3.5, canvas=canvas)
    sizes = _sizes(flux)
    predicted = forward_bytes(sizes, canvas, flux.dtype.itemsize)
    yield row("memory of a call, GB", call.peak / 1e9, predicted / 1e9)
    heads, size = config.num_attention_heads, config.attention_head_dim
    shape = (1, tokens, heads, size)
    qkv = [torch.randn(shape, device=flux.device, dtype=flux.dtype) for _ in range(3)]
    words = sum(end > start for start, end in text.offsets)
    chosen = torch.arange(words, device=flux.device)

    query, key, value = qkv
    with LiveBytes() as plain:
        dispatch_attention_fn(query, key, value)
    with LiveBytes() as ours:
        both = attend_with_probs(_call(flux, qkv))
        both[1](chosen)
    dense = heads * tokens**2 * flux.dtype.itemsize
    share = (ours.peak - plain.peak) / dense
    yield row("attention control, of the dense formula's memory", share, 0.1)


def _call(flux: DiffusersModel, qkv: list[Tensor]) -> AttentionCall:
    query, key, value = qkv
    text = flux.text_length
    return AttentionCall(
        layer=flux.attention()[0],
        query=query,
        key=key,
        value=value,
        text=slice(0, text),
        image=slice(text, query.shape[1]),
        mask=None,
        attend=dispatch_attention_fn,
    )


def _sizes(flux: DiffusersModel) -> Sizes:
    models = {part: getattr(flux, part) for part in flux.spec.parts}
    return sizes_in(models, text_tokens=flux.text_length)


def _edits(bench: Bench) -> Iterator[Row]:
    """A first edit, and a retry that finds the inversion in the cache."""
    flux, canvas = bench.model, bench.canvas
    request = asked(canvas)
    flux.encode_text(SOURCE), flux.encode_text(TARGET)
    x = draw_noise(0, canvas, flux.channels).to(flux.device)
    with LiveBytes(flux.vae) as vae:
        encode = counted(lambda: flux.encode(request.current.image))
        decode = counted(lambda: flux.decode(x, canvas))
    if flux.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(flux.device)
    took: list[Took] = []
    for settings, work in ((PAPER, encode + decode), (PAPER.stronger(), decode)):
        took.append(timed_edit(bench.editor, request, settings))
        forwards, whole = took[-1].forwards, took[-1].whole
        floor = forwards * bench.call_floor + bench.machine.seconds(work)
        name = "retry, its inversion cached" if took[1:] else "first edit"
        yield row(f"{name} ({forwards} calls), s", whole, floor)
    first, retry = took
    outside = first.whole - first.calls
    yield row("retry, of a first edit", retry.whole / first.whole, 0.55)
    yield row("outside of model calls, of a first edit", outside / first.whole, 0.03)
    if flux.transformer.inner_dim == FLUX_WIDTH:
        deep = first.calls * bench.operations(FULL_DEPTH) / bench.operations()
        yield row("the same at 19 + 38 blocks", outside / (outside + deep), 0.03)
    yield row("neither model calls nor VAE, of a first edit", 1 - first.inside / first.whole, 0.03)
    yield row("memory of the VAE, GB", vae.peak / 1e9,
               vae_bytes(_sizes(flux), canvas, 1 << 30) / 1e9)  # fmt: skip
    if flux.device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(flux.device) / 1e9
        yield row("peak memory, GB", peak, _predicted(bench) / 1e9)


def _drafts(bench: Bench) -> Iterator[Row]:
    """An edit by steady in full and as a draft, and how far the two are apart."""
    request, settings = asked(bench.canvas), PRESETS["steady"]
    took = []
    for name, how in (("edit", settings), ("draft", settings.drafted())):
        took.append(timed_edit(bench.editor, request, how, "steady"))
        forwards = took[-1].forwards
        yield row(f"{name} by steady ({forwards} calls), s", took[-1].whole,
                  forwards * bench.call_floor)  # fmt: skip
    full, draft = took
    before, whole, quick = map(
        pixels_of, (request.current.image, full.made.picture, draft.made.picture)
    )
    yield row("draft, of the calls of the edit", draft.forwards / full.forwards, 1)
    yield row("draft, from the edit, of what that changed",
              float(abs(quick - whole).mean() / abs(whole - before).mean()), 1)  # fmt: skip


def _predicted(bench: Bench) -> int:
    """Bytes that the plan says, for this size of picture; without a plan, all on the device."""
    flux = bench.model
    plan = flux.held.plan if flux.held else None
    level, tile = (plan.level, plan.tile) if plan else (LEVELS[0], 1 << 30)
    sizes = flux.held.sizes if plan and flux.held else _sizes(flux)
    return peak_bytes(sizes, level, bench.canvas, tile, flux.dtype.itemsize)


def asked(canvas: Canvas) -> EditRequest:
    """What is edited: noise, which no shortcut can be taken with."""
    picture = Picture(Image.effect_noise((canvas.width, canvas.height), 64).convert("RGB"))
    return EditRequest(picture, picture, SOURCE, TARGET, WORDS)


def main(argv: Sequence[str]) -> int:
    """Print the table for a model, or for random weights of FLUX.1-dev's width."""
    parser = argparse.ArgumentParser(prog="python -m editing_core.bench speed", description=__doc__)
    add = parser.add_argument
    add("--model", default="portraits", help="what --model of the editor takes")
    add("--geometry", choices=["flux-dev"], help="random weights of this width instead")
    add("--depth", default="1,2", metavar="N,M", help="double and single blocks of them")
    add("--side", type=int, default=0, metavar="PIXELS", help="of the picture")
    add("--count", type=int, default=3, help="tries of every call")
    add("--device", help="cpu, cuda ...")
    add("--memory", default="auto", help="how the model is held")
    add("--compile", action="store_true", help="compile the blocks")
    add("--calls-only", action="store_true", help="time no whole edits")
    add("--threads", type=int, help="of a CPU")
    add("--json", type=Path, metavar="FILE", help="write the numbers there")
    args = parser.parse_args(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    how = {"device": args.device, "memory": args.memory, "compiled": args.compile}
    if args.geometry:
        double, single = map(int, args.depth.split(","))
        flux = random_weights((double, single), [SOURCE, TARGET], **how)
    else:
        flux = load(args.model, **how)
    tell(speed_rows(flux, args.count, side=args.side, edits=not args.calls_only), args.json)
    return 0
