"""Find where an edit may act: a box as it is given, a thing by CLIPSeg, or by the model itself.

CLIPSeg looks twice where a thing is small: at all of the picture, then at what surrounds the thing.
Without it the model that edits tells where the words of the caption are (`word_regions`). "On the
left" and the like choose among what was found.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tools.arguments import InputError
from tools.full_size import at_working_size, working_size
from tools.mask_shapes import Bools, grown, parts
from tools.region_masks import (
    INSIDE,
    RegionMask,
    around,
    combined,
    corrected,
    feathered,
    mirrored,
    with_margin,
)
from tools.regions import MASK, Correction, box_of, parts_of, shares

if TYPE_CHECKING:
    from editing_core.clip import ClipSeg
    from editing_core.editor import Editor
    from tools.pictures import PictureStore

LIKELY, SURE = 0.3, 0.5  # of CLIPSeg's certainty: from the first a place may, from the second does
SMALL = 0.5  # of the picture's side; a thing no larger is looked at again from near
NEAR = 0.5  # of a thing's longer side, on each side: what is looked at then
LITTLE = 0.05  # of the largest part; what is smaller was not meant
ROOM = 0.25  # of a thing's mean side, by which something added to it may stand out
SIDE = 352  # pixels at which parts are told from one another

_SIDES = {
    "left": "left", "leftmost": "left", "left-hand": "left",
    "right": "right", "rightmost": "right", "right-hand": "right",
    "top": "top", "upper": "top", "topmost": "top",
    "bottom": "bottom", "lower": "bottom",
    "middle": "middle", "centre": "middle", "center": "middle", "central": "middle",
}  # fmt: skip
OPPOSITE = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}
_SIDE = "|".join(_SIDES)
_PLACE = "side|half|part|corner|edge|third|area|one"
_PICTURE = r"(?: (?:of|in) (?:the |this )?(?:picture|image|photo|frame))?"
_AT_END = re.compile(
    rf"(?P<thing>.*?),? ?(?:on|at|in|to|towards) (?:the |her |his |their )?(?:very |far )?"
    rf"(?P<side>{_SIDE})(?: (?:{_PLACE}))?{_PICTURE}"
)
_BEFORE = re.compile(
    rf"(?P<whose>the|her|his|their|its|my)? ?(?:far )?(?P<side>{_SIDE}) (?P<thing>.+?){_PICTURE}"
)
_NO_THING = re.compile(rf" ?(?:{_PLACE})?{_PICTURE}")
_OWN_SIDES = frozenset(
    "hand arm eye ear leg foot shoulder cheek knee elbow brow eyebrow sleeve shoe glove".split()
)


class NotFound(InputError):
    """Nothing tells where a thing is; the message is one sentence for the person."""


@dataclass(frozen=True)
class Named:
    """What words for a region name.

    Attributes:
        thing: The thing, without its article; "" for a side of the picture alone.
        side: Of several such things the one on this side of the picture, if one is named.
        own: Whether it is the person's own left or right, which a viewer sees on the other side.
    """

    thing: str
    side: str = ""
    own: bool = False


def named(words: str) -> Named:
    """Read words for a region: "the man on the left", "her left hand", "the left half"."""
    text = " ".join(words.lower().split())
    own = False
    if found := _AT_END.fullmatch(text):
        thing, side = found["thing"], _SIDES[found["side"]]
    elif found := _BEFORE.fullmatch(text):
        thing, side = found["thing"], _SIDES[found["side"]]
        body = thing.rpartition(" ")[2].removesuffix("s") in _OWN_SIDES
        if own := body and found["whose"] in ("her", "his", "their", "my") and side in OPPOSITE:
            side = OPPOSITE[side] if side in ("left", "right") else side
    else:
        thing, side = text, ""
    thing = re.sub(r"^(?:the|her|his|its|their|my|an?|that|this) ", "", thing.strip(" ,"))
    return Named("" if side and _NO_THING.fullmatch(f" {thing}") else thing, side, own)


@dataclass(eq=False)
class Finder:
    """Finds regions, and remembers the last ones.

    Attributes:
        store: Where pictures lie.
        clipseg: Finds things by words, if there is such a model.
    """

    store: PictureStore
    clipseg: ClipSeg | None = None

    def __post_init__(self) -> None:
        """Remember nothing yet."""
        self._known: dict[tuple[str, ...], RegionMask] = {}

    def find(
        self, editor: Callable[[], Editor], head: str, value: str, *, caption: str, change: str = ""
    ) -> RegionMask:
        """Return where an edit may act.

        Args:
            editor: Returns what edits, once it is loaded.
            head: Hash of the picture.
            value: The region, as ``regions.region`` writes it.
            caption: Of the picture.
            change: The kind of change: what is added stands out from what it is added to.

        Raises:
            InputError: It is not found, or does not lie in the picture.
        """
        key = (head, value, caption, "add" if change == "add" else "")
        if key not in self._known:
            self._known = dict([*self._known.items()][-8:])
            self._known[key] = self._found(editor, head, value, caption, change)
        return self._known[key]

    def _found(
        self, editor: Callable[[], Editor], head: str, value: str, caption: str, change: str
    ) -> RegionMask:
        base, corrections = parts_of(value)
        look = _Look(self, editor, head, caption)
        while corrections and corrections[0].kind == "other" and named(base).side in OPPOSITE:
            base, corrections = _other_side(base), corrections[1:]
        region: RegionMask | None = look.base(base)
        if region is not None and region.by in ("clipseg", "prompts") and change == "add":
            region = with_margin(region, ROOM, look.size)
        for how in corrections:
            if region is None:
                break
            region = look.corrected(region, how)
        if region is None:
            raise NotFound(f"Nothing is left of the region “{value}”; say another one.")
        return feathered(replace(region, words=value))


def _other_side(base: str) -> str:
    side = next(word for word in re.findall(r"[\w-]+", base) if word in _SIDES)
    other = OPPOSITE[_SIDES[side]]
    return re.sub(rf"\b{side}\b", other, base, count=1)


@dataclass(frozen=True, eq=False)
class _Look:
    """One look at one picture."""

    finder: Finder
    editor: Callable[[], Editor]
    head: str
    caption: str

    @property
    def size(self) -> tuple[int, int]:
        return self.finder.store.size(self.head)

    def base(self, base: str) -> RegionMask | None:
        """Return the region that a base means, without corrections."""
        if box := box_of(base):
            return RegionMask(shares(box, self.size), words=base)
        if base.startswith(MASK):
            mask = self.finder.store.image(base.removeprefix(MASK)).convert("L")
            _refuse_other_shape(mask.size, self.size)
            return around(mask, words=base, by="mask")
        return self.thing(base)

    def corrected(self, region: RegionMask, how: Correction) -> RegionMask | None:
        """Return a region after one correction."""
        if how.kind == "other":
            return mirrored(region)
        if how.words:
            other = self.thing(how.words)
            return combined(region, other, keep=how.kind == "and")
        return corrected(region, how, self.size)

    def thing(self, words: str) -> RegionMask:
        """Return where a thing is.

        Raises:
            NotFound: Nothing tells that.
        """
        wanted = named(words)
        mask, by = _half(wanted.side), "side"
        if wanted.thing:
            seen, by = self._seen(wanted.thing)
            mask = _on_side(seen, wanted.side) if seen is not None else None
        found = None if mask is None else around(mask, words=words, by=by)
        if found is None:
            raise NotFound(
                f"I cannot tell where “{words}” is in this picture; draw a box around it with "
                "/region LEFT,TOP,WIDTH,HEIGHT, or let PALIMPSEST_CLIPSEG name a model that "
                "finds things by words."
            )
        return self._from_near(found, wanted.thing) if by == "clipseg" else found

    def _seen(self, thing: str) -> tuple[Image.Image | None, str]:
        """Return a mask of the whole picture, and what found it."""
        clipseg, image = self.finder.clipseg, self.finder.store.image(self.head)
        if clipseg is not None:
            return _mask_of(clipseg, image, thing), "clipseg"
        from editing_core.word_regions import without, word_region

        other = without(self.caption, thing)
        if other is None:
            return None, "prompts"
        model = self.editor().model
        picture = self.finder.store.get(self.head)
        size = working_size(model.spec, image.size)
        shown = at_working_size(picture, size, model.canvas(*size).tokens)
        return word_region(model, shown, self.caption, other), "prompts"

    def _from_near(self, found: RegionMask, thing: str) -> RegionMask:
        """Look again at a small thing, from near; what was found first stands if nothing is."""
        clipseg = self.finder.clipseg
        left, top, right, bottom = found.bounds
        width, height = self.size
        longer = NEAR * max((right - left) * width, (bottom - top) * height)
        box = (
            max(round(left * width - longer), 0), max(round(top * height - longer), 0),
            min(round(right * width + longer), width), min(round(bottom * height + longer), height),
        )  # fmt: skip
        if clipseg is None or max((box[2] - box[0]) / width, (box[3] - box[1]) / height) > SMALL:
            return found
        near = _mask_of(clipseg, self.finder.store.image(self.head).crop(box), thing)
        if near is None:
            return found
        wide, high = box[2] - box[0], box[3] - box[1]
        within = (
            (left * width - box[0]) / wide, (top * height - box[1]) / high,
            (right * width - box[0]) / wide, (bottom * height - box[1]) / high,
        )  # fmt: skip
        first = replace(found, bounds=within)
        about = grown(np.asarray(first.laid_over(near.size)) > 0, near.width // 8)
        levels = np.where(about, np.asarray(near), 0).astype(np.uint8)
        again = around(Image.fromarray(levels), words=found.words, by=found.by)
        if again is None:
            return found
        left, top, right, bottom = again.bounds
        bounds = (
            (box[0] + left * wide) / width, (box[1] + top * high) / height,
            (box[0] + right * wide) / width, (box[1] + bottom * high) / height,
        )  # fmt: skip
        return replace(again, bounds=bounds)


def _refuse_other_shape(mask: tuple[int, int], size: tuple[int, int]) -> None:
    if abs(mask[0] * size[1] - mask[1] * size[0]) > 0.02 * mask[0] * size[1]:
        raise NotFound("The region of that edit does not fit this picture; say where anew.")


def _mask_of(clipseg: ClipSeg, image: Image.Image, thing: str) -> Image.Image | None:
    """Return where CLIPSeg sees a thing; None where it is nowhere sure."""
    heat = clipseg.heat(image, thing).numpy()
    if heat.max() < SURE:
        return None
    share = np.clip((heat - LIKELY) / (SURE - LIKELY), 0, 1)
    return Image.fromarray((255 * share).round().astype(np.uint8))


def _half(side: str) -> Image.Image | None:
    """Return the half of the picture on a side, or its middle, as a mask."""
    if not side:
        return None
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[_in_half(side)] = 255
    return Image.fromarray(mask)


def _in_half(side: str) -> tuple[slice, slice]:
    low, high, every = slice(0, SIDE // 2), slice(SIDE // 2, SIDE), slice(0, SIDE)
    inner = slice(SIDE // 4, 3 * SIDE // 4)
    return {
        "left": (every, low), "right": (every, high), "top": (low, every),
        "bottom": (high, every), "middle": (inner, inner),
    }[side]  # fmt: skip


def _on_side(mask: Image.Image, side: str) -> Image.Image | None:
    """Keep of a mask what lies on a side: one of its parts, or half of its only one."""
    if not side:
        return mask
    levels = np.asarray(mask.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    found = parts(levels >= INSIDE)
    found = [part for part in found if part.sum() >= LITTLE * found[0].sum()]
    if not found:
        return None
    chosen = min(found, key=lambda part: _far(part, side))
    if len(found) == 1 and not _beyond_middle(chosen, side):
        half = np.zeros_like(chosen)
        half[_in_half(side)] = chosen[_in_half(side)]
        chosen = half if half.any() else chosen
    near = grown(chosen, SIDE // 32)
    return Image.fromarray(np.where(near, levels, 0).astype(np.uint8))


def _far(part: Bools, side: str) -> float:
    """Return how far a part is from a side, by its middle; least is nearest."""
    rows, columns = np.nonzero(part)
    y, x = float(rows.mean()), float(columns.mean())
    middle = abs(x - SIDE / 2) + abs(y - SIDE / 2)
    return {"left": x, "right": -x, "top": y, "bottom": -y, "middle": middle}[side]


def _beyond_middle(part: Bools, side: str) -> bool:
    """Whether a part lies on one side of the picture's middle, so that no half of it is meant."""
    rows, columns = np.nonzero(part)
    along = columns if side in ("left", "right") else rows
    return side == "middle" or not along.min() < SIDE / 2 <= along.max()
