"""One resumable training loop, shared by every stage of training the shipped model.

Of several processes every one takes its share of a batch, which on a CPU keeps all cores busier
than threads do. A file that some of them wrote, one may go on with, and the other way round.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from editing_core.portraits.processes import (
    agreed,
    average_gradients,
    divide,
    divided_as,
    processes,
    rank,
    whole,
)

TOLD_EVERY, SAVED_EVERY, WATCHED_EVERY = 20, 60, 600  # seconds


@dataclass(frozen=True)
class Recipe:
    """How long and how fast one stage learns."""

    samples: int  # in all; training ends there
    batch: int = 64
    rate: float = 2e-3  # of AdamW, after warm-up and before the final fall to zero
    warm_up: int = 200  # steps
    fall: float = 0.25  # share of the samples over which the rate falls to zero
    decay: float = 0.999  # of the moving average of the weights
    clip: float = 1.0  # largest norm of a gradient
    minutes: float = math.inf  # of training; ends it like `samples`, whichever comes first

    @property
    def steps(self) -> int:
        """How many batches there are."""
        return self.samples // self.batch

    def done(self, step: int, seconds: float = 0.0) -> float:
        """The share of the stage, in [0, 1], that so many steps and seconds are."""
        return min(1.0, max(step / max(1, self.steps), seconds / 60 / self.minutes))

    def rate_at(self, step: int, seconds: float = 0.0) -> float:
        """The learning rate of a step: warm up, hold, fall linearly."""
        left = 1 - self.done(step, seconds)
        return self.rate * min(1.0, (step + 1) / self.warm_up, max(0.0, left / self.fall))


@dataclass
class Deadline:
    """When a run has to stop, in seconds of the monotonic clock."""

    minutes: float
    start: float = field(default_factory=time.monotonic)

    def passed(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() - self.start > 60 * self.minutes


def learn(
    model: nn.Module,
    loss_of: Callable[[int], Tensor],
    recipe: Recipe,
    file: Path,
    deadline: Deadline,
    watch: Callable[[], None] | None = None,
    divided: Iterable[nn.Module] = (),
    dtype: torch.dtype = torch.float32,
) -> bool:
    """Train `model` until its samples are done or time is up; `file` holds all that is needed.

    Args:
        model: trained in place; left with its averaged weights when it returns.
        loss_of: the loss of a batch of `recipe.batch / processes()`; gets the batch's number.
        recipe: how long and how fast.
        file: read at the start if it is there, written now and then and at the end.
        deadline: when to stop early.
        watch: called every ten minutes, while the model has its averaged weights.
        divided: modules whose weights several processes divide among them, inner ones first.
        dtype: what Muon's matrix products are done in.

    Returns:
        Whether the stage is complete.
    """
    divide(divided)
    training, told = Training(model, file, dtype), Told(file.stem, recipe)
    saved = watched = time.monotonic()
    while not agreed(training.finished(recipe) or deadline.passed()):
        loss = loss_of(training.step * processes() + rank())
        training.learn_from(loss, recipe)
        told.hear(training.step, loss.item())
        if agreed(time.monotonic() - saved > SAVED_EVERY):
            training.store()
            saved = time.monotonic()
        if watch is not None and agreed(time.monotonic() - watched > WATCHED_EVERY):
            training.shown(watch)
            watched = time.monotonic()
    training.store()
    model.load_state_dict(training.average)
    return agreed(training.finished(recipe))


class Training:
    """A model that is being trained, and all that its training has to remember.

    Attributes:
        step: How many steps are done.
        seconds: How long they took.
        average: Moving average of the weights, which is what is used in the end.
    """

    def __init__(self, model: nn.Module, file: Path, dtype: torch.dtype = torch.float32) -> None:
        """Begin, or go on where ``file`` was left; Muon's matrix products are done in ``dtype``."""
        self.step, self.seconds = 0, 0.0
        self._since = time.monotonic()
        self.average = {name: value.detach().clone() for name, value in model.state_dict().items()}
        self._model = model
        self._file = file
        self._optimizers = _optimizers(model, dtype)
        if file.exists():
            self._resume()

    def finished(self, recipe: Recipe) -> bool:
        """Whether all samples of the recipe were learnt from."""
        return recipe.done(self.step, self.seconds) >= 1

    def learn_from(self, loss: Tensor, recipe: Recipe) -> None:
        """Take one step down the loss of a batch."""
        loss.backward()
        average_gradients(self._model)
        nn.utils.clip_grad_norm_(self._model.parameters(), recipe.clip)
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate_at(self.step, self.seconds)
            optimizer.step()
        self._model.zero_grad()  # before the next loss, whose making puts divided weights together
        self.step += 1
        now = time.monotonic()
        self.seconds, self._since = self.seconds + now - self._since, now
        self._follow(min(recipe.decay, self.step / (self.step + 10)))

    def store(self) -> None:
        """Write all that is needed to go on; of several processes the first does."""
        state = {
            "model": whole(dict(self._model.state_dict())),
            "optimizers": [whole(optimizer.state_dict()) for optimizer in self._optimizers],
            "average": whole(self.average),
            "step": self.step,
            "seconds": self.seconds,
        }
        if rank() > 0:
            return
        partial = self._file.with_suffix(".partial")
        torch.save(state, partial)
        os.replace(partial, self._file)

    def shown(self, watch: Callable[[], None]) -> None:
        """Let somebody look at the model while it has its averaged weights."""
        current = {name: value.clone() for name, value in self._model.state_dict().items()}
        self._model.load_state_dict(self.average)
        watch()
        self._model.load_state_dict(current)

    @torch.no_grad()
    def _resume(self) -> None:
        device = next(self._model.parameters()).device
        state = torch.load(self._file, map_location=device, weights_only=True)
        for name, value in self._model.state_dict().items():
            value.copy_(divided_as(state["model"][name], value))
            self.average[name] = divided_as(state["average"][name], value)
        for optimizer, kept in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
            for weight, known in optimizer.state.items():
                for name, value in known.items():
                    if value.shape == weight.shape:
                        known[name] = divided_as(value, weight)
        self.step, self.seconds = int(state["step"]), float(state.get("seconds", 0.0))

    @torch.no_grad()
    def _follow(self, decay: float) -> None:
        """Move the average of the weights towards them."""
        state = self._model.state_dict()
        torch._foreach_lerp_(
            [self.average[name] for name in state], list(state.values()), 1 - decay
        )


class Told:
    """Prints now and then how far a stage is, how well it does and how fast."""

    def __init__(self, stage: str, recipe: Recipe) -> None:
        """Tell of a stage by its name."""
        self._stage = stage
        self._recipe = recipe
        self._mean: float | None = None
        self._steps = 0
        self._last = time.monotonic()

    def hear(self, step: int, loss: float) -> None:
        """Hear of a finished step, and tell if it is time."""
        self._mean = loss if self._mean is None else 0.98 * self._mean + 0.02 * loss
        self._steps += 1
        seconds = time.monotonic() - self._last
        if seconds > TOLD_EVERY and rank() == 0:
            speed = self._steps * self._recipe.batch / seconds
            done = f"{step}/{self._recipe.steps} steps"
            print(f"{self._stage}: {done}, loss {self._mean:.4f}, {speed:.0f}/s", flush=True)
            self._steps, self._last = 0, time.monotonic()


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised: every matrix moves by about the same amount in all directions.

    Jordan et al. 2024, with the scale of Liu et al. 2025 (arXiv 2502.16982), so that AdamW's
    learning rate and weight decay carry over. torch's own always works in bfloat16, which is
    about a hundred times slower than float32 on many CPUs and several times faster on others.
    """

    def __init__(
        self,
        params: list[nn.Parameter],
        *,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Take matrices and the kernels of convolutions, which are matrices of their outputs."""
        self._dtype = dtype
        super().__init__(params, {"lr": 0.0, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update all matrices, those of one shape together."""
        for group in self.param_groups:
            same_shape: dict[torch.Size, list[nn.Parameter]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    same_shape.setdefault(weight.flatten(1).shape, []).append(weight)
            for shape, weights in same_shape.items():
                updates = [whole(self._momentum(w, group["momentum"])).flatten(1) for w in weights]
                made = orthogonal(torch.stack(updates).to(self._dtype)).to(updates[0].dtype)
                scale = group["lr"] * 0.6 * max(shape) ** 0.5
                for weight, update in zip(weights, made, strict=True):
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    weight.add_(divided_as(update.view(weight.shape), weight), alpha=-scale)

    def _momentum(self, weight: nn.Parameter, momentum: float) -> Tensor:
        assert weight.grad is not None
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        state["momentum"].lerp_(weight.grad, 1 - momentum)
        update: Tensor = weight.grad.lerp(state["momentum"], momentum)
        return update


def orthogonal(matrices: Tensor, steps: int = 5) -> Tensor:
    """Move the singular values of (n, rows, columns) matrices towards one, by Newton-Schulz."""
    tall = matrices.shape[1] > matrices.shape[2]
    x: Tensor = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.mT if tall else x


def is_hidden_matrix(name: str, weight: Tensor) -> bool:
    """Whether Muon trains a weight: matrices of transformer blocks, kernels inside a VAE.

    Text encoders are left to AdamW: under Muon the gated layers of the T5 grew until words no
    longer felt their neighbours, and colours went to the wrong things.
    """
    if weight.ndim == 4:
        return not name.endswith(("conv_in.weight", "conv_out.weight"))
    return weight.ndim == 2 and "transformer_blocks" in name


def _optimizers(
    model: nn.Module, dtype: torch.dtype = torch.float32
) -> list[torch.optim.Optimizer]:
    """Muon for hidden matrices, AdamW for everything else."""
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, weight in model.named_parameters():
        (matrices if is_hidden_matrix(name, weight) else others).append(weight)
    adam = torch.optim.AdamW(others, lr=0.0, betas=(0.9, 0.98), weight_decay=0.0)
    return [Muon(matrices, dtype=dtype), adam] if matrices else [adam]
