"""How well the shipped model draws, is read, and edits a style that it has never seen."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import islice
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from editing_core.bench.parallel import Row, editor_of, map_parallel, mean_rows, told
from editing_core.bench.sequences import SequenceTurn
from editing_core.editor import EditRequest, Picture
from editing_core.metrics import psnr
from editing_core.models.canvas import Canvas
from editing_core.models.checkpoints import find
from editing_core.models.load import load
from editing_core.portraits.analysis_by_synthesis import read
from editing_core.portraits.augmentations import corrupted
from editing_core.portraits.captions import caption, parse
from editing_core.portraits.classifier import FILE, HIDDEN, load_classifier
from editing_core.portraits.model import TEXT_LENGTH
from editing_core.portraits.schema import VALUES, Attributes, Portrait, draw, draws
from editing_core.portraits.toon_renderer import SHOWN, draw_toon
from editing_core.settings import PRESETS, EditSettings
from editing_core.worlds.registry import shipped_world, world_named

if TYPE_CHECKING:
    from diffusers import FluxPipeline

    from editing_core.worlds.base import World

STEPS = 16
GUIDANCE = 3.5


def vae_table(model: str, count: int) -> list[Row]:
    """Encode and decode held-out portraits: how much the VAE alone loses."""
    flux = load(model)
    quality = []
    for _, portrait in told("vae", islice(draws("eval", 3), count), count):
        image = draw(portrait)
        decoded = flux.decode(flux.encode(image), Canvas(*image.size))
        quality.append(psnr(image, decoded))
    return [{"VAE": "encode and decode", "PSNR, dB": fmean(quality)}]


def text_table(model: str, count: int) -> list[Row]:
    """Draw held-out captions; the share of named attributes that the classifier then sees.

    "stock" is diffusers' own `FluxPipeline`, "ours" the solver that edits.
    """
    said = captions(count)
    named = Counter(name for caption in said for name in parse(caption))
    right = mean_rows(map_parallel("text", _drawn_right, model, said))
    names, times = sorted(named), [named[name] for name in sorted(named)]
    rows: list[Row] = [
        {"attribute": name, "named": str(named[name]), **right[name]} for name in names
    ]
    overall = {
        painter: fmean((right[name][painter] for name in names), weights=times)
        for painter in ("stock", "ours")
    }
    return [*rows, {"attribute": "all", "named": str(named.total()), **overall}]


def captions(count: int) -> list[str]:
    """Held-out captions as people might write them, partial and shuffled."""
    rng = random.Random("captions")
    return [
        caption(portrait.attributes.visible(), rng, rng.uniform(0.3, 1))
        for portrait in islice(draws("eval", 1), count)
    ]


def _drawn_right(model: str, seed: int, said: str) -> dict[str, dict[str, float]]:
    """Draw one caption in both ways, and compare what it names with what its world sees."""
    painted = {"stock": stock(model, seed, said), "ours": ours(model, seed, said)}
    seen = {painter: _world(model).judge(picture) for painter, picture in painted.items()}
    return {
        name: {painter: float(seen[painter].get(name, "none") == value) for painter in seen}
        for name, value in parse(said).items()
    }


def stock(model: str, seed: int, said: str) -> Image.Image:
    """Draw a caption with diffusers' own pipeline."""
    import torch

    side = _side(model)
    drawn = _pipeline(model)(
        said,
        height=side,
        width=side,
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE,
        max_sequence_length=TEXT_LENGTH,
        generator=torch.Generator().manual_seed(seed),
    ).images[0]
    assert isinstance(drawn, Image.Image)
    return drawn


def ours(model: str, seed: int, said: str) -> Image.Image:
    """Draw a caption with the solver that edits."""
    blank = Picture(Image.new("RGB", (_side(model),) * 2, "gray"))
    settings = EditSettings(steps=STEPS, guidance=GUIDANCE)
    request = EditRequest(blank, blank, "", said)
    return editor_of(model).edit(request, settings=settings, seed=seed, method="regenerate").picture


def _world(model: str) -> World:
    return world_named(model) or shipped_world()


def _side(model: str) -> int:
    return _world(model).sample()[0].width


@cache
def _pipeline(model: str) -> FluxPipeline:
    import torch
    from diffusers import FluxPipeline
    from diffusers.utils import is_accelerate_available

    pipeline = FluxPipeline.from_pretrained(
        find(model).base,
        torch_dtype=torch.float32,
        low_cpu_mem_usage=is_accelerate_available(),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def sheets(model: str, count: int) -> list[Row]:
    """Draw sheets for the model card: random captions, and one caption a row with eight seeds."""
    random_ones = captions(count)
    same = [said for said in captions(8) for _ in range(8)]
    rows: list[Row] = []
    for name, said in (("random captions", random_ones), ("one caption a row", same)):
        pictures = list(map_parallel(name, stock, model, said))
        file = FILE.with_name(f"{name.replace(' ', '-')}.png")
        sheet(pictures).save(file, optimize=True)
        rows.append({"sheet": name, "pictures": str(len(pictures)), "file": file.name})
    return rows


def sheet(pictures: list[Image.Image], columns: int = 8) -> Image.Image:
    """Pictures of one size side by side, `columns` in a row."""
    width, height = pictures[0].size
    whole = Image.new("RGB", (width * columns, height * -(-len(pictures) // columns)), "white")
    for i, picture in enumerate(pictures):
        whole.paste(picture, (i % columns * width, i // columns * height))
    return whole


ANALYSED = 25  # every so manieth picture is also read by analysis, which takes seconds


def classifiers_table(model: str, count: int) -> list[Row]:
    """Share of held-out drawings on which each attribute, shown or hidden, is named rightly.

    "sure" is the mean probability the network gives its answers on damaged pictures; where it is
    calibrated, that is the share of right ones.
    """
    portraits = list(islice(draws("eval", 5), count))
    right = mean_rows(map_parallel("classifiers", _read_all, model, portraits))
    overall = {
        classifier: fmean(right[name][classifier] for name in VALUES) for classifier in right["age"]
    }
    return [{"attribute": name, **row} for name, row in [*right.items(), ("all", overall)]]


def _read_all(model: str, number: int, portrait: Portrait) -> dict[str, dict[str, float]]:
    picture = draw(portrait)
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 127.5 - 1
    spoilt = (corrupted(pixels, number, share=1.0)[0].permute(1, 2, 0) + 1) * 127.5
    dim = load_classifier().classify(Image.fromarray(spoilt.round().byte().numpy()))
    seen = {"network": load_classifier().classify(picture).attributes}
    if number % ANALYSED == 0:
        seen["analysis"] = read(picture).attributes
    seen["network, damaged"] = dim.attributes
    truth = portrait.attributes.visible()
    return {
        name: {
            **{how: float(of.get(name, HIDDEN) == truth.get(name, HIDDEN))
               for how, of in seen.items()},
            "sure, damaged": dim.confidence[name],
        }
        for name in VALUES
    }  # fmt: skip


ASKED = ("hair_color", "clothing_color", "background", "facial_hair", "expression")
METHODS = {"regenerate": "regenerate", "FireFlow": "fireflow", "paper": "mtc"}


def styles_table(model: str, count: int) -> list[Row]:
    """Edit `count` toons in each attribute.

    "way" is how much of the difference to the exact truth is gone where the truth changes (1 is
    all of it, below 0 is away from it), "outside" the mean difference (0 to 255) that came where
    nothing should change.
    """
    turns = [turn for name in ASKED for turn in islice(_turns(name), count)]
    means = mean_rows(map_parallel("styles", _edit_all, model, turns))
    return [{"asked": name, **row} for name, row in means.items()]


def _turns(name: str) -> Iterator[SequenceTurn]:
    rng = random.Random(name)
    for portrait in draws("eval", 8):
        shown = {
            attribute: rng.choice([v for v in values if v != "gray" or attribute == "background"])
            for attribute, values in SHOWN.items()
        }
        attributes = Attributes(gender=portrait.attributes.gender, **shown)
        before = Portrait(attributes, replace(portrait.identity, shift=(0.0, 0.0)))
        turn = SequenceTurn(before, before.with_(**{name: rng.choice(SHOWN[name])}))
        if turn.changed:
            yield turn


def _edit_all(model: str, seed: int, turn: SequenceTurn) -> dict[str, dict[str, float]]:
    name = next(iter(turn.changed))
    picture = Picture(draw_toon(turn.before))
    before, truth = (_pixels(draw_toon(p)) for p in (turn.before, turn.after))
    mask = np.abs(before - truth).max(axis=2) > 8
    found = {}
    for column, method in METHODS.items():
        result = editor_of(model).edit(
            EditRequest(picture, picture, turn.source_prompt, turn.target_prompt, turn.edit_words),
            settings=PRESETS["paper"],
            seed=seed,
            method=method,
        )
        after = _pixels(result.picture)
        left = np.abs(after - truth)[mask].mean() / np.abs(before - truth)[mask].mean()
        found[f"{column}, way"] = float(1 - left)
        found[f"{column}, outside"] = float(np.abs(after - before)[~mask].mean())
    return {name: found}


def _pixels(image: Image.Image) -> NDArray[np.float32]:
    return np.asarray(image, dtype=np.float32)
