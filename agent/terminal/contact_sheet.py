"""Pictures with words below them, side by side on one sheet."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache

from PIL import Image, ImageDraw, ImageFont

Shown = Sequence[tuple[str, Image.Image]]
"""Pictures, each with its label."""
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

SIDE = 256  # pixels that a picture is wide at least; small ones are enlarged to it
GAP = 16  # pixels around every picture
TEXT = 15  # pixels that letters are high on a picture of that width
MOST_LINES = 4  # of a label; the rest is cut
PAPER, INK = "#ffffff", "#1c1c1c"
SYSTEM_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial.ttf", "arial.ttf")
KNOWN = "“”‘’…–·›‹"  # what Pillow's own font has beside ASCII


def side_by_side(shown: Shown, *, side: int = SIDE) -> Image.Image:
    """Return one row of labelled pictures."""
    return grid(cells(shown, side=side), columns=len(shown))


def grid(made: Sequence[Image.Image], *, columns: int) -> Image.Image:
    """Return cells of one size in rows of so many."""
    width, height = made[0].size
    rows = -(-len(made) // columns)
    sheet = Image.new("RGB", (width * min(columns, len(made)), height * rows), PAPER)
    for i, cell in enumerate(made):
        sheet.paste(cell, (i % columns * width, i // columns * height))
    return sheet


def cells(shown: Shown, *, side: int = SIDE) -> list[Image.Image]:
    """Return pictures of one width with their labels below, all of one size.

    Args:
        shown: Labels and pictures; at least one.
        side: Width of each picture in pixels; higher ones are narrowed to be no higher than 1.5
            times that.
    """
    size = round(TEXT * side / SIDE)
    written = [lettered(label, size) for label, _ in shown]
    labels = [wrapped(text, font, side) for text, font in written]
    scaled = [_fitted(image, side) for _, image in shown]
    box = max(image.height for image in scaled)
    line = round(size * 1.4)
    height = box + 2 * GAP + line * max(len(lines) for lines in labels) + GAP // 2
    made = []
    for lines, (_, font), image in zip(labels, written, scaled, strict=True):
        cell = Image.new("RGB", (side + 2 * GAP, height), PAPER)
        cell.paste(image, (GAP + (side - image.width) // 2, GAP + box - image.height))
        draw = ImageDraw.Draw(cell)
        for i, text in enumerate(lines):
            place = (GAP, GAP + box + GAP // 2 + i * line)
            draw.text(place, text, fill=INK, font=font)
        made.append(cell)
    return made


def _fitted(image: Image.Image, side: int) -> Image.Image:
    scale = min(side / image.width, 1.5 * side / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def wrapped(text: str, font: Font, width: int) -> list[str]:
    """Break a label into lines of a width in pixels; what is too long ends in "…"."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], f"{lines[MOST_LINES - 1]} …"]
    return [_cut(line, font, width) for line in lines]


def _cut(line: str, font: Font, width: int) -> str:
    if font.getlength(line) <= width:
        return line
    line = line.removesuffix(" …")
    while line and font.getlength(f"{line}…") > width:
        line = line[:-1].rstrip()
    return f"{line}…"


def lettered(text: str, size: int) -> tuple[str, Font]:
    """Return a text and a font that has its letters.

    Pillow's own font is plain English's; for more one of the system's is taken. Where there is
    none, accents are left out.
    """
    if not all(letter.isascii() or letter in KNOWN for letter in text):
        if system := _system_font(size):
            return text, system
        text = "".join(map(_plain, text))
    return text, ImageFont.load_default(size)


@cache
def _system_font(size: int) -> Font | None:
    for name in SYSTEM_FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return None


def _plain(letter: str) -> str:
    if letter in KNOWN:
        return letter
    return unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode() or "?"
