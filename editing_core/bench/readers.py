"""How well pictures are read: the network against analysis, on clean and on damaged drawings."""

from __future__ import annotations

from collections import defaultdict
from itertools import islice
from statistics import fmean

import numpy as np
import torch
from PIL import Image

from editing_core.bench.spread import Row, spread
from editing_core.portraits.lessons import damaged
from editing_core.portraits.read import read
from editing_core.portraits.reader import HIDDEN, reader
from editing_core.portraits.world import VALUES, Portrait, draw, draws

ANALYSED = 25  # every so manieth picture is also read by analysis, which takes seconds
Hits = dict[str, list[tuple[bool, float]]]


def readers_table(model: str, count: int) -> list[Row]:
    """Share of held-out drawings on which each attribute, shown or hidden, is named rightly.

    "sure" is the mean probability the network gives its answers on damaged pictures; where it is
    calibrated, that is the share of right ones.
    """
    found: dict[str, Hits] = defaultdict(lambda: defaultdict(list))
    portraits = list(islice(draws("eval", 5), count))
    for of_readers in spread("readers", _read_all, model, portraits):
        for how, answers in of_readers.items():
            for name, answer in answers.items():
                found[how][name].append(answer)
                found[how]["all"].append(answer)
    return [
        {
            "attribute": name,
            "network": fmean(hit for hit, _ in found["network"][name]),
            "analysis": fmean(hit for hit, _ in found["analysis"][name]),
            "network, damaged": fmean(hit for hit, _ in found["damaged"][name]),
            "sure, damaged": fmean(sure for _, sure in found["damaged"][name]),
        }
        for name in [*VALUES, "all"]
    ]


def _read_all(
    model: str, number: int, portrait: Portrait
) -> dict[str, dict[str, tuple[bool, float]]]:
    picture = draw(portrait)
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 127.5 - 1
    spoilt = (damaged(pixels, number, share=1.0)[0].permute(1, 2, 0) + 1) * 127.5
    seen = reader().read(picture)
    dim = reader().read(Image.fromarray(spoilt.round().byte().numpy()))
    truth = portrait.attributes.visible()
    found = {
        "network": _marked(seen.attributes, truth, seen.confidence),
        "damaged": _marked(dim.attributes, truth, dim.confidence),
    }
    if number % ANALYSED == 0:
        found["analysis"] = _marked(read(picture).attributes, truth, {})
    return found


def _marked(
    seen: dict[str, str], truth: dict[str, str], sure: dict[str, float]
) -> dict[str, tuple[bool, float]]:
    return {
        name: (seen.get(name, HIDDEN) == truth.get(name, HIDDEN), sure.get(name, 1.0))
        for name in VALUES
    }
