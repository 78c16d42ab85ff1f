"""Where an export goes: never over a file, and only into folders of the person's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tools.arguments import path_of
from tools.pictures import PictureError


def place(path: str, kinds: Sequence[str]) -> Path:
    """Return the file to write, whose folder is then there.

    Args:
        path: What the person typed: a file, with or without its ending, a folder, or nothing.
        kinds: Endings that it may have; the first is taken where there is none.

    Raises:
        InputError: It is no path.
        PictureError: The file exists, has another ending, or its folder cannot be made.
    """
    target = path_of(unquoted(path) or ".").absolute()
    if target.is_dir():
        target = target / "session"
    if not target.suffix:
        target = target.with_name(f"{target.name}.{kinds[0]}")
    if target.suffix.lower().removeprefix(".") not in kinds:
        known = " or ".join(f".{kind}" for kind in kinds)
        raise PictureError(f"{target.name} should end in {known}.")
    if target.exists():
        raise PictureError(f"{target} exists already; choose another name.")
    make_folder(target)
    return target


def make_folder(target: Path) -> None:
    """Make the folder of a file, if it lies below the current folder or the person's own.

    Raises:
        PictureError: It is not there and cannot be made.
    """
    ours = any(target.is_relative_to(folder) for folder in (Path.cwd(), Path.home()))
    if not target.parent.is_dir() and not ours:
        raise PictureError(f"The folder {target.parent} does not exist.")
    written(target, lambda file: file.parent.mkdir(parents=True, exist_ok=True))


def unquoted(path: str) -> str:
    """Return a path as it was typed, without the quotes around it."""
    typed = path.strip()
    quoted = len(typed) > 1 and typed[0] == typed[-1] and typed[0] in "\"'"
    return typed[1:-1] if quoted else typed


def written(target: Path, write: Callable[[Path], object]) -> None:
    """Write a file, and say in one sentence if that cannot be done.

    Raises:
        PictureError: It cannot be written there.
    """
    try:
        write(target)
    except OSError as error:
        raise PictureError(f"{target} cannot be written: {error.strerror or error}.") from None
