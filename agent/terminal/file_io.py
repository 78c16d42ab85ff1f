"""A picture file becomes the base of a conversation, and a picture of it a file again."""

from __future__ import annotations

import re
from pathlib import Path

from PIL import Image

from agent.chat import Chat
from agent.state import Event
from agent.visible import visible
from editing_core.worlds.registry import world_named
from tools import provenance
from tools.arguments import path_of
from tools.formats import endings
from tools.inspection import strange
from tools.pictures import PictureError, PictureStore, open_picture
from tools.saving import Sign, format_of, save_picture

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
    opened = open_picture(path, max_megapixels=chat.studio.settings.max_megapixels)
    eyes, world = chat.studio.eyes, world_named(chat.studio.settings.model)
    shown = world.judge(opened.image) if world else {}
    caption = caption or _recorded(path) or (world.caption(shown) if world and shown else None)
    if not caption and eyes:
        caption = eyes.describe(opened.image)
    if not caption and chat.studio.interactive:
        caption = asked_caption(path)
    if not caption:
        raise PictureError(f'Nobody here can tell what {path} shows; say it with --caption "…".')
    told = [*opened.notes]
    if not shown and (unlike := strange(world, opened.image)):
        told.append(unlike)
    notes = tuple(f"{path.name}: {note}." for note in told)
    name = store.put(opened.image, own=opened.own)
    store.remember(name, opened.source)
    return chat.open(name, caption), notes


def is_picture(path: Path) -> bool:
    """Say whether a file's name ends as that of a picture."""
    return path.suffix.lower() in endings()


def asked_caption(path: Path) -> str:
    """Let the person at the terminal say what a picture shows; empty if they do not."""
    print(
        f"What does {visible(path.name)} show? One sentence that names what you may want to change."
    )
    try:
        words = input("caption › ")
    except EOFError:
        return ""
    if words.lstrip().startswith("/"):
        print("A /command comes later; first say in a few words what the picture shows.")
        return asked_caption(path)
    return " ".join(words.split())[:LONGEST_CAPTION]


def _recorded(path: Path) -> str | None:
    """Return the caption inside a picture that was made here."""
    recipe = provenance.read(path_of(path)) or {}
    words = recipe.get("target_prompt")
    return words if isinstance(words, str) and 0 < len(words) <= LONGEST_CAPTION else None


def file_name(turn: int, request: str, *, clean: bool = False) -> str:
    """Return the file name of a turn's picture: ``01-make-her-older.png``.

    A clean one, which must not tell the request, is ``picture-1.png``.
    """
    if clean:
        return f"picture-{turn}.png"
    words = re.sub(r"[^\w]+", "-", request.lower()).strip("-_") or "original"
    return f"{turn:02d}-{words[:LONGEST_NAME].rstrip('-')}.png"


def export(
    picture: Path,
    target: Path,
    *,
    name: str,
    overwrite: bool = False,
    sign: Sign | None = None,
    clean: bool = False,
) -> Path:
    """Save a stored picture to a file of the person's choice and return its absolute path.

    The file carries its recipe, and the EXIF of the file that its original was opened from; a
    clean one nothing but the picture, and no signature.
    Without a suffix it gets that file's format; into a folder it goes by `name`, likewise.
    Missing folders are made only below the current folder and the person's own.

    Raises:
        PictureError: The file exists, cannot be written, or its suffix names no picture format.
    """
    recipe = provenance.read(picture)
    store = PictureStore(picture.parents[1])
    source = store.source((recipe or {}).get("original", picture.stem))
    target = path_of(target).absolute()
    if target.is_dir():
        target = target / Path(name).with_suffix(source.suffix)
    elif not target.suffix:
        target = target.with_name(target.name + source.suffix)
    _refuse(target, overwrite=overwrite)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(picture) as image:
            if clean:
                save_picture(image, target, alpha=source.alpha)
            else:
                told = {"exif": source.exif, "alpha": source.alpha}
                own = store.own(picture.stem)
                save_picture(image, target, recipe=recipe, sign=sign, own=own, **told)
    except PictureError:
        raise
    except Exception as error:  # encoders raise all kinds
        reason = getattr(error, "strerror", None) or error
        raise PictureError(f"{target} cannot be written: {reason}.") from None
    return target


def _refuse(target: Path, *, overwrite: bool) -> None:
    """Refuse a file that exists, or is of no known format, or lies where no folder is."""
    taken = target if target.exists() else provenance.beside(target)
    if taken.exists() and not overwrite:
        raise PictureError(f"{taken} exists already; choose another name.")
    format_of(target)
    ours = any(target.is_relative_to(folder) for folder in (Path.cwd(), Path.home()))
    if not target.parent.is_dir() and not ours:
        raise PictureError(f"The folder {target.parent} does not exist.")


class Folder:
    """The folder of ``--out``: originals and accepted turns as numbered files."""

    def __init__(self, folder: Path) -> None:
        """Make the folder and make sure that it can be written.

        Raises:
            PictureError: It cannot.
        """
        self.folder = path_of(folder)
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

    def keep(self, picture: Path, turn: int, request: str, sign: Sign | None = None) -> Path:
        """Save a turn's picture as ``01-make-her-older.png`` and return that path."""
        name = file_name(turn, request)
        return export(picture, self.folder / name, name=name, overwrite=True, sign=sign)
