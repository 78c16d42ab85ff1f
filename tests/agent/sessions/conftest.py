"""Sessions in each kind of database: a test that asks for `sessions` runs on all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import postgres_server
import pytest

from agent.sessions.catalog import Sessions, open_home


@pytest.fixture(scope="session")
def server() -> Iterator[postgres_server.Server]:
    """A Postgres server for all tests that need one."""
    with postgres_server.serving() as made:
        yield made


@pytest.fixture
def file_sessions(tmp_path: Path) -> Iterator[Sessions]:
    """The sessions of a new home, in a file."""
    with open_home(tmp_path / "home") as opened:
        yield opened


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def sessions(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sessions]:
    """The sessions of a new home, in a file or in Postgres."""
    if request.param == "sqlite":
        yield request.getfixturevalue("file_sessions")
        return
    from agent.sessions.postgres import Database

    home = tmp_path / "home"
    home.mkdir()
    database = Database.at(request.getfixturevalue("server").url)
    yield Sessions(database.store(uuid4().hex), home)
    database.close()
