"""Pictures inside the terminal: Kitty's protocol, sixel, or coloured half blocks."""

from __future__ import annotations

import select
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, TextIO

from PIL import Image
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from agent.terminal.contact_sheet import side_by_side
from agent.visible import visible

COLUMNS = 36  # terminal columns a preview is wide; about as tall as 18 lines
SMALL = 8  # the same in a list
GAP = 2  # columns between pictures
KINDS = ("auto", "kitty", "sixel", "blocks", "off")
Labelled = tuple[str, Image.Image]


def choose(kind: str, stream: TextIO, environ: Mapping[str, str]) -> str:
    """Return how pictures are shown on a stream: "kitty", "sixel", "blocks" or "off".

    "auto" shows none where a person would not see colours (no terminal, NO_COLOR, TERM=dumb), and
    asks the terminal what it can, which has to happen before a prompt reads the keys.
    """
    if kind != "auto":
        return kind
    if not stream.isatty() or environ.get("NO_COLOR") or environ.get("TERM", "dumb") == "dumb":
        return "off"
    if stream is sys.__stdout__ and (able := _asked()):
        return able
    utf8 = (stream.encoding or "").lower().replace("-", "") == "utf8"
    return "blocks" if utf8 else "off"


def _asked() -> str:
    """Ask the terminal for graphics; empty if it has none, or if keys already wait to be read."""
    if not sys.stdin.isatty() or select.select([sys.stdin], [], [], 0)[0]:
        return ""
    able: Any = import_module("textual_image.renderable")  # asks when it is imported
    return {able.TGPImage: "kitty", able.SixelImage: "sixel"}.get(able.Image, "")


def drawn(pictures: Sequence[Labelled], kind: str, width: int) -> RenderableType:
    """Return pictures side by side with their labels below, as something rich can print.

    Args:
        pictures: Labels (empty for none) and RGB pictures.
        kind: What `choose` returned, but "off".
        width: Terminal columns there are.
    """
    room = (width - 1 + GAP) // len(pictures) - GAP
    columns = max(4, min(COLUMNS, room))
    if kind == "sixel" and len(pictures) > 1:  # which rich cannot put into a table
        whole = columns * len(pictures) + GAP * (len(pictures) - 1)
        pictures = [("", side_by_side(pictures))]
        columns = whole
    table = Table.grid(padding=(0, GAP, 0, 0))
    for _ in pictures:
        table.add_column(width=columns, no_wrap=False)
    table.add_row(*(small(image, kind, columns) for _, image in pictures))
    if any(label for label, _ in pictures):
        table.add_row(*(Text(visible(label), style="dim") for label, _ in pictures))
    return table


def small(image: Image.Image, kind: str, columns: int = SMALL) -> RenderableType:
    """Return one picture, so many columns wide."""
    module = {"kitty": "tgp", "sixel": "sixel", "blocks": "halfcell"}[kind]
    made: Any = import_module(f"textual_image.renderable.{module}").Image
    rows = max(1, round(columns * image.height / image.width / 2))
    shown: RenderableType = made(image.convert("RGB"), width=columns, height=min(rows, columns))
    return shown
