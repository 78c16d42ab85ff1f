"""Looking at pictures: name what is shown, and measure what an edit did and left alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from editing_core import metrics
from editing_core.worlds.base import World
from editing_core.worlds.registry import WORLDS, shipped_world, world_named
from tools.arguments import InputError

psnr = metrics.psnr

TOUCHED = 24.0  # of 255; a smoothed mean difference above this counts as changed
MARGIN = 8  # pixels around a change that belong to it: half of the widest pixel of latents
MEASURED = 1024  # pixels of the longer side, at most
MOST = 0.9  # of the picture; when more than this changed, nothing is left to call outside

Bools = NDArray[np.bool_]


class StrangePicture(InputError):
    """The model cannot know such pictures; the message is one sentence for the person."""


@dataclass(frozen=True)
class Differences:
    """What lies between two pictures of one size."""

    outside_ssim: float
    """Structural similarity outside the change, 1 = identical."""
    drift: float
    """Shift of mean colour outside the change, in 8-bit levels, the worst channel."""
    shift: float
    """How far the picture outside the change moved, in pixels, by phase correlation."""
    mean: float
    """Mean absolute difference of the whole, in 8-bit levels."""
    changed: float
    """Share of the picture that changed clearly, 0 to 1."""
    changed_inside: float
    """The same of what was meant to change."""
    outside_psnr: float
    """Peak signal-to-noise ratio outside the change, in dB; `measure.IDENTICAL` at most."""


def differences(
    before: Image.Image, after: Image.Image, mask: Image.Image | None = None
) -> Differences:
    """Measure what an edit changed and what it should have left alone.

    Args:
        before: RGB picture; a large one is compared at `MEASURED` pixels.
        after: RGB picture of the same size.
        mask: "L" picture, white where the edit was meant to act; without it the clearly changed
            region counts as meant.

    Raises:
        ValueError: The sizes differ.
    """
    if before.size != after.size:
        raise ValueError(f"sizes differ: {before.size} and {after.size}")
    before, after = _within(before), _within(after)
    a, b = metrics.pixels_of(before), metrics.pixels_of(after)
    touched = metrics.box_mean(np.abs(a - b).mean(axis=2)) > TOUCHED
    inside = metrics.widened(touched if mask is None else _meant(mask, before.size), MARGIN)
    outside = ~inside if inside.mean() <= MOST else np.ones_like(inside)
    gray_a, gray_b = a.mean(axis=2), b.mean(axis=2)
    tint = (b[outside] - a[outside]).mean(axis=0)
    return Differences(
        outside_ssim=float(metrics.ssim_map(gray_a, gray_b)[outside].mean()),
        drift=float(np.abs(tint).max()),
        shift=metrics.shift(gray_a, gray_b, but=None if mask is None else inside),
        mean=float(np.abs(a - b).mean()),
        changed=float(touched.mean()),
        changed_inside=float(touched[inside].mean()) if inside.any() else 0.0,
        outside_psnr=metrics.psnr_of(a[outside], b[outside]),
    )


class WorldEyes:
    """Eyes for pictures of a closed world: they name every attribute."""

    def __init__(self, world: World | None = None) -> None:
        """See a world; the shipped one if none is named."""
        self._world = world or shipped_world()

    def describe(self, image: Image.Image) -> str | None:
        """Return the canonical caption of a picture of the world, or None for any other picture."""
        attributes = self.attributes(image, {})
        return self._world.caption(attributes) if attributes else None

    def drawn(self, image: Image.Image) -> bool:
        """Say whether a picture is of the world."""
        return bool(self._world.judge(image))

    def attributes(self, image: Image.Image, expected: Mapping[str, str]) -> dict[str, str]:
        """Name what a picture shows, in doubt what is expected; nothing for other pictures."""
        return self._world.judge(image, expected)

    def degraded(self, image: Image.Image) -> bool:
        """Say whether a picture of the world is smeared, doubled or half there."""
        return self._world.degraded(image)

    def happened(self, before: Image.Image, after: Image.Image, source: str, target: str) -> None:
        """Leave it to the attributes."""


def strange(world: World | None, *images: Image.Image) -> str:
    """Say what becomes of a picture that a model cannot know; "" if it may know it.

    Args:
        world: All that the model knows; None for a model that knows anything.
        images: The picture, and what the model is shown of it; it has to know one of them.
    """
    if world is None or any(world.judge(image) for image in images):
        return ""
    others = (name for name in WORLDS if name != world.name)
    known = (name for name in others if any(_judged(name, image) for image in images))
    return (
        f"it is none of the {world.name} that the model knows, which will paint over it; "
        f"choose another model for it, such as --model {next(known, 'flux-dev')}"
    )


def _judged(name: str, image: Image.Image) -> bool:
    world = world_named(name)
    return world is not None and bool(world.judge(image))


def sample_portrait(model: str = "") -> tuple[Image.Image, str]:
    """Draw the picture that a chat begins with when none is given, and caption it fully.

    Args:
        model: What will edit it; of one that draws anything, the shipped one's sample.
    """
    return (world_named(model) or shipped_world()).sample()


def portrait_of(attributes: Mapping[str, str], *, person: int = 7) -> tuple[Image.Image, str]:
    """Draw a picture with some attributes of its own, and caption it fully.

    Args:
        attributes: What differs from the sample's.
        person: Seed of what captions do not name.
    """
    return shipped_world().draw(attributes, seed=person)


def _within(image: Image.Image) -> Image.Image:
    """Return a picture no larger than what is measured, which is enough to see what changed."""
    if max(image.size) <= MEASURED:
        return image
    image = image.convert("RGB")
    image.thumbnail((MEASURED, MEASURED), Image.Resampling.BOX)
    return image


def _meant(mask: Image.Image, size: tuple[int, int]) -> Bools:
    resized = mask.convert("L").resize(size, Image.Resampling.NEAREST)
    return np.asarray(resized) > 127
