"""Where several machines keep pictures: a folder that all of them see, or S3 by `fsspec`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tools.arguments import InputError
from tools.mirrored_pictures import MirroredStore
from tools.pictures import PictureStore, StoreError


def store_at(url: str, copies: Path) -> PictureStore:
    """Return the store of an address: a folder's path, or one that `fsspec` knows (``s3://…``).

    Args:
        url: The address.
        copies: The folder of this machine for copies of what lies elsewhere.

    Raises:
        InputError: Nothing here can read such an address.
    """
    if urlsplit(url).scheme in ("", "file"):
        return PictureStore(Path(urlsplit(url).path))
    return MirroredStore(copies, FarPlace.at(url))


@dataclass(frozen=True)
class FarPlace:
    """A folder of pictures in a file system of `fsspec`, laid out as `PictureStore` has it."""

    url: str
    system: Any
    root: str

    @classmethod
    def at(cls, url: str) -> FarPlace:
        """Return the place of an address.

        Raises:
            InputError: What reads it is not installed.
        """
        try:
            from fsspec.core import url_to_fs

            system, root = url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise InputError(
                f"Pictures cannot be kept at {url}: {error} (pip install 'palimpsest[s3]')."
            ) from None
        return cls(url, system, root.rstrip("/"))

    def fetch(self, file: str) -> bytes | None:
        """Return a file; None if there is none.

        Raises:
            StoreError: The place does not answer.
        """
        try:
            content: bytes = self.system.cat_file(self._path(file))
        except FileNotFoundError:
            return None
        except Exception as error:  # clients of object stores raise all kinds
            raise self._trouble(error) from None
        return content

    def keep(self, file: str, content: bytes) -> None:
        """Keep a file.

        Raises:
            StoreError: The place does not take it.
        """
        try:
            self.system.pipe_file(self._path(file), content)
        except Exception as error:
            raise self._trouble(error) from None

    def _path(self, file: str) -> str:
        return f"{self.root}/{file[:2]}/{file}"

    def _trouble(self, error: Exception) -> StoreError:
        reason = " ".join(str(error).split()) or type(error).__name__
        return StoreError(f"Pictures cannot be kept at {self.url}: {reason}.")
