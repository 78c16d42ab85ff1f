"""Read a portrait by analysis: find the drawing that looks most like the picture.

Starting from a guess, one attribute after the other is set to the value whose drawing is nearest
to the picture, and so is the identity (pose, eyes, brows, cut) in between. Slow, and independent
of anything learned: what the classifier (`classifier.py`) is compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from editing_core.portraits.schema import (
    BROWS,
    CUTS,
    EYES,
    MOLES,
    PRINTS,
    VALUES,
    Attributes,
    Identity,
    Portrait,
    draw,
)

SIDE = 64  # pixels at which drawings are compared; small, because many are drawn
FAR = 96.0  # differences beyond this (of 255) count no more, so that colour does not hide shape

_TOGETHER = (("hair", "hair_color"), ("headwear", "headwear_color"), ("clothing", "clothing_color"))
_ALONE = tuple(name for name in VALUES if name not in sum(_TOGETHER, ()))


@dataclass(frozen=True)
class Reading:
    """The portrait nearest to a picture, and how far (mean difference, 0 to 255) it is."""

    portrait: Portrait
    distance: float

    @property
    def attributes(self) -> dict[str, str]:
        """The attributes seen, as `Attributes.visible` names them."""
        return self.portrait.attributes.visible()


def read(picture: Image.Image, expected: Portrait | None = None) -> Reading:
    """Name every attribute of a picture of a portrait.

    Args:
        picture: any square picture; its size does not matter.
        expected: a portrait to start from, when it is known whose picture this should be. Its
            identity is then taken for granted, which is faster and surer.
    """
    target = _pixels(picture)
    if expected is not None:
        best = _Search(target, expected)
        best.try_all(_attribute_moves)
        best.try_all(_attribute_moves)
        return best.reading()
    best = _Search(target, _first_guess(target))
    best.try_all(_joint_moves)
    for _ in range(2):
        best.try_all(_place_moves)
        best.try_all(_attribute_moves)
        best.try_all(_feature_moves)
    best.try_all(_joint_moves)
    best.try_all(_attribute_moves)
    return best.reading()


class _Search:
    """The best portrait so far, improved by trying moves."""

    def __init__(self, target: NDArray[np.float32], guess: Portrait) -> None:
        self.target, self.best = target, guess
        self.distance = self._distance(guess)

    def try_all(self, moves: Callable[[_Search], Iterator[list[Portrait]]]) -> None:
        """Go through groups of alternatives; keep the nearest of each group before the next."""
        for group in moves(self):
            for candidate in group:
                if candidate == self.best:
                    continue
                distance = self._distance(candidate)
                if distance < self.distance:
                    self.best, self.distance = candidate, distance

    def reading(self) -> Reading:
        return Reading(self.best, self.distance)

    def _distance(self, portrait: Portrait) -> float:
        error = np.abs(_pixels(draw(portrait, SIDE)) - self.target)
        return float(np.minimum(error, FAR).mean())


def _joint_moves(search: _Search) -> Iterator[list[Portrait]]:
    for names in _TOGETHER:
        choices = product(*(VALUES[name] for name in names))
        yield _with(search.best, (dict(zip(names, c, strict=True)) for c in choices))
    yield from _single(search, _ALONE)


def _attribute_moves(search: _Search) -> Iterator[list[Portrait]]:
    yield from _single(search, tuple(VALUES))


def _single(search: _Search, names: tuple[str, ...]) -> Iterator[list[Portrait]]:
    for name in names:
        yield _with(search.best, ({name: value} for value in VALUES[name]))


def _with(portrait: Portrait, changes: Iterable[dict[str, str]]) -> list[Portrait]:
    return [portrait.with_(**change) for change in changes]


def _place_moves(search: _Search) -> Iterator[list[Portrait]]:
    yield [_identity(search, mirrored=mirrored) for mirrored in (False, True)]
    for reach in (0.03, 0.015):
        steps = (-reach, 0.0, reach)
        x, y = search.best.identity.shift
        yield [_identity(search, shift=(x + dx, y + dy)) for dx, dy in product(steps, steps)]
        scale, tilt = search.best.identity.scale, search.best.identity.tilt
        yield [_identity(search, scale=scale + d) for d in steps]
        yield [_identity(search, tilt=tilt + 100 * d) for d in steps]


def _feature_moves(search: _Search) -> Iterator[list[Portrait]]:
    yield [_identity(search, eyes=eyes) for eyes in EYES]
    yield [_identity(search, brows=brows) for brows in BROWS]
    yield [_identity(search, mole=mole) for mole in MOLES]
    yield [_identity(search, cut=cut) for cut in CUTS]
    yield [_identity(search, print=shown) for shown in PRINTS]
    yield [_identity(search, freckles=freckles) for freckles in (False, True)]


def _identity(search: _Search, **changes: object) -> Portrait:
    return replace(search.best, identity=replace(search.best.identity, **changes))  # type: ignore[arg-type]


def _first_guess(target: NDArray[np.float32]) -> Portrait:
    """A plain portrait, in the middle of where identities lie, on the nearest background."""
    middle = Portrait(Attributes(), Identity(shift=(0.0, 0.015), scale=1.02))
    corner = np.median(target[:6].reshape(-1, 3), axis=0)
    edges = {
        value: np.median(_pixels(draw(middle.with_(background=value), SIDE))[:6].reshape(-1, 3), 0)
        for value in VALUES["background"]
    }
    nearest = min(edges, key=lambda value: float(np.abs(edges[value] - corner).sum()))
    return middle.with_(background=nearest)


def _pixels(picture: Image.Image) -> NDArray[np.float32]:
    small = picture.convert("RGB")
    if small.size != (SIDE, SIDE):
        small = small.resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32)
