"""What can go from a home: old sessions, and pictures that no remaining session reaches."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agent.sessions.catalog import InUse, Sessions
from tools.pictures import picture_of

YOUNG = 3600.0  # seconds; a picture no older may be about to be saved with its turn


@dataclass(frozen=True)
class Prunable:
    """What can go: sessions, and files of pictures that no other session reaches."""

    sessions: tuple[str, ...]
    files: tuple[Path, ...]
    size: int
    """Of the files, in bytes."""

    def __bool__(self) -> bool:
        """Say whether there is anything."""
        return bool(self.sessions or self.files)

    def __str__(self) -> str:
        """Say it to a person."""
        sessions, files = len(self.sessions), len(self.files)
        return (
            f"{sessions} session{'s' * (sessions != 1)} and {files} file{'s' * (files != 1)} "
            f"that no other session needs ({room(self.size)})"
        )


def prunable(
    sessions: Sessions, but: str, *, older_than: float | None = None, newest: int | None = None
) -> Prunable:
    """Return what `prune` would free; a session in use is never among it.

    Args:
        sessions: All of them.
        but: A session that stays.
        older_than: Sessions go that were not used for so many seconds.
        newest: All but so many go.
    """
    going = []
    for place, session in enumerate(sessions.listed()):
        old = older_than is not None and time.time() - session.used > older_than
        many = newest is not None and place >= newest
        if (
            (old or many)
            and not session.damaged
            and session.id != but
            and not _in_use(sessions, session.id)
        ):
            going.append(session.id)
    files = sessions.store.loose(sessions.saver.reached(going), older_than=YOUNG)
    return Prunable(tuple(going), tuple(files), sum(_size(file) for file in files))


def prune(sessions: Sessions, what: Prunable) -> Prunable:
    """Free that, and return what was freed: what came into use since then stays."""
    gone = []
    for session in what.sessions:
        with suppress(InUse):
            sessions.delete(session)
            gone.append(session)
    reached = sessions.saver.reached()  # after the deletions, so that no copy made before is missed
    freed, size = [], 0
    for file in what.files:
        own = _size(file)
        if picture_of(file) not in reached and sessions.store.drop(file, older_than=YOUNG):
            freed.append(file)
            size += own
    if freed:
        sessions.forget()
    sessions.saver.compact()
    return Prunable(tuple(gone), tuple(freed), size)


def young(sessions: Sessions) -> str:
    """Say which pictures no session reaches, but are too young to go; empty if there are none."""
    reached = sessions.saver.reached()
    old = set(sessions.store.loose(reached, older_than=YOUNG))
    files = [file for file in sessions.store.loose(reached, older_than=0) if file not in old]
    if not files:
        return ""
    count = len({picture_of(file) for file in files})
    several = "s" * (count != 1)
    are, stay = ("are", "stay") if several else ("is", "stays")
    size = room(sum(map(_size, files)))
    return f"{count} picture{several}, {size}, {are} younger than an hour and {stay} for now."


def room(size: int) -> str:
    """Say how many bytes there are."""
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def _in_use(sessions: Sessions, session: str) -> bool:
    try:
        with sessions.held(session):
            return False
    except InUse:
        return True


def _size(file: Path) -> int:
    with suppress(OSError):
        return file.stat().st_size
    return 0
