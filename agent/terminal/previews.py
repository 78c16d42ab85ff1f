"""Pictures inside the terminal: the kitty graphics protocol, else coloured half blocks."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from typing import TextIO

from PIL import Image

COLUMNS = 36  # terminal columns a preview is wide; about as tall as 18 lines
CHUNK = 4096  # bytes of base64 a kitty escape may carry
KINDS = ("auto", "kitty", "blocks", "off")
KITTY_TERMINALS = ("kitty", "ghostty", "wezterm")


def choose(kind: str, stream: TextIO, environ: Mapping[str, str]) -> str:
    """Return how pictures are shown on a stream: "kitty", "blocks" or "off".

    "auto" shows none where a person would not see colours: no terminal, NO_COLOR, TERM=dumb.
    """
    if kind != "auto":
        return kind
    term = environ.get("TERM", "dumb").lower()
    if not stream.isatty() or environ.get("NO_COLOR") or term == "dumb":
        return "off"
    multiplexed = bool(environ.get("TMUX")) or term.startswith("screen")
    program = f"{term} {environ.get('TERM_PROGRAM', '')}".lower()
    if not multiplexed and any(name in program for name in KITTY_TERMINALS):
        return "kitty"
    utf8 = (stream.encoding or "").lower().replace("-", "") == "utf8"
    return "blocks" if utf8 else "off"


def draw(image: Image.Image, kind: str, environ: Mapping[str, str], *, width: int = 80) -> str:
    """Return the text that shows a picture; empty when `kind` is "off".

    Args:
        image: Any RGB picture.
        kind: What `choose` returned.
        environ: Environment; COLORTERM tells whether 24-bit colours are understood.
        width: Terminal columns there are.
    """
    columns = max(4, min(COLUMNS, width - 2))
    if kind == "kitty":
        return _kitty(image, columns)
    if kind == "blocks":
        deep = environ.get("COLORTERM", "").lower() in ("truecolor", "24bit")
        return "".join(_half_blocks(image, columns, deep=deep))
    return ""


def _kitty(image: Image.Image, columns: int) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    data = base64.standard_b64encode(buffer.getvalue()).decode()
    chunks = [data[i : i + CHUNK] for i in range(0, len(data), CHUNK)]
    parts = []
    for i, chunk in enumerate(chunks):
        head = f"a=T,f=100,q=2,c={columns}," if i == 0 else ""
        parts.append(f"\x1b_G{head}m={int(i < len(chunks) - 1)};{chunk}\x1b\\")
    return "".join(parts) + "\n"


def _half_blocks(image: Image.Image, columns: int, *, deep: bool) -> Iterator[str]:
    """Yield lines of upper half blocks: one character is two pixels, above and below."""
    rows = 2 * max(1, round(columns * image.height / image.width / 2))
    rows = min(rows, 2 * columns)
    small = image.convert("RGB").resize((columns, rows), Image.Resampling.LANCZOS)
    pixels = small.tobytes()
    for row in range(0, rows, 2):
        for column in range(columns):
            above, below = (3 * ((row + down) * columns + column) for down in (0, 1))
            front, back = pixels[above : above + 3], pixels[below : below + 3]
            yield f"\x1b[38;{_color(front, deep)};48;{_color(back, deep)}m▀"
        yield "\x1b[0m\n"


def _color(rgb: bytes, deep: bool) -> str:
    """Return an SGR colour: 24-bit, or the nearest of the 6 x 6 x 6 cube."""
    if deep:
        return f"2;{rgb[0]};{rgb[1]};{rgb[2]}"
    red, green, blue = (round(level / 51) for level in rgb)
    return f"5;{16 + 36 * red + 6 * green + blue}"
