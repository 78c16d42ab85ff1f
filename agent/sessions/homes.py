"""Where the sessions and pictures of several people are: in folders, or in a database and S3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.sessions.catalog import Sessions, open_home
from tools.arguments import InputError
from tools.pictures import PictureStore

if TYPE_CHECKING:
    from agent.sessions.postgres import Database

SCHEMES = ("postgresql://", "postgres://")


@dataclass(frozen=True)
class Homes:
    """The home of each person: "" is the one whose program it is, others have names.

    Attributes:
        folder: HOME, or HOME/people/NAME, of each; with a database only copies of pictures and what
            can be made again.
        database: Where sessions are; None for a file in each folder.
        pictures: Where pictures are, as `tools.picture_places` reads it, with ``people/NAME``
            behind it; "" for a folder in each folder.
    """

    folder: Path
    database: Database | None = None
    pictures: str = ""

    @contextmanager
    def open(self, person: str) -> Iterator[Sessions]:
        """Open the sessions of a person.

        Raises:
            StorageError: They cannot be kept there.
            InputError: Nothing here can read where their pictures are.
        """
        below = f"people/{person}" if person else ""
        home = self.folder / below
        if self.database is None:
            with open_home(home) as sessions:
                yield sessions
            return
        home.mkdir(parents=True, exist_ok=True)
        yield Sessions(self.database.store(person), home, self.pictures_of(person))

    def pictures_of(self, person: str) -> PictureStore:
        """Return the pictures of a person.

        Raises:
            InputError: Nothing here can read where they are.
        """
        below = f"people/{person}" if person else ""
        own = self.folder / below / "pictures"
        if not self.pictures:
            return PictureStore(own)
        from tools.picture_places import store_at

        return store_at(f"{self.pictures.rstrip('/')}/{below}".rstrip("/"), own)

    def people(self) -> list[str]:
        """Return everybody who has sessions."""
        if self.database is not None:
            return self.database.owners()
        named = sorted(file.parent.name for file in self.folder.glob("people/*/sessions.sqlite"))
        own = [""] if (self.folder / "sessions.sqlite").is_file() else []
        return own + named

    def close(self) -> None:
        """Close the database."""
        if self.database is not None:
            self.database.close()


def homes_at(folder: Path, database: str = "", pictures: str = "") -> Homes:
    """Return the homes in a folder or, if its address is given, in a database.

    Raises:
        InputError: It is no address, or what reads it is not installed.
        StorageError: The database cannot be used.
    """
    if not database:
        if pictures:
            raise InputError("Pictures are kept elsewhere only together with a database.")
        return Homes(folder)
    if not database.startswith(SCHEMES):
        raise InputError("A database of sessions is given as postgresql://USER@HOST/NAME.")
    try:
        from agent.sessions.postgres import Database
    except ModuleNotFoundError as error:
        raise InputError(
            f"This needs the extra postgres (no module {error.name}): "
            "pip install 'palimpsest[postgres]'."
        ) from None
    return Homes(folder, Database.at(database), pictures)
