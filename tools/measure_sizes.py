"""Measure edits of pictures of all sizes against the truth: `python -m tools.measure_sizes`.

Portraits are vectors, so what an edit should come to can be drawn at any size. Each is edited as
the program does (worked on at the model's size, carried up into the picture), and beside it the
same edit is enlarged plainly: what a program does that shrinks pictures to work on them. That is
done with a perfect model, which draws the truth at the model's size and so shows what the size
alone costs, and with the shipped one. With that, ten edits in a row are made inside a box, and what
changed outside is counted.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from editing_core.prompt_diff import edit_words
from editing_core.settings import PRESETS
from editing_core.worlds.registry import shipped_world
from tools.edit_picture import edit_picture, load_editor
from tools.full_size import carried_up, working_size
from tools.mask_shapes import grown
from tools.pictures import PictureStore

if TYPE_CHECKING:
    from editing_core.editor import Editor
    from tools.edit_picture import Edited

Size = tuple[int, int]
SIZES: tuple[Size, ...] = (
    (128, 128), (256, 256), (500, 500), (1024, 1024), (1600, 900), (4032, 3024),
)  # fmt: skip
CHANGES: tuple[dict[str, str], ...] = (
    {"headwear": "hat", "headwear_color": "red"},
    {"clothing_color": "yellow"},
    {"eyewear": "sunglasses", "eyewear_color": "black"},
)
"""The edits: something appears, a colour changes, something small appears."""
VARIED = ("gender", "hair", "hair_color", "skin", "clothing")
PLAIN = {"headwear": "none", "eyewear": "none", "clothing_color": "blue", "background": "green"}
TURNS = 10
BOX = (0.25, 0.0, 0.75, 0.5)  # of the picture, in shares: the head, to which ten edits keep
MARGIN = 1 / 64  # of the picture's side around the true change that counts as inside it
CLEARLY = 8  # of 255: a larger difference of two drawings is a change
HEADER = ("size", "model", "edits", "L1", "L1 enlarged", "ratio", "sharpness", "sharpness enlarged",
          f"changed outside in {TURNS} turns")  # fmt: skip


@dataclass(frozen=True)
class Person:
    """Somebody who can be drawn at any size.

    Attributes:
        seed: Of what captions do not name.
        shows: What differs from the sample's, by attribute.
    """

    seed: int
    shows: tuple[tuple[str, str], ...] = ()

    def with_(self, changes: Mapping[str, str]) -> Person:
        """Return the same person with something changed."""
        return Person(self.seed, tuple({**dict(self.shows), **changes}.items()))

    def drawn(self, side: int) -> Image.Image:
        """Draw them."""
        return shipped_world().draw(dict(self.shows), seed=self.seed, side=side)[0]

    @property
    def caption(self) -> str:
        """All that is seen of them."""
        return shipped_world().draw(dict(self.shows), seed=self.seed)[1]


@dataclass(frozen=True)
class Step:
    """The words of an edit."""

    source_prompt: str
    target_prompt: str
    edit_words: tuple[str, ...]
    request: str = ""

    @classmethod
    def between(cls, before: Person, after: Person) -> Step:
        """Return the words that lead from one portrait to another."""
        source, target = before.caption, after.caption
        return cls(source, target, edit_words(source, target))


@dataclass(frozen=True)
class Score:
    """How far an edit is from the truth inside the change, and how sharp it is there.

    Attributes:
        error: Mean absolute difference, in levels of 255.
        sharpness: Root mean square gradient, as a share of the truth's.
    """

    error: float
    sharpness: float


def main(argv: Sequence[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tools.measure_sizes", description=__doc__)
    parser.add_argument("--portraits", type=int, default=4, help="how many people (4)")
    parser.add_argument("--sizes", nargs="*", metavar="WxH", help="of pictures, in pixels")
    flags = parser.parse_args(argv)
    sizes = [_size(text) for text in flags.sizes] if flags.sizes else SIZES
    editor = load_editor("portraits")
    print("| " + " | ".join(HEADER) + " |\n|" + " --- |" * len(HEADER))
    for size in sizes:
        for line in rows(editor, size, flags.portraits):
            print(line, flush=True)
    return 0


def _size(text: str) -> Size:
    width, _, height = text.partition("x")
    return int(width), int(height)


def rows(editor: Editor, size: Size, count: int) -> Iterator[str]:
    """Return the lines of a size: the means over some portraits and all changes."""
    with tempfile.TemporaryDirectory(prefix="palimpsest-") as folder:
        store = PictureStore(Path(folder))
        drawn = [by_truth(editor, before, after, size) for before, after in pairs(count)]
        yield _row(size, "perfect", drawn, "")
        made = [scores(editor, store, before, after, size) for before, after in pairs(count)]
        outside = changed_outside(editor, store, next(pairs(1))[0], size)
        yield _row(size, "shipped", made, f"{outside} bits")


def _row(size: Size, model: str, scored: Sequence[tuple[Score, Score]], outside: str) -> str:
    errors = [float(np.mean([pair[way].error for pair in scored])) for way in (0, 1)]
    sharp = [float(np.mean([pair[way].sharpness for pair in scored])) for way in (0, 1)]
    cells = (
        f"{size[0]} x {size[1]}", model, str(len(scored)), f"{errors[0]:.1f}", f"{errors[1]:.1f}",
        f"{errors[0] / errors[1]:.2f}" if errors[1] else "",
        f"{sharp[0]:.2f}", f"{sharp[1]:.2f}", outside,
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def by_truth(editor: Editor, before: Person, after: Person, size: Size) -> tuple[Score, Score]:
    """Score the truth at the model's size, carried up into the picture and enlarged plainly."""
    full, truth = pictured(before, size), pictured(after, size)
    working = working_size(editor.model.spec, size)
    was, now = (_shrunk(image, working) for image in (full, truth))
    inside = _inside(full, truth)
    mask = Image.fromarray(np.where(inside, 255, 0).astype(np.uint8))
    made = now if working == size else carried_up(full, was, now, mask.resize(working))
    enlarged = now.resize(size, Image.Resampling.BICUBIC)
    return _scored(made, truth, inside), _scored(enlarged, truth, inside)


def pairs(count: int) -> Iterator[tuple[Person, Person]]:
    """Return people, each with every change."""
    values = shipped_world().schema.values
    for number in range(count):
        rng = random.Random(number)
        shows = {name: rng.choice(values[name]) for name in VARIED} | PLAIN
        before = Person(number, tuple(shows.items()))
        yield from ((before, before.with_(change)) for change in CHANGES)


def pictured(person: Person, size: Size) -> Image.Image:
    """Draw somebody at a size; what is wider than high shows the person in the middle."""
    side = min(size)
    square = person.drawn(side)
    if size == (side, side):
        return square
    wide = Image.new("RGB", size, square.getpixel((0, 0)))
    wide.paste(square, ((size[0] - side) // 2, (size[1] - side) // 2))
    return wide


def scores(
    editor: Editor, store: PictureStore, before: Person, after: Person, size: Size
) -> tuple[Score, Score]:
    """Edit one portrait; score what the program makes, and the same edit enlarged plainly."""
    full, truth = pictured(before, size), pictured(after, size)
    made = _edited(editor, store, store.put(full), Step.between(before, after))
    working = made.working
    assert working is not None
    small = store.put(_shrunk(full, working))
    plainly = _edited(editor, store, small, Step.between(before, after))
    enlarged = store.image(plainly.picture).resize(size, Image.Resampling.BICUBIC)
    inside = _inside(full, truth)
    return _scored(store.image(made.picture), truth, inside), _scored(enlarged, truth, inside)


def _shrunk(image: Image.Image, size: Size) -> Image.Image:
    """Bring a picture to the size at which a model works, as the program does."""
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _edited(editor: Editor, store: PictureStore, head: str, step: Step) -> Edited:
    return edit_picture(
        editor, store, head=head, original=head, step=step, seed=7,
        settings=PRESETS["steady"].fitted("add", 0), method="steady",
    )  # fmt: skip


def _inside(before: Image.Image, truth: Image.Image) -> NDArray[np.bool_]:
    """Return where the truth differs from the picture before, with a margin."""
    changed = np.abs(_pixels(before) - _pixels(truth)).max(axis=2) > CLEARLY
    small = Image.fromarray(changed).convert("L")
    small.thumbnail((512, 512), Image.Resampling.BOX)
    near = grown(np.asarray(small) > 0, max(round(MARGIN * max(small.size)), 1))
    return np.asarray(Image.fromarray(near).resize(before.size, Image.Resampling.NEAREST))


def _scored(image: Image.Image, true: Image.Image, inside: NDArray[np.bool_]) -> Score:
    made, truth = _pixels(image), _pixels(true)
    error = float(np.abs(made - truth).mean(axis=2)[inside].mean())
    return Score(error, _gradient(made, inside) / _gradient(truth, inside))


def _gradient(pixels: NDArray[np.float32], inside: NDArray[np.bool_]) -> float:
    """Return the root mean square difference of neighbours inside a region, in levels of 255.

    A mean would not do: an edge that is blurred changes as much, on a longer way.
    """
    grey = pixels.mean(axis=2)
    across, down = np.diff(grey, axis=1) ** 2, np.diff(grey, axis=0) ** 2
    return float((across[inside[:, 1:]].mean() + down[inside[1:]].mean()) ** 0.5)


def _pixels(image: Image.Image) -> NDArray[np.float32]:
    return np.asarray(image.convert("RGB"), np.float32)


def changed_outside(editor: Editor, store: PictureStore, person: Person, size: Size) -> int:
    """Edit ten times in a row inside a box; return how many bits changed outside of it."""
    full = pictured(person, size)
    first = head = store.put(full)
    bounded = PRESETS["steady"].fitted("add", 0).bounded(BOX)
    now = person
    for turn in range(TURNS):
        change = CHANGES[0] if turn % 2 == 0 else {"headwear": "none"}
        wanted = now.with_(change)
        head = edit_picture(
            editor, store, head=head, original=first, step=Step.between(now, wanted),
            seed=turn, settings=bounded, method="steady",
        ).picture  # fmt: skip
        now = wanted
    before, after = (np.asarray(image.convert("RGB")) for image in (full, store.image(head)))
    different = np.bitwise_xor(before, after)
    left, top, right, bottom = (
        round(share * side) for share, side in zip(BOX, (*size, *size), strict=True)
    )
    different[top:bottom, left:right] = 0
    return int(np.unpackbits(different).sum())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
