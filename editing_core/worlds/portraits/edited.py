"""Edits by the model, called clean or degraded by exact drawings: what the check must know.

`degraded` makes such pictures up; these are those that people would get. An edit is clean if it is
near the exact drawing of what was asked for, or of what was there before (then nothing happened,
but nothing is degraded), and degraded if it is far from both; what lies between teaches nothing.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from editing_core.bench.parallel import editor_of, map_parallel
from editing_core.bench.sequences import SequenceTurn, walked
from editing_core.editor import EditRequest, Picture
from editing_core.metrics import pixels_of
from editing_core.portraits.classifier import targets
from editing_core.portraits.schema import CUTS, Portrait, draws
from editing_core.settings import PRESETS
from editing_core.worlds.portraits.classifier import QUESTIONS, SIDE, Classifier
from editing_core.worlds.portraits.drawing import Place, change_mask, draw, random_place
from editing_core.worlds.portraits.store import SHARES

NEAR, FAR = 0.35, 0.6
"""Distance to the nearest exact drawing, as a share of the distance between before and after, up to
which an edit is clean, and from which it is degraded."""
CLEAN, DEGRADED = (QUESTIONS["clean"].index(answer) for answer in ("yes", "no"))
UNKNOWN = -1
GUIDANCES, STEPS = (1.5, 2.5, 4.0), (4, 8)  # good ones and bad ones

Answers = dict[str, int]


@dataclass(frozen=True, eq=False)
class Edits:
    """Pictures (N, SIDE, SIDE, 3) as the classifier gets them, and what is right of each."""

    pictures: NDArray[np.uint8]
    right: Sequence[Answers]


def make_edits(model: Path, count: int, file: Path, split: str = "train") -> Edits:
    """Let a model folder make edits of portraits on all canvases, once; they are kept in a file."""
    if not file.exists():
        made = [
            one
            for one in map_parallel(split, _edit, str(model), [split] * count)
            if one is not None
        ]
        partial = file.with_suffix(".partial.npz")
        table = [[right.get(name, UNKNOWN) for name in QUESTIONS] for _, right in made]
        pictures = np.zeros((len(made), SIDE, SIDE, 3), np.uint8)
        for place, (picture, _) in zip(pictures, made, strict=True):
            place[...] = picture
        np.savez(partial, pictures=pictures, right=np.array(table).reshape(-1, len(QUESTIONS)))
        partial.replace(file)
    kept = np.load(file)
    known = [
        {name: int(n) for name, n in zip(QUESTIONS, row, strict=True) if n != UNKNOWN}
        for row in kept["right"]
    ]
    return Edits(kept["pictures"], known)


def _edit(model: str, number: int, split: str) -> tuple[NDArray[np.uint8], Answers] | None:
    """One edit with random numbers; None if exact drawings leave open what it is."""
    rng = random.Random(f"edits {split} {number}")
    (size,) = rng.choices(list(SHARES), list(SHARES.values()))
    turn = walked(next(draws(split, rng.randrange(1 << 30))), 1, rng)[0]
    place = random_place(rng, *size)
    first = Picture(draw(turn.before, size, place))
    steady = replace(PRESETS["steady"], guidance=rng.choice(GUIDANCES), steps=rng.choice(STEPS))
    made = editor_of(model).edit(
        EditRequest(first, first, turn.source_prompt, turn.target_prompt, turn.edit_words),
        settings=steady.fitted(turn.kind, 0),
        seed=number,
        method="steady",
    )
    right = answers_by_drawings(made.picture, turn, place)
    if right is None:
        return None
    seen = Classifier.preprocess(torch.from_numpy(np.array(made.picture.convert("RGB")))[None])[0]
    return ((seen + 1) * 127.5).round().byte().permute(1, 2, 0).numpy(), right


def answers_by_drawings(picture: Image.Image, turn: SequenceTurn, place: Place) -> Answers | None:
    """What is right of an edit's picture, by exact drawings; None if they leave it open."""
    before, after = turn.before, turn.after
    region = change_mask(before, after, picture.size, place)
    if not region.any():
        return None

    def pixels(portrait: Portrait) -> NDArray[np.float64]:
        return np.asarray(pixels_of(draw(portrait, picture.size, place))[region])

    seen, exact = np.asarray(pixels_of(picture)[region]), pixels(after)
    apart = float(np.abs(pixels(before) - exact).mean())
    outcomes = [before, *(_cut(after, cut) for cut in CUTS)]
    distances = [float(np.abs(seen - pixels(one)).mean()) / apart for one in outcomes]
    nearest = int(np.argmin(distances))
    if distances[nearest] <= NEAR:
        return targets(outcomes[nearest].attributes.visible()) | {"clean": CLEAN}
    return {"clean": DEGRADED} if distances[nearest] >= FAR else None


def _cut(portrait: Portrait, cut: int) -> Portrait:
    """The same person with the other cut of hair or beard, which no caption names."""
    return replace(portrait, identity=replace(portrait.identity, cut=cut))
