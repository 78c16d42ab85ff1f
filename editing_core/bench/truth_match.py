"""A judge that is no network: is a picture nearer to its truth than to what it might be instead?"""

from __future__ import annotations

import numpy as np
from PIL import Image

from editing_core import metrics
from editing_core.bench.measured import drawn
from editing_core.bench.sequences import SequenceTurn
from editing_core.portraits.world import VALUES, Portrait


def like_truth(picture: Image.Image, turn: SequenceTurn) -> bool:
    """Whether no drawing of another outcome is nearer to an edit than its exact drawing.

    Another outcome is the truth with another value of one attribute that was to change. Distances
    are means over pixels, so that nothing learnt takes part, exact drawings always pass, and what
    the two drawings have in common makes no difference.

    Args:
        picture: After the turn.
        turn: What was asked for.
    """
    seen = metrics.pixels_of(picture)

    def distance(portrait: Portrait) -> float:
        return float(np.abs(seen - metrics.pixels_of(drawn(portrait, picture.width))).mean())

    others = (
        turn.after.with_(**{name: value})
        for name, wanted in turn.changed.items()
        for value in VALUES[name]
        if value != wanted
    )
    to_truth = distance(turn.after)
    return all(to_truth <= distance(other) for other in others)
