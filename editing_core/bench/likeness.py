"""A judge that is no network: is a picture nearer to its truth than to what it might be instead?"""

from __future__ import annotations

import numpy as np
from PIL import Image

from editing_core import measure
from editing_core.bench.measured import drawn
from editing_core.bench.sequences import Turn
from editing_core.portraits.world import VALUES, Portrait


def like_truth(picture: Image.Image, turn: Turn) -> bool:
    """Whether an edit is nearer to its exact drawing than to any drawing of another outcome.

    Another outcome is the truth with another value of one attribute that was to change. Distances
    are means over pixels, so that nothing learnt takes part, exact drawings always pass, and what
    the two drawings have in common makes no difference.

    Args:
        picture: After the turn.
        turn: What was asked for.
    """
    return all(
        _nearer(picture, turn.after, turn.after.with_(**{name: other}))
        for name, value in turn.changed.items()
        for other in VALUES[name]
        if other != value
    )


def _nearer(picture: Image.Image, truth: Portrait, other: Portrait) -> bool:
    seen = measure.pixels_of(picture)
    a, b = (measure.pixels_of(drawn(portrait, picture.width)) for portrait in (truth, other))
    return bool((a == b).all() or np.abs(seen - a).mean() < np.abs(seen - b).mean())
