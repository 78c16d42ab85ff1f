"""Two processes compute the velocity of one, for pictures of any size, and chat as one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from paths import ROOT, TESTS
from PIL import Image
from tiny_flux import tiny_flux
from tiny_qwen import tiny_qwen
from tiny_z_image import tiny_z

import chat
from editing_core.editor import Editor
from editing_core.errors import EditError, ModelMissing
from editing_core.models import context_parallel
from editing_core.models.flux1 import Flux1

TWO = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
SAY = ["--say", "make her older", "--say", "give her a red hat"]
PATIENCE = 300  # seconds, on a busy machine


def test_two_processes_are_one() -> None:
    done = subprocess.run(
        [*TWO, "tests/support/several_processes.py"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{TESTS}:{TESTS / 'support'}"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "the same" in done.stdout
    assert "looks into attention, which several GPUs share" in done.stdout


def test_the_door_lends_all_processes_but_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    lent: list[Flux1] = []
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr("tools.edit_picture.load_editor", lambda *a, **k: Editor(tiny_flux()))
    monkeypatch.setattr(context_parallel, "follow", lent.append)
    assert chat.main(["--model", "portraits", "--say", "undo"]) == 0
    assert lent == [tiny_flux()]
    assert chat.main(["--list-sessions"]) == 0 == chat.main(["--plan-only", "--say", "undo"])
    assert lent == [tiny_flux()], "it would wait for a model that nobody loads"


@pytest.mark.parametrize("model", [tiny_qwen, tiny_z])
def test_models_that_cannot_be_shared_are_refused(
    model: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ModelMissing, match="begin without torchrun"):
        context_parallel.share(model())


def test_what_is_no_chat_takes_one_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert chat.main(["redo", "final.png"]) == 2
    assert "leave torchrun out" in capsys.readouterr().err


def test_after_a_call_that_failed_here_alone_nobody_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent, left = [], []
    monkeypatch.setattr(context_parallel, "_send", sent.append)
    monkeypatch.setattr(os, "_exit", left.append)
    monkeypatch.setattr(
        torch.distributed, "broadcast_object_list", lambda *a, **k: sent.append(a[0])
    )
    lead = context_parallel.Lead()
    for call in ({"n": 1}, {"n": 2}):
        lead.tell(None, (), call)
        lead.answered(None, (), None)
    lead.end()
    assert sent == [{"n": 1}, {"n": 2}, [None]] and not left
    lead.tell(None, (), {"n": 3})  # and no answer
    with pytest.raises(EditError, match="lost each other"):
        lead.tell(None, (), {"n": 4})
    monkeypatch.setattr(os, "_exit", lambda code: (_ for _ in ()).throw(SystemExit(code)))
    with pytest.raises(SystemExit, match="1"):
        lead.end()
    assert len(sent) == 4


@contextmanager
def torchrun(home: Path, *args: str) -> Iterator[subprocess.Popen[str]]:
    """A chat of two processes, in a session of its own, as in a terminal."""
    command = [*TWO, "chat.py", "--offline", "--seed", "5", "--json", "--home", str(home), *args]
    piped = {"stdout": subprocess.PIPE, "stdin": subprocess.DEVNULL, "text": True}
    with (
        (home.parent / "errors").open("w") as errors,
        subprocess.Popen(
            command, cwd=ROOT, stderr=errors, start_new_session=True, **piped
        ) as started,
    ):
        try:
            yield started
        finally:
            for pid in together(home):
                os.kill(pid, signal.SIGKILL)


def together(home: Path) -> list[int]:
    """Return the processes of a chat that still run; no other names its folder."""
    found = subprocess.run(
        ["pgrep", "-f", f"home {home}"], capture_output=True, text=True, check=False
    )
    return [int(pid) for pid in found.stdout.split()]


def rank(home: Path, wanted: int) -> int:
    return next(
        pid for pid in together(home)
        if f"\0RANK={wanted}\0" in Path(f"/proc/{pid}/environ").read_text()
    )  # fmt: skip


def heard(started: subprocess.Popen[str], event: str) -> None:
    assert started.stdout is not None
    assert any(f'"{event}"' in line for line in started.stdout), event


def whole(folder: Path) -> dict[str, np.ndarray]:
    return {f.name: np.asarray(Image.open(f).convert("RGB"), int) for f in folder.glob("*.png")}


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.parametrize("how", [(), ("--draft", "--method", "flowedit")])
def test_a_chat_of_two_processes_is_that_of_one(tmp_path: Path, how: tuple[str, ...]) -> None:
    out = [tmp_path / name for name in ("two", "one")]
    with torchrun(tmp_path / "a", *how, *SAY, "--out", str(out[0])) as started:
        heard(started, "session.ended")
        assert started.wait(PATIENCE) == 0
        assert not together(tmp_path / "a")
    alone = ["--offline", "--seed", "5", "--json", "--home", str(tmp_path / "b")]
    assert chat.main([*alone, *how, *SAY, "--out", str(out[1])]) == 0
    two, one = map(whole, out)
    assert two.keys() == one.keys() and len(one) == 3
    for name, picture in one.items():
        assert abs(two[name] - picture).max() <= 2, "rounding alone"


@pytest.mark.slow
@pytest.mark.weights
def test_ctrl_c_ends_all(tmp_path: Path) -> None:
    with torchrun(tmp_path / "home", *SAY) as started:
        heard(started, "step")
        os.killpg(started.pid, signal.SIGINT)  # as a terminal does
        heard(started, "session.ended")
        assert started.wait(25) != 0  # in 30 s torchrun would kill
        assert not together(tmp_path / "home")


@pytest.mark.slow
@pytest.mark.weights
def test_an_edit_that_fails_ends_all(tmp_path: Path) -> None:
    with torchrun(tmp_path / "home", "--method", "mtc", *SAY) as started:
        heard(started, "turn.failed")
        assert started.wait(PATIENCE) == 1
        assert not together(tmp_path / "home")


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("killed", [0, 1])
def test_if_one_dies_none_stays(tmp_path: Path, killed: int) -> None:
    with torchrun(tmp_path / "home", *SAY) as started:
        heard(started, "step")
        assert len(together(tmp_path / "home")) == 3  # torchrun, and two of ours
        os.kill(rank(tmp_path / "home", killed), signal.SIGKILL)
        assert started.wait(60) != 0
        assert not together(tmp_path / "home")
