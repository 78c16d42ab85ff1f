"""A store of pictures whose files are also kept elsewhere, and fetched from there once needed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from PIL import Image

from tools.metadata import Source
from tools.own_pixels import OwnPixels, read
from tools.pictures import FILES, PictureStore, StoreError, picture_hash, write_whole
from tools.provenance import Recipe

if TYPE_CHECKING:
    from torch import Tensor

_HASH = re.compile(r"[0-9a-f]{64}")


class Place(Protocol):
    """Where the files of pictures are kept: the hash of a picture and one of `FILES` name each."""

    def fetch(self, file: str, /) -> bytes | None:
        """Return a file; None if there is none."""

    def keep(self, file: str, content: bytes, /) -> None:
        """Keep a file."""


@dataclass(frozen=True)
class MirroredStore(PictureStore):
    """A folder of pictures before a place that keeps them all.

    Reading fetches what the folder lacks; what is put is kept in both.
    """

    place: Place

    def path(self, name: str) -> Path:
        """Return where the PNG of a picture lies, fetched if it has to be."""
        path = super().path(name)
        if not path.is_file():
            self._fetch(name, path)
        return path

    def put(
        self,
        image: Image.Image,
        latents: Tensor | None = None,
        recipe: Recipe | None = None,
        own: OwnPixels | None = None,
        name: str = "",
    ) -> str:
        """Store a picture once, here and in the place, and return its hash."""
        name = PictureStore(self.folder).put(image, latents, recipe, own, name)
        self._keep(name, FILES)
        return name

    def take(self, other: PictureStore, name: str) -> None:
        """Copy a picture and all that lies beside it from another store."""
        super().take(other, name)
        self._keep(name, FILES)

    def remember(self, name: str, source: Source) -> None:
        """Note which file a picture was opened from."""
        super().remember(name, source)
        self._keep(name, (".source.json",))

    def _keep(self, name: str, endings: tuple[str, ...]) -> None:
        for ending in endings:
            file = self._file(name, ending)
            if file.is_file():
                self.place.keep(file.name, file.read_bytes())

    def _fetch(self, name: str, target: Path) -> None:
        """Fetch all files of a picture, if the place has it.

        Raises:
            StoreError: They cannot be kept here, or are not that picture's.
        """
        if not _HASH.fullmatch(name):  # it could lead out of the folder
            return
        content = self.place.fetch(target.name)
        if content is None:
            return
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            for ending in FILES[:-1]:
                if (beside := self.place.fetch(f"{name}{ending}")) is not None:
                    write_whole(self._file(name, ending), beside)
            write_whole(target, content)
        except OSError as error:
            raise StoreError(
                f"Cannot keep pictures in {self.folder}: {error.strerror or error}."
            ) from None
        if not self._is_whole(name, target):
            target.unlink()
            raise StoreError(f"The picture {name[:12]} was damaged where it came from.")

    def _is_whole(self, name: str, path: Path) -> bool:
        own = self._file(name, ".own.png")
        try:
            with Image.open(path) as image:
                return picture_hash(image, read(own) if own.is_file() else None) == name
        except Exception:  # decoders raise all kinds
            return False

    def _file(self, name: str, ending: str) -> Path:
        return super().path(name).with_suffix(ending)
