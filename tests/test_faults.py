"""A little of ``python -m tests.faults``."""

import pytest

from tests import faults


@pytest.mark.parametrize(
    "words",
    [
        ["--only", "a stub", "--chats", "4"],
        ["--only", "leave", "--few", "2"],
        ["--only", "full", "--few", "1"],
        ["--only", "server is killed", "--kills", "1"],
        pytest.param(["--only", "Postgres", "--few", "3"], marks=pytest.mark.postgres),
        pytest.param(["--only", "Ray", "--kills", "1"], marks=pytest.mark.ray),
    ],
    ids=lambda words: words[1],
)
@pytest.mark.slow
def test_nothing_is_lost_or_mixed(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert faults.main(words) == 0
    assert "| 0 | 0 | 0 |" in capsys.readouterr().out
