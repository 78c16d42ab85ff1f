"""The training loop: it learns, stops in time and goes on where it stopped."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny_flux import TINY
from torch import Tensor, nn

from editing_core.models.load import load
from editing_core.portraits import train, train_classifier, train_vae
from editing_core.portraits.model import TEXT_LENGTH, build
from editing_core.portraits.trainer import (
    Deadline,
    Muon,
    TrainingConfig,
    orthogonalize,
    run_training,
)

CONFIG = TrainingConfig(samples=400, batch_size=2, learning_rate=0.05, warmup_steps=2)


def _line(model: nn.Module) -> tuple[Callable[[int], Tensor], list[int]]:
    steps: list[int] = []

    def loss_of(step: int) -> Tensor:
        steps.append(step)
        x = torch.linspace(-1, 1, 8)[:, None]
        loss: Tensor = (model(x) - 3 * x).square().mean()
        return loss

    return loss_of, steps


def test_learning_reaches_the_answer(tmp_path: Path) -> None:
    model = nn.Linear(1, 1)
    loss_of, _ = _line(model)
    assert run_training(model, loss_of, CONFIG, tmp_path / "line.pt", Deadline(1))
    assert model.weight.item() == pytest.approx(3, abs=0.1)


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path) -> None:
    file = tmp_path / "line.pt"
    model = nn.Linear(1, 1)
    loss_of, steps = _line(model)

    class Soon(Deadline):
        def passed(self) -> bool:
            return len(steps) >= 50

    assert not run_training(model, loss_of, CONFIG, file, Soon(1))
    again = nn.Linear(1, 1)
    loss_of, resumed = _line(again)
    assert run_training(again, loss_of, CONFIG, file, Deadline(1))
    assert resumed[0] == 50
    assert resumed[-1] == 199


def test_the_rate_warms_up_holds_and_falls() -> None:
    config = TrainingConfig(
        samples=1000, batch_size=10, learning_rate=1.0, warmup_steps=10, decay_fraction=0.5
    )
    assert [config.rate_at(step) for step in (0, 20, 75, 100)] == [0.1, 1.0, 0.5, 0.0]


def test_orthogonal_brings_singular_values_near_one() -> None:
    torch.manual_seed(0)
    for shape in ((3, 8, 16), (3, 16, 8)):
        values = torch.linalg.svdvals(orthogonalize(torch.randn(shape)))
        assert values.min() > 0.3
        assert values.max() < 1.4


def test_muon_descends() -> None:
    weight = nn.Parameter(torch.randn(4, 4))
    optimizer = Muon([weight])
    optimizer.param_groups[0]["lr"] = 0.1
    for _ in range(100):
        optimizer.zero_grad()
        loss = (weight - torch.eye(4)).square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert loss.item() < 0.5


def test_all_stages_run_resume_and_leave_a_folder_that_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = TrainingConfig(samples=8, batch_size=4, warmup_steps=1)
    for module, name in (
        *((train_vae, "VAE"), (train_vae, "DECODER"), (train, "FLUX")),
        *((train, "GUIDANCE"), (train_classifier, "CLASSIFIER")),
    ):
        monkeypatch.setattr(module, name, few)
    monkeypatch.setattr(train_vae, "PICTURES", 6)
    monkeypatch.setattr(train, "OTHERS", 3)
    monkeypatch.setattr(train_classifier, "OTHERS_SHARE", 0.25)
    monkeypatch.setattr(train.shutil, "which", lambda name: None)  # compiling takes a minute
    monkeypatch.setattr(train, "build", lambda: build(TINY))
    monkeypatch.setattr(sys, "argv", ["train", "--work", str(tmp_path), "--out", str(tmp_path)])
    train.main()
    stages = {file.name for file in tmp_path.glob("*.pt")}
    assert stages == {"vae.pt", "flux.pt", "guidance.pt", "classifier.pt", "decoder.pt"}
    written = (tmp_path / "transformer" / "diffusion_pytorch_model.safetensors").read_bytes()
    train.main()  # all is done: the same weights again
    assert (
        tmp_path / "transformer" / "diffusion_pytorch_model.safetensors"
    ).read_bytes() == written
    assert load(str(tmp_path)).text_length == TEXT_LENGTH
    assert (tmp_path / "classifier.safetensors").exists()


def test_a_stage_ends_for_all_processes_when_it_ends_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its own clock each would end at another step, and the last would wait for ever."""
    monkeypatch.setattr("editing_core.portraits.trainer.any_process", lambda wanted: True)
    done = run_training(
        nn.Linear(1, 1), never, TrainingConfig(samples=640), tmp_path / "n.pt", Deadline(9)
    )
    assert done


def never(step: int) -> torch.Tensor:
    raise AssertionError(f"step {step} is one too many")
