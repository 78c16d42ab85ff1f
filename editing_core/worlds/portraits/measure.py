"""What a model folder reaches on held-out portraits, and a sheet of its pictures.

`python -m editing_core.worlds.portraits.measure` prints how well the VAE draws again what it is
shown, on three canvases, the error of the transformer's velocities, how much the classifier gets
right, and with `--edits N` how well it tells clean edits by the model from degraded ones;
`--sheet FILE` draws held-out captions with the stock pipeline, or, of a folder with nothing but a
VAE, drawings and what the VAE makes of them. `--drawings FILE` draws the sheet of this folder's
README.
"""

from __future__ import annotations

import argparse
import random
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from editing_core.bench.model_quality import sheet as side_by_side
from editing_core.models.canvas import pack
from editing_core.portraits.captions import caption
from editing_core.portraits.model import TEXT_LENGTH, Parts
from editing_core.portraits.schema import VALUES, Portrait, draws
from editing_core.portraits.train_vae import pixels
from editing_core.worlds.portraits.classifier import FILE as CLASSIFIER
from editing_core.worlds.portraits.classifier import Classifier, load_classifier
from editing_core.worlds.portraits.degraded import pairs
from editing_core.worlds.portraits.drawing import Place, draw, random_place
from editing_core.worlds.portraits.edited import CLEAN, DEGRADED, make_edits
from editing_core.worlds.portraits.flow import captioned, grid_of
from editing_core.worlds.portraits.judges import face_error, sharpness
from editing_core.worlds.portraits.train import WEIGHTS, complete, load

CANVASES = ((256, 256), (192, 320), (384, 256))


def main() -> None:
    """Print the table and write the sheet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", type=Path, default=WEIGHTS)
    parser.add_argument("--count", type=int, default=24, help="portraits of each canvas")
    parser.add_argument("--edits", type=int, default=0, help="edits to judge cleanliness by")
    parser.add_argument("--sheet", type=Path, help="a picture for eyes")
    parser.add_argument("--drawings", type=Path, help="draw held-out people there, and no more")
    args = parser.parse_args()
    if args.drawings:
        drawings().save(args.drawings)
        return
    parts = load(args.model)
    print(
        "| canvas | PSNR | sharpness | face L1 | velocity error |\n| --- | --- | --- | --- | --- |"
    )
    for size in CANVASES:
        people = held_out(size, args.count)
        row = [f"{value:.3g}" for value in redrawn(parts, size, people)]
        row += [f"{velocity_error(parts, size, people):.3g}" if complete(args.model) else "not yet"]
        print(f"| {size[0]} x {size[1]} | " + " | ".join(row) + " |", flush=True)
    if (args.model / CLASSIFIER.name).exists():
        judge = load_classifier(args.model / CLASSIFIER.name)
        print(classified(judge, parts, args.count))
        if args.edits:
            print(checked(judge, args.model, args.edits))
    if args.sheet and not complete(args.model):
        redrawings(parts).save(args.sheet)
    elif args.sheet:
        sheet(parts).save(args.sheet)


def held_out(size: tuple[int, int], count: int) -> list[tuple[Portrait, Place]]:
    """Portraits never trained on, somewhere on a canvas."""
    rng = random.Random(0)
    return [(p, random_place(rng, *size)) for p in islice(draws("eval", 24), count)]


@torch.no_grad()
def redrawn(
    parts: Parts, size: tuple[int, int], people: list[tuple[Portrait, Place]]
) -> tuple[float, float, float]:
    """PSNR, sharpness and error of faces of what the VAE makes of exact drawings."""
    squared, sharp, faces = [], [], []
    everywhere = np.ones((size[1], size[0]), bool)
    for portrait, place in people:
        truth = draw(portrait, size, place)
        made = redrawing(parts, truth)
        difference = np.asarray(made, np.float32) - np.asarray(truth, np.float32)
        squared.append(float((difference**2).mean()))
        sharp.append(sharpness(made, truth, everywhere))
        faces.append(face_error(made, portrait, place))
    psnr = 10 * float(np.log10(255**2 / np.mean(squared)))
    return psnr, float(np.mean(sharp)), float(np.mean(faces))


@torch.no_grad()
def velocity_error(
    parts: Parts, size: tuple[int, int], people: list[tuple[Portrait, Place]]
) -> float:
    """The loss of flow matching with canonical captions, at times 0.1, 0.3 ... 0.9."""
    model, config = captioned(parts).eval(), parts.vae.config
    chance = torch.Generator().manual_seed(0)
    errors = []
    for portrait, place in people:
        shown = pixels(np.asarray(draw(portrait, size, place))[None])
        clean = pack(parts.vae.encode(shown).latent_dist.mean)
        clean = (clean - config.shift_factor) * config.scaling_factor
        text = model.text([caption(portrait.attributes.visible())])
        for at in (0.1, 0.3, 0.5, 0.7, 0.9):
            noise = torch.randn(clean.shape, generator=chance)
            x, t = (1 - at) * clean + at * noise, torch.tensor([at])
            made = model(x, t, text, torch.ones(1), grid_of(size))
            errors.append(float(functional.mse_loss(made, noise - clean)))
    return float(np.mean(errors))


def classified(judge: Classifier, parts: Parts, count: int) -> str:
    """Say what share of attributes a classifier gets right, and how it knows clean pictures."""
    right: dict[str, list[bool]] = {name: [] for name in VALUES}
    alarms, passes = [], []
    for size in CANVASES:
        people = held_out(size, count)
        pictures = [draw(portrait, size, place) for portrait, place in people]
        for (portrait, _), picture in zip(people, pictures, strict=True):
            seen, shown = judge.classify(picture).attributes, portrait.attributes.visible()
            for name, found in right.items():
                found.append(seen.get(name) == shown.get(name))
        stacked = np.stack([np.asarray(picture) for picture in pictures])
        for clean, dirty in pairs(parts, stacked, torch.Generator().manual_seed(0)):
            alarms.append(judge.clean(Image.fromarray(clean)) < 0.5)
            passes.append(judge.clean(Image.fromarray(dirty)) > 0.5)
    shares = {name: float(np.mean(found)) for name, found in right.items()}
    worst = min(shares, key=lambda name: shares[name])
    return (
        f"classifier: {np.mean(list(shares.values())):.3f} of attributes, worst {worst} "
        f"{shares[worst]:.3f}; clean or not: false alarms {np.mean(alarms):.3f}, false passes "
        f"{np.mean(passes):.3f}"
    )


def checked(judge: Classifier, model: Path, count: int) -> str:
    """Say how a classifier tells held-out edits by the model that are clean from degraded ones."""
    with TemporaryDirectory() as folder:
        edits = make_edits(model, count, Path(folder) / "edits.npz", "eval")
    wrong: dict[int, list[bool]] = {CLEAN: [], DEGRADED: []}
    for picture, right in zip(edits.pictures, edits.right, strict=True):
        passed = judge.clean(Image.fromarray(picture)) > 0.5
        wrong[right["clean"]].append(passed != (right["clean"] == CLEAN))
    alarms, passes = (
        f"{np.mean(of):.3f} of {len(of)}" if of else "none to judge by"
        for of in (wrong[CLEAN], wrong[DEGRADED])
    )
    return f"edits by the model: false alarms {alarms}, false passes {passes}"


@torch.no_grad()
def redrawing(parts: Parts, truth: Image.Image) -> Image.Image:
    """What the VAE makes of a picture."""
    code = parts.vae.encode(pixels(np.asarray(truth)[None])).latent_dist.mean
    made = parts.vae.decode(code).sample[0].float().clamp(-1, 1)
    levels = ((made + 1) * 127.5).round().byte()
    return Image.fromarray(levels.permute(1, 2, 0).cpu().numpy())


@torch.no_grad()
def redrawings(parts: Parts, side: int = 256, count: int = 6) -> Image.Image:
    """Exact drawings, and below each what the VAE makes of it."""
    whole = Image.new("RGB", (count * side, 2 * side))
    for i, (portrait, place) in enumerate(held_out((side, side), count)):
        truth = draw(portrait, side, place)
        whole.paste(truth, (i * side, 0))
        whole.paste(redrawing(parts, truth), (i * side, side))
    return whole


def drawings(count: int = 64) -> Image.Image:
    """Held-out people as they are drawn, who fill the picture."""
    return side_by_side([draw(portrait) for portrait in islice(draws("eval", 0), count)])


def sheet(parts: Parts, side: int = 256, columns: int = 6, rows: int = 4) -> Image.Image:
    """Held-out captions drawn by the stock pipeline."""
    pipeline = parts.pipeline()
    pipeline.set_progress_bar_config(disable=True)
    people = islice(draws("eval", 24), columns * rows)
    captions = [caption(portrait.attributes.visible()) for portrait in people]
    drawn = pipeline(
        captions,
        height=side,
        width=side,
        num_inference_steps=16,
        guidance_scale=3.5,
        max_sequence_length=TEXT_LENGTH,
        generator=torch.Generator().manual_seed(0),
    ).images
    return side_by_side(list(drawn), columns)


if __name__ == "__main__":
    main()
