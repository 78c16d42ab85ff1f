"""A few kills of ``python -m tests.kills``."""

import os
import subprocess
import sys

import pytest
from paths import ROOT


@pytest.mark.skipif(not hasattr(os, "fork"), reason="chats are forked, and killed with a signal")
def test_kills_lose_nothing():
    command = [sys.executable, "-m", "tests.kills", "--count", "5", "--flips", "20"]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    kills, flips = done.stdout.split("| after one flipped bit")
    rows = [line.split(" | ") for line in kills.splitlines()[2:]]
    assert sum(int(row[1]) for row in rows) == 5, done.stdout
    assert flips.count("list: ") >= 1 and "broken" not in flips
