"""People who talk over HTTP."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import exact_people

from agent.serve.people import People


@pytest.fixture
def gate() -> threading.Event:
    """Open; once it is cleared, edits take long."""
    opened = threading.Event()
    opened.set()
    return opened


@pytest.fixture
def people(tmp_path: Path, gate: threading.Event) -> Iterator[People]:
    """Ann and Bob, in homes of their own."""
    made = exact_people(tmp_path, gate)
    yield made
    made.close()
