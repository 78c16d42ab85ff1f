"""The large pictures that were seen last, kept decoded, since reading one takes up to seconds."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from PIL import Image

MOST = 100_000_000  # pixels of all that are kept, of 4 bytes each


@dataclass(eq=False)
class RecentPictures:
    """Pictures by their files, as long as there is room; those seen longest ago go first.

    Attributes:
        most: How many pixels all may have together.
    """

    most: int = MOST
    _kept: OrderedDict[tuple[Path, int, int], Image.Image] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def get(self, path: Path) -> Image.Image | None:
        """Return a copy of what a file holds, if it is kept and the file is still the same."""
        with self._lock:
            found = self._kept.get(key := _key(path))
            if found is None:
                return None
            self._kept.move_to_end(key)
        copied = found.copy()
        copied.info = {}  # what was told in the file that it came from
        return copied

    def keep(self, path: Path, image: Image.Image) -> None:
        """Keep what a file holds: the very picture, which nobody may change from now on."""
        with self._lock:
            self._kept[_key(path)] = image
            while sum(each.width * each.height for each in self._kept.values()) > self.most:
                self._kept.popitem(last=False)


def _key(path: Path) -> tuple[Path, int, int]:
    """Return what tells a file from any that came to its place before or after.

    Raises:
        OSError: There is no such file.
    """
    found = path.stat()
    return path, found.st_ino, found.st_size


RECENT = RecentPictures()
"""Those of this process, whatever store they lie in."""
