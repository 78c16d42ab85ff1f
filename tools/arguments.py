"""What people and plans give: whole numbers and paths, each read in one way and refused in one."""

from __future__ import annotations

import os
from pathlib import Path

LARGEST = 2**63 - 1  # that a database and a checkpoint can hold
DIGITS = len(str(LARGEST))
LONGEST_NAME = 255  # bytes of a file's name
LONGEST_PATH = 4095  # bytes of a path
SHOWN = 60  # characters of what was given that a refusal repeats


class InputError(Exception):
    """What was given cannot be used; the message is one sentence for the person."""


def whole(text: str) -> int | None:
    """Return the number that digits write; None for anything else, or beyond `LARGEST`."""
    digits = text.lstrip("0") or "0"
    if not text.isdecimal() or len(digits) > DIGITS:  # "²" is a digit, but no decimal
        return None
    number = int(digits)
    return number if number <= LARGEST else None


def number(text: str, *, least: int = 0, most: int = LARGEST, name: str = "") -> int:
    """Read a whole number, such as a seed if that is its name.

    Raises:
        InputError: It is none, or out of bounds.
    """
    signed = least < 0 and text[:1] in ("+", "-", "−")  # people type both kinds of minus
    digits = text[1:] if signed else text
    found = whole(digits)
    if found is not None and signed and text[0] != "+":
        found = -found
    if found is not None and least <= found <= most:
        return found
    if least >= 0 and digits.isdecimal() and (found is None or found > most):
        raise InputError(f"{short(text)} is too large; the largest {name or 'number'} is {most}.")
    needed = f"A {name} is a whole number" if name else "A number"
    limit = f" to {most}" if least < 0 else ""
    rest = "" if name else " is needed"
    raise InputError(f'{needed} from {least}{limit}{rest}, not "{short(text)}".')


def path_of(text: str | os.PathLike[str]) -> Path:
    """Read a path; "~" and "~name" are the folders of people.

    Raises:
        InputError: No file can have it.
    """
    path = Path(text)
    try:
        encoded = os.fsencode(path)
    except UnicodeEncodeError:
        raise InputError(f"{_path(path)} has characters that no file name can have.") from None
    if b"\0" in encoded:
        raise InputError(f"{_path(path)} has a NUL character, which no file name can have.")
    if len(encoded) > LONGEST_PATH:
        raise InputError(
            f"{_path(path)} is too long for a path ({len(encoded)} bytes; {LONGEST_PATH} fit)."
        )
    if (longest := max(map(len, encoded.split(b"/")))) > LONGEST_NAME:
        raise InputError(
            f"{_path(path)} has a name that is too long ({longest} bytes; {LONGEST_NAME} fit)."
        )
    try:
        return path.expanduser()
    except RuntimeError:
        raise InputError(
            f"{_path(path)}: there is nobody called {path.parts[0][1:]} here."
        ) from None


def short(text: str, longest: int = SHOWN) -> str:
    """Return a text, or how it begins."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _path(path: Path) -> str:
    return short(str(path))
