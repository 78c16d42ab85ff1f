"""Users who talk over HTTP."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import exact_users

from agent.serve.users import Users


@pytest.fixture
def users(tmp_path: Path, gate: threading.Event, request: pytest.FixtureRequest) -> Iterator[Users]:
    """Ann and Bob, in homes of their own; a parameter names more models."""
    made = exact_users(tmp_path, gate, others=getattr(request, "param", ()))
    yield made
    made.close()
