"""What the losses of the anchor editor want, told by models that know the answer."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from editing_core.anchor import distillation, train
from editing_core.anchor.data import Batch, SessionBatches
from editing_core.anchor.distillation import rollout, self_rollout
from editing_core.anchor.sampler import FOUR_STEP_TIMES


def test_the_flow_loss_of_a_model_that_knows_is_nothing(drawn: Path) -> None:
    """Known answer; and the last of six turns counts twice the first."""
    batch = SessionBatches(drawn / "sessions").chains(2, 12)
    noise = torch.randn(batch.clean.shape, generator=torch.Generator().manual_seed(10**6))

    class Knowing:
        off = 0

        def encode(self, texts: list[list[str]]) -> None:
            return None

        def __call__(self, *_: object) -> torch.Tensor:
            v = noise - batch.clean
            v[:, self.off] += 1
            return v

    model = Knowing()
    assert train.flow_loss(model, batch, 0) < 1e-12  # type: ignore[arg-type]
    model.off = 6
    early = train.flow_loss(model, batch, 0)  # type: ignore[arg-type]
    model.off = 11
    assert train.flow_loss(model, batch, 0) == pytest.approx(2 * early)  # type: ignore[arg-type]


def picture(*changed: int) -> Tensor:
    """Latents of ones where a token differs from an empty picture."""
    return torch.zeros(64, 64).index_fill(0, torch.tensor(changed, dtype=torch.long), 1.0)


def small_and_large() -> Batch:
    """One empty picture; once 8 tokens of it are to change, and once 40."""
    clean = torch.stack([picture(), picture(*range(8)), picture(*range(40))])[None]
    t = torch.tensor([[0.0, 0.5, 0.5]])
    return Batch(clean, t, torch.tensor([[0, 1, 1]]), [["", "a", "b"]], [[], [0], [0]], 1)


class Leading:
    """A model whose velocity leads to known pictures."""

    def __init__(self, towards: Tensor) -> None:
        self.towards = towards

    def encode(self, texts: list[list[str]]) -> None:
        return None

    def __call__(self, x: Tensor, t: Tensor, *_: object) -> Tensor:
        return (x - self.towards) / t[..., None, None].clamp(min=1e-9)


def test_what_changes_counts_as_many_tokens_however_small_it_is() -> None:
    """Known answer: t = .5, so missing a token by .5 is a velocity missed by 1."""
    batch, losses = small_and_large(), []
    for frame in (1, 2):
        off = batch.clean.clone()
        off[:, frame][batch.clean[:, frame] == 1] += 0.5
        losses.append(train.flow_loss(Leading(off), batch, 0))  # type: ignore[arg-type]
    small, large = 8 + train.EDITED, 40 + train.EDITED
    whole = 128 + 2 * train.EDITED
    assert losses == pytest.approx([small / whole, large / whole], rel=1e-4)


def test_a_painting_of_its_own_is_led_to_the_truth_and_counts_t_times_as_much() -> None:
    """Known answer: a model that leads to the truth from anywhere has no loss."""
    one = small_and_large()
    twice = replace(one, clean=one.clean.tile(2, 1, 1, 1), t=one.t.tile(2, 1))
    batch = twice.resumed_from(slice(0, 1), torch.full_like(one.targets, 3.0), 0.25)
    assert batch.is_self_rollout().tolist() == [[True, True], [False, False]]
    assert batch.t.tolist() == [[0.0, 0.25, 0.25], [0.0, 0.5, 0.5]]
    off = batch.clean.clone()
    assert train.flow_loss(Leading(off), batch, 0) < 1e-9  # type: ignore[arg-type]
    off[0] += 0.25  # which is a velocity missed by 1
    loss = train.flow_loss(Leading(off), batch, 0)  # type: ignore[arg-type]
    assert loss == pytest.approx(0.25 / (1 + 0.25))


@pytest.mark.parametrize("step", [0, 1, 2])
def test_own_pictures_are_painted_in_the_first_of_four_steps_and_taken_on_at_the_next(
    drawn: Path, step: int
) -> None:
    batch = SessionBatches(drawn / "sessions").chains(2, 36)
    own = torch.randn_like(batch.clean[:1])
    mixed = self_rollout(Leading(own), batch, step)  # type: ignore[arg-type]
    assert mixed.start_from is not None
    torch.testing.assert_close(mixed.start_from[:1], own[:, batch.history :], atol=1e-4, rtol=0)
    assert (mixed.t[0, batch.history :] == FOUR_STEP_TIMES[step + 1]).all()
    assert torch.equal(mixed.start_from[1:], batch.targets[1:]) and torch.equal(
        mixed.t[1:], batch.t[1:]
    )
    remembered = mixed.clean[0, 1 : batch.history] - mixed.start_from[0, : batch.history - 1]
    assert (remembered.abs().amax((1, 2)) == 0).any()


def test_of_several_steps_only_the_last_is_learnt_from() -> None:
    class Watched(Leading):
        learns: list[bool] = []

        def __call__(self, *inputs: Any) -> Tensor:
            self.learns.append(torch.is_grad_enabled())
            return super().__call__(*inputs)

    model, batch = Watched(torch.ones(())), small_and_large()
    own = rollout(model, batch, 3, torch.Generator())  # type: ignore[arg-type]
    assert model.learns == [False, False, True]
    torch.testing.assert_close(own, torch.ones_like(own))


def test_a_consistent_model_has_no_loss(drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known answer: straight paths to one picture, which is where all velocities point."""
    batch = SessionBatches(drawn / "sessions").chains(2, 12)
    truth = batch.clean[:, batch.history :]

    def straight(model: object, batch: Batch, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return (x - truth) / t[..., None, None]

    monkeypatch.setattr(distillation, "velocity", straight)
    nobody: Any = None
    assert distillation.consistency_loss(nobody, nobody, batch, 0) < 1e-9
