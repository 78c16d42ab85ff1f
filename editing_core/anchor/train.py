"""Train the anchor editor: `python -m editing_core.anchor.train --stage 1 --out DIR`.

Every stage is resumed where it was left and begins from what the one before made.
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

import torch
from torch import Tensor, distributed
from torch.nn import functional

from editing_core.anchor.data import draw_shards
from editing_core.anchor.lessons import Lessons
from editing_core.anchor.model import Anchor
from editing_core.anchor.parts import begun
from editing_core.anchor.quick import look
from editing_core.portraits.learning import Deadline, Recipe, learn, processes, rank

SINGLE = Recipe(samples=96_000, batch=48, rate=1.5e-3, warm_up=100, fall=0.3)


def main() -> None:
    """Run one stage until done or out of time."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--stage", required=True, choices=("1",), help="which to run")
    parser.add_argument("--out", type=Path, required=True, help="where all stages keep their files")
    parser.add_argument("--minutes", type=float, default=60, help="stop after this long")
    args = parser.parse_args()
    if "RANK" in os.environ:
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    if rank() == 0:
        draw_shards(args.out / "sessions")
    anchor = Anchor(begun())
    if shutil.which("c++"):
        anchor.transformer.compile_repeated_blocks()  # half as fast again
    train_single(anchor, args.out, Deadline(args.minutes))


def train_single(anchor: Anchor, out: Path, deadline: Deadline) -> bool:
    """Stage 1: one turn at a time, and to leave alone what nobody asked to change."""
    lessons = Lessons(out / "sessions")

    def loss_of(step: int) -> Tensor:
        batch = lessons.single(step, SINGLE.batch // processes())
        noise = torch.randn(
            batch.clean.shape, generator=torch.Generator().manual_seed(step + 1_000_000)
        )
        v = anchor(batch.noised(noise), batch.t, batch.turns, anchor.say(batch.texts), batch.sight)
        wanted = (noise - batch.clean)[:, batch.history :]
        return functional.mse_loss(v[:, batch.history :], wanted)

    def watch() -> None:
        print("held out, success/kept/error:", look(anchor)[0], flush=True)

    return learn(anchor, loss_of, SINGLE, out / "single.pt", deadline, watch)


if __name__ == "__main__":
    main()
