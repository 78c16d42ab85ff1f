"""The tables: the VAE alone, text to picture, rounds of reconstruction, turns of editing."""

from __future__ import annotations

import os
import random
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from itertools import islice, repeat
from multiprocessing import get_context
from statistics import fmean
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from PIL import Image

from editing_core.bench.sequences import Turn, sequences
from editing_core.editor import Editor, EditRequest, Picture
from editing_core.flux import load
from editing_core.latents import Canvas, to_latents, to_picture
from editing_core.portraits.captions import caption, parse
from editing_core.portraits.model import TEXT_LENGTH
from editing_core.portraits.read import identity_distance, read
from editing_core.portraits.world import Portrait, change_mask, draw, draws
from editing_core.settings import PRESETS, EditSettings

if TYPE_CHECKING:
    from diffusers import FluxPipeline

Row = dict[str, str | float]
Item = TypeVar("Item")
Found = TypeVar("Found")

SOMEBODY_ELSE = 15.0  # mean difference to the nearest drawing of the true identity
_PAPER = PRESETS["paper"]
METHODS: dict[str, tuple[str, EditSettings]] = {
    "regenerate": ("regenerate", _PAPER),
    "FireFlow": ("fireflow", _PAPER),
    "single-objective": ("mtc", replace(_PAPER, lam=1.0)),
    "paper": ("mtc", _PAPER),
}
"""Name in the table -> method and settings."""


def text_table(model: str, count: int) -> list[Row]:
    """Draw held-out captions with the stock pipeline; how many named attributes are right."""
    rng = random.Random("captions")
    said = [
        caption(portrait.attributes.visible(), rng, rng.uniform(0.3, 1))
        for portrait in islice(draws("eval", 1), count)
    ]
    right: dict[str, list[bool]] = defaultdict(list)
    for hits in _spread("text", _drawn_right, model, said):
        for name, hit in hits.items():
            right[name].append(hit)
    rows: list[Row] = [
        {"attribute": name, "named": str(len(hits)), "right": fmean(hits)}
        for name, hits in sorted(right.items())
    ]
    every = [hit for hits in right.values() for hit in hits]
    return [*rows, {"attribute": "all", "named": str(len(every)), "right": fmean(every)}]


def _drawn_right(model: str, seed: int, said: str) -> dict[str, bool]:
    """Draw one caption, and compare what it names with what is seen."""
    import torch

    image = _pipeline(model)(
        said,
        height=128,
        width=128,
        num_inference_steps=16,
        guidance_scale=3.5,
        max_sequence_length=TEXT_LENGTH,
        generator=torch.Generator().manual_seed(seed),
    ).images[0]
    seen = read(image).attributes
    return {name: seen.get(name, "none") == value for name, value in parse(said).items()}


@cache
def _pipeline(model: str) -> FluxPipeline:
    import torch
    from diffusers import FluxPipeline
    from diffusers.utils import is_accelerate_available

    folder, lean = load(model).folder, is_accelerate_available()
    pipeline = FluxPipeline.from_pretrained(
        folder, torch_dtype=torch.float32, low_cpu_mem_usage=lean
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def vae_table(model: str, count: int) -> list[Row]:
    """Encode and decode held-out portraits: how much the VAE alone loses."""
    flux = load(model)
    quality = []
    for _, portrait in _told("vae", islice(draws("eval", 3), count), count):
        image = draw(portrait)
        decoded = to_picture(flux, to_latents(flux, image), Canvas(*image.size))
        quality.append(psnr(image, decoded))
    return [{"VAE": "encode and decode", "PSNR, dB": fmean(quality)}]


def rounds_table(model: str, count: int) -> list[Row]:
    """Edit without asking for anything, again and again: PSNR against the first picture."""
    editor = Editor(load(model))
    wanted = (1, 2, 4, 8)
    methods = {"Euler": "euler", "FireFlow": "fireflow", "paper": "mtc"}
    quality: dict[str, dict[int, list[float]]] = {m: defaultdict(list) for m in methods}
    for seed, portrait in _told("rounds", islice(draws("eval", 2), count), count):
        first = Picture(draw(portrait))
        said = caption(portrait.attributes.visible())
        for name, method in methods.items():
            current = first
            for n in range(1, max(wanted) + 1):
                result = editor.edit(
                    EditRequest(current, first, said, said),
                    settings=replace(_PAPER, guidance=1.0),
                    seed=100 * seed + n,
                    method=method,
                )
                current = Picture(result.picture, result.latents)
                if n in wanted:
                    quality[name][n].append(psnr(first.image, result.picture))
    return [
        {"method": name, **{f"round {n}": fmean(quality[name][n]) for n in wanted}}
        for name in methods
    ]


def turns_table(model: str, count: int, turns: int = 4) -> list[Row]:
    """Edit turn after turn; how near the last picture is to the truth.

    Success is the share of turns whose change is there right after it; "all kept" the share of
    all visible attributes that are right at the end; the distances are mean absolute differences
    (0 to 255) to the exact truth at the end, in all and outside everything that was changed.
    """
    scores: dict[str, dict[str, list[float]]] = {m: defaultdict(list) for m in METHODS}
    for of_methods in _spread("turns", _follow_all, model, sequences(count, turns)):
        for name, found in of_methods.items():
            for key, value in found.items():
                scores[name][key].append(value)
    return [
        {"method": name, **{key: fmean(values) for key, values in scores[name].items()}}
        for name in METHODS
    ]


def _follow_all(model: str, seed: int, sequence: list[Turn]) -> dict[str, dict[str, float]]:
    flux = _flux(model)
    return {name: _follow(Editor(flux), name, sequence, seed) for name in METHODS}


def _follow(editor: Editor, name: str, sequence: list[Turn], seed: int) -> dict[str, float]:
    method, settings = METHODS[name]
    start = sequence[0].before
    current = original = Picture(draw(start))
    done, forwards, seconds = [], 0, 0.0
    for n, turn in enumerate(sequence):
        result = editor.edit(
            EditRequest(current, original, turn.source_prompt, turn.target_prompt, turn.edit_words),
            settings=settings,
            seed=1000 * seed + n,
            method=method,
        )
        seconds += result.report.seconds
        forwards += result.report.forwards
        current = Picture(result.picture, result.latents)
        seen = _seen(result.picture, turn.after)
        done.append(all(seen.get(key) == value for key, value in turn.changed.items()))
    truth = sequence[-1].after
    visible = truth.attributes.visible()
    kept = [name for name in visible if all(name not in turn.changed for turn in sequence)]
    mask = change_mask(start, truth)
    inside, outside = identity_distance(current.image, truth, mask)
    return {
        "edit success": fmean(done),
        "attributes kept": fmean(seen.get(key) == visible[key] for key in kept),
        "distance to truth": inside * float(mask.mean()) + outside * float(1 - mask.mean()),
        "distance outside": outside,
        "model calls a turn": forwards / len(sequence),
        "seconds a turn": seconds / len(sequence),
    }


def _seen(picture: Image.Image, truth: Portrait) -> dict[str, str]:
    """Read a picture that should show `truth`, or whoever else it shows if that is nearer."""
    reading = read(picture, expected=truth)
    if reading.distance > SOMEBODY_ELSE:
        reading = min(reading, read(picture), key=lambda r: r.distance)
    return reading.attributes


def psnr(a: Image.Image, b: Image.Image) -> float:
    """Peak signal-to-noise ratio of two RGB pictures in dB."""
    x, y = (np.asarray(p.convert("RGB"), dtype=np.float64) for p in (a, b))
    return float(10 * np.log10(255**2 / max(float(((x - y) ** 2).mean()), 1e-9)))


_flux = cache(load)


def _spread(
    name: str, measure: Callable[[str, int, Item], Found], model: str, items: list[Item]
) -> Iterator[Found]:
    """Measure items on all cores, in order; each gets its number as a seed."""
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores, get_context("spawn"), initializer=_one_thread) as pool:
        jobs = pool.map(measure, repeat(model), range(len(items)), items)
        yield from (found for _, found in _told(name, jobs, len(items)))


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _told(name: str, items: Iterable[Item], count: int) -> Iterator[tuple[int, Item]]:
    """Number items, and say on standard error how far things are."""
    for i, item in enumerate(items):
        print(f"\r{name} {i + 1}/{count}", end="", file=sys.stderr, flush=True)
        yield i, item
    print(file=sys.stderr)
