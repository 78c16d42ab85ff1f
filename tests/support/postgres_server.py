"""A private Postgres server on a socket of its own, and why there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

WHO = "palimpsest"
SETTINGS = "-c listen_addresses='' -c fsync=off -c max_connections=100 -k {folder}"


def binaries() -> Path | None:
    """Return the folder of initdb and pg_ctl: on the path, else the newest of Debian's."""
    if found := shutil.which("pg_ctl"):
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    return versions[-1] if versions else None


def servant() -> str | None:
    """Return who the server runs as: nobody in particular, unless we are root, who may not."""
    if os.geteuid() != 0:
        return None
    import pwd  # not on Windows

    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


def missing() -> str:
    """Say what is missing; "" if nothing is."""
    if any(find_spec(name) is None for name in ("psycopg", "psycopg_pool")):
        return "needs psycopg: pip install '.[postgres]'"
    return "" if binaries() else "needs Postgres on this machine: apt-get install postgresql"


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    folder: Path

    @property
    def url(self) -> str:
        return f"postgresql://{WHO}@/postgres?host={self.folder}"

    def begin(self) -> None:
        told = SETTINGS.format(folder=self.folder)
        self._pg_ctl("start", "-l", str(self.folder / "log"), "-o", told)

    def end(self, how: str = "immediate") -> None:
        self._pg_ctl("stop", "-m", how)

    def _pg_ctl(self, *words: str) -> None:
        run("pg_ctl", "-w", "-D", str(self.folder / "data"), *words)


@contextmanager
def serving() -> Iterator[Server]:
    """Make a database in a folder of its own, serve it, and clear it away."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    server = Server(folder)
    try:
        if who := servant():
            shutil.chown(folder, who)
        run(
            "initdb",
            "-U",
            WHO,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
            "-D",
            str(folder / "data"),
        )
        server.begin()
        yield server
        server.end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(program: str, *words: str) -> None:
    """Run one of Postgres' programs, which may not be root."""
    folder, who = binaries(), servant()
    assert folder is not None
    given: dict[str, Any] = {"user": who, "extra_groups": []} if who else {}
    subprocess.run(
        [str(folder / program), *words], check=True, stdin=subprocess.DEVNULL, cwd="/",
        stdout=subprocess.DEVNULL, timeout=120, **given,
    )  # fmt: skip
