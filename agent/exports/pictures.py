"""The pictures from the original to the head: on one sheet, or one after the other."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from agent.exports.output_path import written
from agent.terminal.contact_sheet import Shown, cells, grid

COLUMNS = 4  # pictures in a row of a sheet
SHEET_SIDES = (256, 512)  # pixels that a picture is wide there, at least and at most
FILM_SIDES = (384, 768)
STILL, LAST = 1000, 2500  # ms that a picture of a film stays, and the last of them
COLORS = 256  # of a GIF


def write_sheet(shown: Shown, target: Path) -> None:
    """Write one picture of all of them, each with its request below.

    Raises:
        PictureError: It cannot be written there.
    """
    made = cells(shown, side=_side(shown, SHEET_SIDES))
    rows = -(-len(made) // COLUMNS)
    sheet = grid(made, columns=-(-len(made) // rows))
    written(target, lambda file: sheet.save(file, quality=92))


def write_film(shown: Shown, target: Path) -> None:
    """Write an animation of all of them, as GIF or WebP.

    Raises:
        PictureError: It cannot be written there.
    """
    frames = cells(shown, side=_side(shown, FILM_SIDES))
    if target.suffix.lower() == ".gif":
        frames = [frame.quantize(COLORS, dither=Image.Dither.FLOYDSTEINBERG) for frame in frames]
    durations = [STILL] * (len(frames) - 1) + [LAST]
    written(
        target,
        lambda file: frames[0].save(
            file, save_all=True, append_images=frames[1:], duration=durations, loop=0, quality=92
        ),
    )


def _side(shown: Shown, sides: tuple[int, int]) -> int:
    """Return how wide pictures are shown: as they are, within bounds."""
    low, high = sides
    return min(max(low, *(image.width for _, image in shown)), high)
