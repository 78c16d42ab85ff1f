"""What generalises: edits of portraits in a style that the model has never seen."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from editing_core.bench.parallel import Row, averaged, editor_of, spread
from editing_core.bench.sequences import SequenceTurn
from editing_core.editor import EditRequest, Picture
from editing_core.portraits.second_style import SHOWN, draw_toon
from editing_core.portraits.world import Attributes, Portrait, draws
from editing_core.settings import PRESETS

ASKED = ("hair_color", "clothing_color", "background", "facial_hair", "expression")
METHODS = {"regenerate": "regenerate", "FireFlow": "fireflow", "paper": "mtc"}


def styles_table(model: str, count: int) -> list[Row]:
    """Edit `count` toons in each attribute.

    "way" is how much of the difference to the exact truth is gone where the truth changes (1 is
    all of it, below 0 is away from it), "outside" the mean difference (0 to 255) that came where
    nothing should change.
    """
    turns = [turn for name in ASKED for turn in islice(_turns(name), count)]
    means = averaged(spread("styles", _edit_all, model, turns))
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
