"""Edits beside their exact drawings, on several canvases; nothing learnt judges them.

For the portraits at 256 x 256: python -m editing_core.bench exact
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from PIL import Image

from editing_core.bench.model_quality import sheet as side_by_side
from editing_core.bench.parallel import Row, Table, editor_of, map_parallel, mean_rows
from editing_core.bench.sequences import KINDS, SequenceTurn, balanced, sequences
from editing_core.bench.tables import markdown
from editing_core.bench.variants import WAYS
from editing_core.editor import EditRequest, Picture
from editing_core.metrics import pixels_of
from editing_core.worlds.portraits.drawing import FILLING, Place, change_mask, draw
from editing_core.worlds.portraits.judges import agrees, face_error, sharpness


@dataclass(frozen=True)
class Canvas:
    """What pictures are like: (width, height), and where the person is."""

    size: tuple[int, int]
    place: Place = FILLING


CANVASES = {
    "256 x 256": Canvas((256, 256)),
    "192 x 320": Canvas((192, 320)),
    "small, off centre": Canvas((256, 256), Place(0.6, 0.7, 0.3)),
}
LONG = 10  # turns of a walk


@dataclass(frozen=True)
class Walk:
    """Turns to be made one after the other."""

    canvas: Canvas
    way: str
    turns: list[SequenceTurn]


def single_table(model: str, count: int, way: str) -> list[Row]:
    """Make ``count`` edits of each kind on each canvas.

    Columns: by kind and of all, the share that is nearest to its exact drawing among all values
    of what was to change; the sharpness of the change (the exact drawing's is 1); mean distances
    (0 to 255) to the exact drawing in the face and outside the change; seconds of one edit.
    """
    rows: list[Row] = []
    for name, canvas in CANVASES.items():
        walks = [Walk(canvas, way, turns) for turns in balanced(count, 1)]
        found = mean_rows(map_parallel(name, _single, model, walks))["edit"]
        rows.append({"canvas": name} | {column: found[column] for column in (*KINDS, *_ALL)})
    return rows


_ALL = ("agreement", "sharpness", "face", "outside", "seconds")


def walks_table(model: str, count: int, way: str) -> list[Row]:
    """Make ``count`` walks of `LONG` turns: the share of agreeing turns, and SR.

    SR: the share of walks whose last picture agrees in every attribute that was changed so far.
    """
    walks = [Walk(CANVASES["256 x 256"], way, turns) for turns in sequences(count, LONG)]
    found = mean_rows(map_parallel("walks", _walk, model, walks))
    return [{"after": f"{LONG} turns"} | found["walk"]]


def edited(model: str, walk: Walk, seed: int) -> Iterator[Image.Image]:
    """The picture after every turn of a walk."""
    editor, way = editor_of(model), WAYS[walk.way]
    first = draw(walk.turns[0].before, walk.canvas.size, walk.canvas.place)
    current = original = Picture(first)
    for n, turn in enumerate(walk.turns):
        asked = EditRequest(
            current, original, turn.source_prompt, turn.target_prompt, turn.edit_words
        )
        settings = way.settings(turn.kind, n)
        made = editor.edit(asked, settings=settings, seed=1000 * seed + n, method=way.method)
        current = Picture(made.picture, made.latents)
        yield made.picture


def judged(picture: Image.Image, turn: SequenceTurn, canvas: Canvas) -> dict[str, float]:
    """Compare the picture of an edit with its exact drawing; see `single_table`."""
    size, place = canvas.size, canvas.place
    truth = draw(turn.after, size, place)
    region = change_mask(turn.before, turn.after, size, place)
    apart = np.abs(pixels_of(picture) - pixels_of(truth))[~region]
    agreed = float(all(agrees(picture, turn.after, name, place) for name in turn.changed))
    columns = {
        turn.kind: agreed,
        "agreement": agreed,
        "sharpness": sharpness(picture, truth, region),
        "face": face_error(picture, turn.after, place),
    }
    return columns | ({"outside": float(apart.mean())} if apart.size else {})


def _single(model: str, seed: int, walk: Walk) -> Table:
    start = time.perf_counter()
    picture = next(edited(model, walk, seed))
    seconds = {"seconds": time.perf_counter() - start}
    return {"edit": judged(picture, walk.turns[0], walk.canvas) | seconds}


def _walk(model: str, seed: int, walk: Walk) -> Table:
    place, names, agreed, right = walk.canvas.place, set[str](), [], False
    for picture, turn in zip(edited(model, walk, seed), walk.turns, strict=True):
        names |= turn.changed.keys()
        visible = names & turn.after.attributes.visible().keys()
        right = all(agrees(picture, turn.after, name, place) for name in visible)
        agreed.append(float(all(agrees(picture, turn.after, n, place) for n in turn.changed)))
    return {"walk": {"success": fmean(agreed), "SR": float(right)}}


def sheet(model: str, way: str, count: int = 48) -> Image.Image:
    """Single edits on all canvases in turn: before, edited, exact."""
    shown: list[Image.Image] = []
    turns = balanced(-(-count // len(KINDS)), 1)[:count]
    canvases = list(CANVASES.values())
    walks = [Walk(canvases[i % len(canvases)], way, turn) for i, turn in enumerate(turns)]
    for walk, picture in zip(walks, map_parallel("sheet", _pictured, model, walks), strict=True):
        turn, (size, place) = walk.turns[0], (walk.canvas.size, walk.canvas.place)
        three = (draw(turn.before, size, place), picture, draw(turn.after, size, place))
        shown.append(side_by_side([one.resize((160, 160)) for one in three], 3))
    return side_by_side(shown, 4)


def _pictured(model: str, seed: int, walk: Walk) -> Image.Image:
    return next(edited(model, walk, seed))


def main(argv: list[str]) -> int:
    """Print both tables, and save a sheet if asked for."""
    parser = argparse.ArgumentParser(prog="python -m editing_core.bench exact", description=__doc__)
    parser.add_argument("--model", default="portraits", help="or a folder with another of its kind")
    parser.add_argument("--count", type=int, default=8, help="edits of each kind on each canvas")
    parser.add_argument("--walks", type=int, default=20, help=f"of {LONG} turns")
    parser.add_argument("--method", choices=WAYS, default="steady")
    parser.add_argument("--sheet", type=Path, help="where 48 edits are shown")
    args = parser.parse_args(argv)
    print(markdown(single_table(args.model, args.count, args.method)), flush=True)
    if args.walks:
        print(markdown(walks_table(args.model, args.walks, args.method)), flush=True)
    if args.sheet:
        sheet(args.model, args.method).save(args.sheet)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
