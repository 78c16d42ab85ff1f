"""Two processes compute the velocity of one, for pictures of any size."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_flux import tiny_flux

import chat
from editing_core import several
from editing_core.editor import Editor
from editing_core.flux import Flux

TESTS = Path(__file__).parent


def test_two_processes_are_one() -> None:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launch, "tests/several_processes.py"],
        cwd=TESTS.parent,
        env={**os.environ, "PYTHONPATH": f"{TESTS.parent}:{TESTS}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "the same" in done.stdout
    assert "followed" in done.stdout
    assert "looks into attention, which several GPUs share" in done.stdout


def test_the_door_lends_all_processes_but_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    lent: list[Flux] = []
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr("tools.edit_picture.load_editor", lambda *a, **k: Editor(tiny_flux()))
    monkeypatch.setattr(several, "follow", lent.append)
    assert chat.main(["--model", "portraits", "--say", "undo"]) == 0
    assert lent == [tiny_flux()]
