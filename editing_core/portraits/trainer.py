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

from editing_core.portraits.distributed import (
    any_process,
    average_gradients,
    gather_full,
    processes,
    rank,
    shard,
    shard_like,
)

LOG_EVERY, SAVE_EVERY, EVALUATE_EVERY = 20, 60, 600  # seconds


@dataclass(frozen=True)
class TrainingConfig:
    """How long and how fast one stage learns."""

    samples: float = math.inf  # in all; training ends there
    batch_size: int = 64
    learning_rate: float = 2e-3  # of AdamW, between warm-up and the final decay to zero
    warmup_steps: int = 200
    decay_fraction: float = 0.25  # share of the samples over which the rate decays to zero
    ema_decay: float = 0.999  # of the moving average of the weights
    max_grad_norm: float = 1.0
    minutes: float = math.inf  # of training; ends it like `samples`, whichever comes first

    @property
    def steps(self) -> float:
        """How many batches there are; infinitely many if only time ends the training."""
        return self.samples / self.batch_size

    def done(self, step: int, seconds: float = 0.0) -> float:
        """The share of the stage, in [0, 1], that so many steps and seconds are."""
        return min(1.0, max(step / max(1, self.steps), seconds / 60 / self.minutes))

    def rate_at(self, step: int, seconds: float = 0.0) -> float:
        """The learning rate of a step: warm-up, constant, linear decay."""
        left = 1 - self.done(step, seconds)
        warm = (step + 1) / self.warmup_steps
        return self.learning_rate * min(1.0, warm, max(0.0, left / self.decay_fraction))


@dataclass
class Deadline:
    """When a run has to stop, in seconds of the monotonic clock."""

    minutes: float
    start: float = field(default_factory=time.monotonic)

    def passed(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() - self.start > 60 * self.minutes


def run_training(
    model: nn.Module,
    loss_of: Callable[[int], Tensor],
    config: TrainingConfig,
    file: Path,
    deadline: Deadline,
    evaluate: Callable[[], None] | None = None,
    sharded: Iterable[nn.Module] = (),
    dtype: torch.dtype = torch.float32,
) -> bool:
    """Train `model` until its samples are done or time is up; `file` holds all that is needed.

    Args:
        model: trained in place; left with its averaged weights when it returns.
        loss_of: the loss of a batch of `config.batch_size / processes()`; gets the batch's number.
        config: how long and how fast.
        file: read at the start if it is there, written now and then and at the end.
        deadline: when to stop early.
        evaluate: called every ten minutes, while the model has its averaged weights.
        sharded: modules whose weights are sharded over the processes, inner ones first.
        dtype: what Muon's matrix products are done in.

    Returns:
        Whether the stage is complete.
    """
    shard(sharded)
    trainer, log = Trainer(model, file, dtype), ProgressLog(file.stem, config)
    saved = evaluated = time.monotonic()
    while not any_process(trainer.is_finished(config) or deadline.passed()):
        loss = loss_of(trainer.step * processes() + rank())
        trainer.take_step(loss, config)
        log.update(config.done(trainer.step, trainer.seconds), loss.item())
        if any_process(time.monotonic() - saved > SAVE_EVERY):
            trainer.save_checkpoint()
            saved = time.monotonic()
        if evaluate is not None and any_process(time.monotonic() - evaluated > EVALUATE_EVERY):
            trainer.with_ema(evaluate)
            evaluated = time.monotonic()
    trainer.save_checkpoint()
    model.load_state_dict(trainer.ema)
    return any_process(trainer.is_finished(config))


class Trainer:
    """A model that is being trained, and all that its training has to remember.

    Attributes:
        step: How many steps are done.
        seconds: How long they took.
        ema: Exponential moving average of the weights, which is what is used in the end.
    """

    def __init__(self, model: nn.Module, file: Path, dtype: torch.dtype = torch.float32) -> None:
        """Begin, or go on where ``file`` was left; Muon's matrix products are done in ``dtype``."""
        self.step, self.seconds = 0, 0.0
        self._since = time.monotonic()
        self.ema = {name: value.detach().clone() for name, value in model.state_dict().items()}
        self._model = model
        self._file = file
        self._optimizers = _optimizers(model, dtype)
        if file.exists():
            self._resume()

    def is_finished(self, config: TrainingConfig) -> bool:
        """Whether all samples of the config were learnt from."""
        return config.done(self.step, self.seconds) >= 1

    def take_step(self, loss: Tensor, config: TrainingConfig) -> None:
        """Take one step down the loss of a batch."""
        loss.backward()
        average_gradients(self._model)
        nn.utils.clip_grad_norm_(self._model.parameters(), config.max_grad_norm)
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = config.rate_at(self.step, self.seconds)
            optimizer.step()
        self._model.zero_grad()  # before the next loss, whose making puts divided weights together
        self.step += 1
        now = time.monotonic()
        self.seconds, self._since = self.seconds + now - self._since, now
        self._update_ema(min(config.ema_decay, self.step / (self.step + 10)))

    def save_checkpoint(self) -> None:
        """Write all that is needed to go on; of several processes the first does."""
        state = {
            "model": gather_full(dict(self._model.state_dict())),
            "optimizers": [gather_full(optimizer.state_dict()) for optimizer in self._optimizers],
            "ema": gather_full(self.ema),
            "step": self.step,
            "seconds": self.seconds,
        }
        if rank() > 0:
            return
        partial = self._file.with_suffix(".partial")
        torch.save(state, partial)
        os.replace(partial, self._file)

    def with_ema(self, evaluate: Callable[[], None]) -> None:
        """Call something while the model has its averaged weights."""
        current = {name: value.clone() for name, value in self._model.state_dict().items()}
        self._model.load_state_dict(self.ema)
        evaluate()
        self._model.load_state_dict(current)

    @torch.no_grad()
    def _resume(self) -> None:
        device = next(self._model.parameters()).device
        state = torch.load(self._file, map_location=device, weights_only=True)
        for name, value in self._model.state_dict().items():
            value.copy_(shard_like(state["model"][name], value))
            self.ema[name] = shard_like(state["ema"][name], value)
        for optimizer, kept in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
            for weight, known in optimizer.state.items():
                for name, value in known.items():
                    if value.shape == weight.shape:
                        known[name] = shard_like(value, weight)
        self.step, self.seconds = int(state["step"]), float(state.get("seconds", 0.0))

    @torch.no_grad()
    def _update_ema(self, decay: float) -> None:
        """Move the moving average of the weights towards them."""
        state = self._model.state_dict()
        torch._foreach_lerp_([self.ema[name] for name in state], list(state.values()), 1 - decay)


class ProgressLog:
    """Prints now and then how far a stage is, how well it does and how fast."""

    def __init__(self, stage: str, config: TrainingConfig) -> None:
        """Tell of a stage by its name."""
        self._stage = stage
        self._config = config
        self._mean: float | None = None
        self._steps = 0
        self._last = time.monotonic()

    def update(self, done: float, loss: float) -> None:
        """Hear of a finished step and of the share that is done, and tell if it is time."""
        self._mean = loss if self._mean is None else 0.98 * self._mean + 0.02 * loss
        self._steps += 1
        seconds = time.monotonic() - self._last
        if seconds > LOG_EVERY and rank() == 0:
            speed = self._steps * self._config.batch_size / seconds
            print(f"{self._stage}: {done:.1%}, loss {self._mean:.4f}, {speed:.0f}/s", flush=True)
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
                updates = [
                    gather_full(self._momentum(w, group["momentum"])).flatten(1) for w in weights
                ]
                made = orthogonalize(torch.stack(updates).to(self._dtype)).to(updates[0].dtype)
                scale = group["lr"] * 0.6 * max(shape) ** 0.5
                for weight, update in zip(weights, made, strict=True):
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    weight.add_(shard_like(update.view(weight.shape), weight), alpha=-scale)

    def _momentum(self, weight: nn.Parameter, momentum: float) -> Tensor:
        assert weight.grad is not None
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        state["momentum"].lerp_(weight.grad, 1 - momentum)
        update: Tensor = weight.grad.lerp(state["momentum"], momentum)
        return update


def orthogonalize(matrices: Tensor, steps: int = 5) -> Tensor:
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
