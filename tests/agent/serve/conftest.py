"""Users who talk over HTTP."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import exact_users

from agent.serve.users import Users


@pytest.fixture
def users(tmp_path: Path, gate: threading.Event) -> Iterator[Users]:
    """Ann and Bob, in homes of their own."""
    made = exact_users(tmp_path, gate)
    yield made
    made.close()
