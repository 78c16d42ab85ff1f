"""The floors that speed is measured against are known numbers; the table is whole."""

from __future__ import annotations

import argparse
import math
from typing import Any

import pytest
import torch
from fake_calls import fake_call
from flux_files import NARROW
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from editing_core.attention_guidance import AttentionControl
from editing_core.bench import gpu, random_weights
from editing_core.bench.random_weights import random_flux
from editing_core.bench.speed import SOURCE, TARGET, controlled_calls, speed_table
from editing_core.bench.timing import Machine, call_operations, counted
from editing_core.models.base import TextEmbedding
from editing_core.models.canvas import Canvas
from editing_core.models.configs import FLUX_DEV, with_depth
from editing_core.models.memory_plan import LEVELS
from editing_core.settings import EditSettings


def config(depth: tuple[int, int]) -> argparse.Namespace:
    return argparse.Namespace(**with_depth(*depth)["transformer"])


def test_operations_of_flux_dev() -> None:
    """57 blocks of 24 D^2 S + 4 S^2 D operations, D = 3072, S = 512 + 4096; the rest is little."""
    blocks = 57 * (24 * 3072**2 * 4608 + 4 * 4608**2 * 3072)
    assert blocks == 74_361_990_021_120
    assert call_operations(config((19, 38)), Canvas(1024, 1024), 512) == pytest.approx(
        blocks, rel=0.001
    )


@pytest.mark.parametrize("side", [256, 1024])
def test_they_are_what_torch_counts(side: int) -> None:
    canvas = Canvas(side, side)
    with FakeTensorMode():
        call = fake_call(with_depth(1, 2), canvas, torch.float32)[1]
        real = counted(call)
    assert call_operations(config((1, 2)), canvas, 512) == pytest.approx(real, rel=1e-4)


def test_a_floor_is_the_longer_of_computing_and_moving() -> None:
    machine = Machine(operations=100, bandwidth=10)
    assert machine.seconds(200) == 2
    assert machine.seconds(200, 50) == 5


def test_calls_under_control_of_the_papers_eight_steps() -> None:
    """Step 3 is watched; 4, 5 and 6 are scaled, too; of 7 nothing follows, so it is scaled only."""
    assert controlled_calls() == (1, 3, 1)


def test_the_table_is_whole() -> None:
    t5 = NARROW["text_encoder_2"] | {"n_positions": 48}
    flux = random_flux(NARROW | {"text_encoder_2": t5}, [SOURCE, TARGET])
    rows = speed_table("random", 1, side=64, flux=flux)
    said = " ".join(str(row["what"]) for row in rows)
    for what in ("model call", "solver step", "first edit (18 calls)", "cached (9 calls)",
                 "outside of model calls", "memory of a call", "attention control"):  # fmt: skip
        assert what in said
    assert all(math.isfinite(row["measured"]) for row in rows)  # differences may be noise below 0
    assert FLUX_DEV["text_encoder_2"]["num_layers"] == 24


def test_levels_are_tried_with_random_weights_through_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a GPU, but narrow: weights are written, loaded at the level asked for, and run."""
    monkeypatch.setattr(random_weights, "with_depth", lambda *depth: dict(NARROW))
    monkeypatch.setattr(random_weights, "FLUX_DEV", NARROW)
    flux = random_weights.random_weights((1, 1), [SOURCE, TARGET], device="cpu", memory="full")
    assert flux.held is not None and flux.held.plan is not None
    rows = speed_table("random", 1, side=32, flux=flux, edits=False)
    assert rows[0]["what"] == "transformer alone, s"


def test_what_a_gpu_is_judged_by_is_all_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dry run: narrow, and the GPU's own count of its memory stands still."""
    monkeypatch.setattr(random_weights, "with_depth", lambda *depth: dict(NARROW))
    monkeypatch.setattr(random_weights, "FLUX_DEV", NARROW)
    monkeypatch.setattr(gpu, "peak_bytes_seen", lambda device: 10**9)
    assert gpu.main(["--depth", "1,1", "--side", "32", "--count", "1", "--device", "cpu"]) == 0
    out, err = capsys.readouterr()
    said = ("full: peak memory, GB, beside the predicted | 1 |", "full: edit (18 calls)",
            "rate of model calls", "retry, of a first edit", "outside of model calls")  # fmt: skip
    assert all(what in out for what in said)
    for level in LEVELS[1:]:
        left_out = f"{level.name} needs: pip" in err or f"{level.name} cannot be had" in err
        assert f"{level.name}: calls, times as fast" in out or left_out


def test_the_whole_of_flux_dev_is_not_tried_on_a_cpu(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        gpu.main(["--device", "cpu"])
    assert "--depth 1,1" in capsys.readouterr().err


class NoWaiting(TorchDispatchMode):
    """Refuses what makes a program wait for its GPU: numbers read back, tensors sent there."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        met = [x for x in tree_leaves((args, kwargs, made)) if isinstance(x, torch.Tensor)]
        assert len({x.device for x in met}) <= 1, f"{func} takes a tensor to another device"
        assert func is not torch.ops.aten._local_scalar_dense.default, "a number is read back"
        return made


@torch.no_grad()
def test_a_call_never_waits_for_the_device() -> None:
    """Nor does attention's control: on the meta device, which stands for a GPU here."""
    canvas, flux = Canvas(64, 64), random_flux(NARROW, [SOURCE, TARGET])
    said, meta = flux.encode_text(TARGET), torch.device("meta")
    text = TextEmbedding(TARGET, said.embeds.to(meta), said.offsets, said.pooled.to(meta))
    flux.transformer.to(meta)
    flux.__dict__["device"] = meta
    x = torch.empty(1, canvas.tokens, 64, device=meta)
    control = AttentionControl(flux, EditSettings(), text, (1, 2), canvas)
    control.watching = True
    control.mask = torch.ones(canvas.rows, canvas.cols, dtype=torch.bool, device=meta)
    flux.velocity(x, 0.5, text, guidance=1.0, canvas=canvas)  # positions are made once
    with control, NoWaiting():
        flux.velocity(x, 0.5, text, guidance=1.0, canvas=canvas)
    assert control.maps[0].shape == (len(control.candidates), canvas.tokens)
