"""One edited portrait against its exact truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean

import numpy as np
from PIL import Image

from editing_core import metrics
from editing_core.bench.sequences import SequenceTurn
from editing_core.portraits import schema
from editing_core.portraits.classifier import ClassifierOutput, load_classifier
from editing_core.portraits.schema import VALUES, Portrait

MARGIN = 4  # pixels around a change in which structure is not compared

drawn = lru_cache(64)(schema.draw)
changed_at = lru_cache(64)(schema.change_mask)


@dataclass(frozen=True)
class Made:
    """How one edit came out."""

    seen: bool
    """Whether the change is."""
    kept: float
    """The share of other visible attributes that are right."""
    outside: float
    """Mean distance to the truth outside the change, 0 to 255."""

    @property
    def right(self) -> bool:
        """Whether the change is seen and nothing else is spoilt."""
        return self.seen and self.kept == 1

    def columns(self, kind: str) -> dict[str, float]:
        """The same as columns of a table, with one for the kind of change."""
        return {
            kind: float(self.right),
            "seen": float(self.seen),
            "kept": self.kept,
            "distance outside": self.outside,
        }


def measured(picture: Image.Image, turn: SequenceTurn) -> Made:
    """Compare the picture of one edit with its truth."""
    seen, visible = load_classifier().classify(picture).attributes, turn.after.attributes.visible()
    return Made(
        seen=agrees(seen, turn.changed),
        kept=fmean(seen.get(name) == visible[name] for name in visible.keys() - turn.changed),
        outside=distances(picture, turn.before, turn.after)["L1 outside"],
    )


def agrees(seen: Mapping[str, str], changed: Mapping[str, str]) -> bool:
    """Whether every change is seen."""
    return all(seen.get(name) == value for name, value in changed.items())


def distances(picture: Image.Image, start: Portrait, truth: Portrait) -> dict[str, float]:
    """Compare a picture with the truth, inside and outside of all that was to change.

    Args:
        picture: The edited portrait.
        start: The portrait that the edits began from.
        truth: What it should look like by now.

    Returns:
        "L1" in levels of 255, "PSNR" in dB, "SSIM" at most 1, each of the whole or of one side
        (left out where there is no such side); "drift" of the mean colour outside in CIE 1976's
        Delta E; "shift" of what is outside, in pixels.
    """
    mask = changed_at(start, truth, picture.width)
    a, b = metrics.pixels_of(drawn(truth, picture.width)), metrics.pixels_of(picture)
    gray_a, gray_b = a.mean(axis=2), b.mean(axis=2)
    near = metrics.widened(mask, MARGIN)
    alike = metrics.ssim_map(gray_a, gray_b)
    found = {"L1": float(np.abs(a - b).mean()), "SSIM": float(alike.mean())}
    for side, where, structure in (("inside", mask, mask), ("outside", ~mask, ~near)):
        if where.any():
            found[f"L1 {side}"] = float(np.abs(a - b)[where].mean())
            found[f"PSNR {side}"] = metrics.psnr_of(a[where], b[where])
        if structure.any():
            found[f"SSIM {side}"] = float(alike[structure].mean())
    if not near.all():
        found["drift"] = metrics.color_difference(a[~near], b[~near])
        found["shift"] = metrics.shift(gray_a, gray_b, but=near)
    return found


def measure_turn(
    picture: Image.Image, turns: list[SequenceTurn], seen_before: Mapping[str, str]
) -> tuple[dict[str, float], ClassifierOutput]:
    """Measure the picture after the last of some turns.

    Returns:
        Columns, and what the classifier makes of the picture. "success": the change is seen.
        "portrait": it is taken for one. "kept": of what was right and not asked for in this turn,
        the share still right. "never asked for": the share right of what no turn asked for.
        "right": of all that shows. "text agreement": the classifier's mean probability for what the
        caption says. "similarity": cosine of the classifier's features of this picture and the
        first. And `distances`.
    """
    turn, start, truth = turns[-1], turns[0].before, turns[-1].after
    output = load_classifier().output(picture)
    seen, visible = output.prediction.attributes, truth.attributes.visible()
    was = turn.before.attributes.visible()
    fine = [name for name in visible if name not in turn.changed and name in was
            and seen_before.get(name) == was[name]]  # fmt: skip
    asked = {name for earlier in turns for name in earlier.changed}
    first = first_output(start, picture.width).features
    columns = {
        "success": float(agrees(seen, turn.changed)),
        "portrait": float(output.prediction.is_portrait),
        "right": fmean(seen.get(name) == value for name, value in visible.items()),
        "text agreement": fmean(output.probability(name, value) for name, value in visible.items()),
        "similarity": float(
            first @ output.features / (np.linalg.norm(first) * np.linalg.norm(output.features))
        ),
        **distances(picture, start, truth),
    }
    if fine:
        columns["kept"] = fmean(seen.get(name) == visible[name] for name in fine)
    if unasked := visible.keys() - asked:
        columns["never asked for"] = fmean(seen.get(name) == visible[name] for name in unasked)
    return columns, output


@lru_cache(64)
def first_output(portrait: Portrait, side: int) -> ClassifierOutput:
    """Return what the classifier makes of the exact drawing of a portrait."""
    return load_classifier().output(drawn(portrait, side))


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
