"""What each process does in test_training_processes.py: train for some steps, then stop."""

import sys
from pathlib import Path

import torch
from tiny_flux import TINY, WORDS
from torch import Tensor

from editing_core.anchor.attention import causal
from editing_core.anchor.model import Anchor
from editing_core.anchor.train import sharded_modules
from editing_core.models.canvas import Canvas
from editing_core.portraits.distributed import init_distributed, processes
from editing_core.portraits.model import build
from editing_core.portraits.trainer import Deadline, TrainingConfig, run_training

CANVAS = Canvas(48, 32)
SHARES = 2
CONFIG = TrainingConfig(
    samples=8, batch_size=2, learning_rate=1e-3, warmup_steps=1, max_grad_norm=0.5
)


class After(Deadline):
    """Over after some steps."""

    asked = 0

    def passed(self) -> bool:
        self.asked += 1
        return self.asked > self.minutes


def loss_of(anchor: Anchor, share: int) -> Tensor:
    chance = torch.Generator().manual_seed(share)
    x, noise = torch.randn(2, 1, 3, CANVAS.tokens, 64, generator=chance)
    said = anchor.say([["", "hat", WORDS[share % len(WORDS)]]])
    turns = torch.arange(3)[None]
    v: Tensor = anchor(x, torch.rand(1, 3, generator=chance), turns, said, causal(3), canvas=CANVAS)
    return (v - noise).square().mean()


def main(file: Path, steps: int) -> None:
    init_distributed()
    torch.manual_seed(0)
    anchor = Anchor(build(TINY, captions=WORDS))
    for weight in anchor.transformer.parameters():  # so that every gate is open
        weight.data.add_(0.05 * torch.randn_like(weight))

    def share_of(step: int) -> Tensor:
        if processes() == SHARES:
            return loss_of(anchor, step)
        return torch.stack([loss_of(anchor, SHARES * step + n) for n in range(SHARES)]).mean()

    run_training(anchor, share_of, CONFIG, file, After(steps), divided=sharded_modules(anchor))
    with torch.no_grad():
        assert loss_of(anchor, 0).isfinite()  # it can still be called


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
