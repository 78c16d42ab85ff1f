"""A picture file becomes the base of a conversation, and a picture of it a file again."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from PIL import Image

from agent.graph import Chat
from agent.state import Event
from tools import provenance
from tools.pictures import PictureError, PictureStore, open_picture

LONGEST_CAPTION = 500  # characters taken from a file's own recipe
LONGEST_NAME = 40  # characters of a request that a file name keeps


def open_file(
    chat: Chat, store: PictureStore, path: Path, caption: str | None = None
) -> tuple[Event, tuple[str, ...]]:
    """Open a picture file as the new base.

    Its caption is the one given, else its own recipe's, else what the eyes see; where they cannot
    tell, the person is asked.

    Returns:
        The event session.started, and what had to be done to the picture, in words.

    Raises:
        PictureError: The file cannot be used, or nobody can say what it shows.
    """
    opened = open_picture(path, max_side=chat.studio.settings.max_side)
    eyes = chat.studio.eyes
    caption = caption or _recorded(path) or (eyes.describe(opened.image) if eyes else None)
    if not caption and chat.studio.interactive:
        caption = _asked(path)
    if not caption:
        raise PictureError(f'Nobody here can tell what {path} shows; say it with --caption "…".')
    notes = tuple(f"{path.name}: {note}." for note in opened.notes)
    return chat.open(store.put(opened.image), caption), notes


def _asked(path: Path) -> str:
    """Let the person at the terminal say what a picture shows; empty if they do not."""
    print(f"What does {path.name} show? One sentence that names what you may want to change.")
    try:
        words = input("caption › ")
    except EOFError:
        return ""
    return " ".join(words.split())[:LONGEST_CAPTION]


def _recorded(path: Path) -> str | None:
    """Return the caption inside a picture that was made here."""
    recipe = provenance.read(path.expanduser()) or {}
    words = recipe.get("target_prompt")
    return words if isinstance(words, str) and 0 < len(words) <= LONGEST_CAPTION else None


def file_name(turn: int, request: str) -> str:
    """Return the file name of a turn's picture: ``01-make-her-older.png``."""
    words = re.sub(r"[^\w]+", "-", request.lower()).strip("-_") or "original"
    return f"{turn:02d}-{words[:LONGEST_NAME].rstrip('-')}.png"


def export(picture: Path, target: Path, *, name: str, overwrite: bool = False) -> Path:
    """Copy a stored picture to a file of the person's choice and return its absolute path.

    A PNG keeps its recipe. Without a suffix ".png" is added; into a folder it goes by `name`.
    Missing folders are made only below the current folder and the person's own.

    Raises:
        PictureError: The file exists, cannot be written, or its suffix names no picture format.
    """
    target = target.expanduser().absolute()
    if target.is_dir():
        target = target / name
    elif not target.suffix:
        target = target.with_name(target.name + ".png")
    if target.exists() and not overwrite:
        raise PictureError(f"{target} exists already; choose another name.")
    if target.suffix.lower() not in Image.registered_extensions():
        raise PictureError(f"{target.suffix} is no picture format known here; try .png or .jpg.")
    ours = any(target.is_relative_to(folder) for folder in (Path.cwd(), Path.home()))
    if not target.parent.is_dir() and not ours:
        raise PictureError(f"The folder {target.parent} does not exist.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix.lower() == ".png":
            shutil.copyfile(picture, target)
        else:
            with Image.open(picture) as image:
                image.save(target, quality=95)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PictureError(f"{target} cannot be written: {reason}.") from None
    return target


class Folder:
    """The folder of ``--out``: every accepted turn as a numbered file."""

    def __init__(self, folder: Path) -> None:
        """Make the folder and make sure that it can be written.

        Raises:
            PictureError: It cannot.
        """
        self.folder = folder.expanduser()
        if self.folder.is_file():
            raise PictureError(f"--out {folder} is a file, not a folder.")
        probe = self.folder / ".palimpsest"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
        except OSError as error:
            reason = error.strerror or error
            raise PictureError(f"--out {folder} cannot be written: {reason}.") from None

    def keep(self, picture: Path, turn: int, request: str) -> Path:
        """Copy a turn's picture to ``01-make-her-older.png`` and return that path."""
        name = file_name(turn, request)
        return export(picture, self.folder / name, name=name, overwrite=True)
