"""How well pictures are read: the network against analysis, on clean and on damaged drawings."""

from __future__ import annotations

from itertools import islice
from statistics import fmean

import numpy as np
import torch
from PIL import Image

from editing_core.bench.parallel import Row, averaged, spread
from editing_core.portraits.lessons import damaged
from editing_core.portraits.read import read
from editing_core.portraits.reader import HIDDEN, reader
from editing_core.portraits.world import VALUES, Portrait, draw, draws

ANALYSED = 25  # every so manieth picture is also read by analysis, which takes seconds


def readers_table(model: str, count: int) -> list[Row]:
    """Share of held-out drawings on which each attribute, shown or hidden, is named rightly.

    "sure" is the mean probability the network gives its answers on damaged pictures; where it is
    calibrated, that is the share of right ones.
    """
    portraits = list(islice(draws("eval", 5), count))
    right = averaged(spread("readers", _read_all, model, portraits))
    overall = {reader: fmean(right[name][reader] for name in VALUES) for reader in right["age"]}
    return [{"attribute": name, **row} for name, row in [*right.items(), ("all", overall)]]


def _read_all(model: str, number: int, portrait: Portrait) -> dict[str, dict[str, float]]:
    picture = draw(portrait)
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 127.5 - 1
    spoilt = (damaged(pixels, number, share=1.0)[0].permute(1, 2, 0) + 1) * 127.5
    dim = reader().read(Image.fromarray(spoilt.round().byte().numpy()))
    seen = {"network": reader().read(picture).attributes}
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
