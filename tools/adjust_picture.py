"""Carry out a plain operation on a stored picture: what the agent calls for every such step.

An edit is anchored to the original that its chain began from: methods compare with it, pull toward
it, and take its transparency from it. After a crop that comparison would be between different
parts of a scene, and after "brighter" an edit would be pulled back to the dark. So an operation is
done to the picture and to its original alike, at full size, and the chain goes on from both:

    original ── hat ── picture            original ── crop ── original'   (new anchor)
                                          picture ─── crop ── picture'    (new head)

Both have pixels and no latents, since those of the picture before do not fit any more; the next
edit encodes them. Undo returns to a turn, which names its own original, so the old anchor comes
back with the old picture. What a method with a history knew of earlier pictures does not carry
over: for it the chain begins anew at the operation.
"""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass, replace

import numpy as np
import PIL
from PIL import Image, ImageChops

from tools import __version__
from tools.adjustments import adjusted
from tools.alpha import OPAQUE, given_back, on_white, packed, unpacked
from tools.deep_adjustments import own_adjusted
from tools.edit_history import steps_before
from tools.full_size import how_changed
from tools.metadata import Source, of_size
from tools.operations import MOVING, leaves_corners
from tools.own_pixels import OwnPixels
from tools.pictures import PictureStore, picture_hash
from tools.provenance import Recipe


@dataclass(frozen=True)
class Region:
    """Where the background is: inside the mask of an edit of it, what that edit changed.

    Attributes:
        mask: Hash of that mask.
        before: Of the picture that was edited.
        after: Of the picture that came out.
        through: Operations since then that moved pixels, each a name and a value.
    """

    mask: str
    before: str
    after: str
    through: tuple[tuple[str, str], ...] = ()

    def image(self, store: PictureStore) -> Image.Image:
        """Return it as an "L" mask that lies over the picture as it is now."""
        before, after = store.image(self.before), store.image(self.after)
        red, green, blue = ImageChops.difference(
            before.convert("RGB"), after.convert("RGB")
        ).split()
        most = ImageChops.lighter(ImageChops.lighter(red, green), blue)
        share = most.point((255 * how_changed(np.arange(256))).round().astype(int).tolist())
        mask = ImageChops.multiply(store.image(self.mask).convert("L").resize(share.size), share)
        for name, value in self.through:
            mask = adjusted(mask, name, value)
        return mask


@dataclass(frozen=True)
class Operation:
    """A name and a value of `tools.operations`, and where it acts if not everywhere."""

    name: str
    value: str
    region: Region | None = None


@dataclass(frozen=True)
class Adjusted:
    """A finished operation, by the hashes of the picture and of its original."""

    picture: str
    original: str


def adjust_picture(
    store: PictureStore,
    *,
    head: str,
    original: str,
    operation: Operation,
    captions: tuple[str, str] = ("", ""),
    request: str = "",
) -> Adjusted:
    """Do an operation to the picture `head` and to its original, and store both with recipes.

    Where it changes no pixel of either, nothing is stored, and both are returned as they are.

    Args:
        store: Where both lie and the results go.
        head: Hash of the picture.
        original: Hash of the picture that its chain of edits began from.
        operation: What to do.
        captions: Of the picture and of its original, for their recipes.
        request: What the person said, likewise.

    Raises:
        AdjustmentError: The result would be too small or too large.
    """
    source = store.source(original)
    mask = operation.region.image(store) if operation.region else None
    made = {}
    for name in dict.fromkeys((original, head)):
        if own := store.own(name):
            made[name] = _Done.of(own_adjusted(own, operation.name, operation.value, mask))
        else:
            made[name] = _done(store.image(name), unpacked(source.alpha), operation, mask)
    names = {name: picture_hash(done.image, done.own) for name, done in made.items()}
    if all(after == before for before, after in names.items()):
        return Adjusted(head, original)
    for name, done in made.items():
        recipe = _recipe(operation, request, captions[0 if name == head else 1]) | {
            "parent": name,
            "base": original,
            "picture": names[name],
            "original": names[original],
            "steps": steps_before(store, original, name),
        }
        store.put(done.image, recipe=recipe, own=done.own, name=names[name])
    anchor = made[original]
    held = replace(of_size(source, anchor.image.size), alpha=packed(anchor.alpha))
    if held != Source():
        store.remember(names[original], held)
    return Adjusted(names[head], names[original])


def _recipe(operation: Operation, request: str, caption: str) -> Recipe:
    """Return what was done, for whom, and by what."""
    return {
        "operation": operation.name,
        "value": operation.value,
        "region": asdict(operation.region) if operation.region else None,
        "request": request,
        "target_prompt": caption,
        "versions": {"palimpsest": __version__, "python": platform.python_version(),
                     "pillow": PIL.__version__},
    }  # fmt: skip


@dataclass(frozen=True)
class _Done:
    """A picture after an operation: on white, how opaque it is, and its own pixels."""

    image: Image.Image
    alpha: Image.Image | None
    own: OwnPixels | None = None

    @classmethod
    def of(cls, own: OwnPixels) -> _Done:
        return cls(own.shown(), own.alpha, own)


def _done(
    image: Image.Image, alpha: Image.Image | None, operation: Operation, mask: Image.Image | None
) -> _Done:
    """Do an operation to a picture on white and to its transparency.

    Shades are changed as they are without the white; corners that a rotation leaves empty are
    transparent.
    """
    name, value = operation.name, operation.value
    if alpha is not None and alpha.size != image.size:
        alpha = None
    if name in MOVING:
        if alpha is None and leaves_corners(name, value):
            alpha = Image.new("L", image.size, OPAQUE)
        seen = adjusted(alpha, name, value) if alpha else None
        opaque = seen is None or seen.getextrema() == (OPAQUE, OPAQUE)
        return _Done(adjusted(image, name, value), None if opaque else seen)
    if alpha is None:
        return _Done(adjusted(image, name, value, mask), None)
    own = adjusted(given_back(image, alpha).convert("RGB"), name, value, mask)
    return _Done(on_white(own, alpha), alpha)
