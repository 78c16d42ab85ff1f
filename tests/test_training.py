"""The training loop: it learns, stops in time and goes on where it stopped."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from editing_core.portraits.learning import Deadline, Muon, Recipe, learn, orthogonal

RECIPE = Recipe(samples=400, batch=2, rate=0.05, warm_up=2)


def _line(model: nn.Module) -> tuple[nn.Module, list[int]]:
    steps: list[int] = []

    def loss_of(step: int) -> Tensor:
        steps.append(step)
        x = torch.linspace(-1, 1, 8)[:, None]
        loss: Tensor = (model(x) - 3 * x).square().mean()
        return loss

    return loss_of, steps  # type: ignore[return-value]


def test_learning_reaches_the_answer(tmp_path: Path) -> None:
    model = nn.Linear(1, 1)
    loss_of, _ = _line(model)
    assert learn(model, loss_of, RECIPE, tmp_path / "line.pt", Deadline(1))
    assert model.weight.item() == pytest.approx(3, abs=0.1)


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path) -> None:
    file = tmp_path / "line.pt"
    model = nn.Linear(1, 1)
    loss_of, steps = _line(model)

    class Soon(Deadline):
        def passed(self) -> bool:
            return len(steps) >= 50

    assert not learn(model, loss_of, RECIPE, file, Soon(1))
    again = nn.Linear(1, 1)
    loss_of, resumed = _line(again)
    assert learn(again, loss_of, RECIPE, file, Deadline(1))
    assert resumed[0] == 50
    assert resumed[-1] == 199


def test_the_rate_warms_up_holds_and_falls() -> None:
    recipe = Recipe(samples=1000, batch=10, rate=1.0, warm_up=10, fall=0.5)
    assert [recipe.rate_at(step) for step in (0, 20, 75, 100)] == [0.1, 1.0, 0.5, 0.0]


def test_orthogonal_brings_singular_values_near_one() -> None:
    torch.manual_seed(0)
    for shape in ((3, 8, 16), (3, 16, 8)):
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
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
