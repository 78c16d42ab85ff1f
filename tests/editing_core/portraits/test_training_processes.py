"""Two processes that divide a model among them learn what one learns, and go on with its files."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from paths import ROOT, TESTS
from torch import Tensor

ALONE = (sys.executable,)
TWO = (*ALONE, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def trained(file: Path, by: tuple[str, ...], until: int) -> dict[str, Any]:
    """Train to a step, from where a file was left, and read the file."""
    begun = torch.load(file, weights_only=True)["step"] if file.exists() else 0
    command = [*by, str(TESTS / "support" / "training_processes.py"), str(file), str(until - begun)]
    path = os.pathsep.join([str(ROOT), str(TESTS / "support")])
    quiet = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    ran = subprocess.run(command, env=quiet, capture_output=True, text=True)
    assert not ran.returncode, ran.stderr
    state: dict[str, Any] = torch.load(file, weights_only=True)
    assert state["step"] == until
    return state


def numbers(state: Mapping[str, Any]) -> Iterator[Tensor]:
    """Weights and averages, but those that change nothing and so have no gradient but rounding."""
    for part in ("model", "ema"):
        yield from (x for name, x in state[part].items() if "self_attn.k_proj.bias" not in name)


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_and_take_over_from_each_other(tmp_path: Path) -> None:
    alone = trained(tmp_path / "alone.pt", ALONE, 4)
    start = trained(tmp_path / "start.pt", ALONE, 0)
    for first, then in ((TWO, TWO), (ALONE, TWO), (TWO, ALONE)):
        file = tmp_path / f"{len(first)} {len(then)}.pt"
        trained(file, first, 2)
        for one, other in zip(numbers(alone), numbers(trained(file, then, 4)), strict=True):
            assert type(other) is Tensor
            assert torch.allclose(one, other, atol=1e-5)
    pairs = zip(numbers(alone), numbers(start), strict=True)
    assert max((one - other).abs().max() for one, other in pairs) > 1e-3
