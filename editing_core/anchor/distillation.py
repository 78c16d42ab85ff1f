"""The same picture in fewer calls: consistency and distribution distilled, after self-rollout.

All work on whole sessions at once: every turn is painted from what is remembered by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from editing_core.anchor.data import Batch
from editing_core.anchor.model import Anchor
from editing_core.anchor.sampler import FOUR_STEP_TIMES

if TYPE_CHECKING:
    from editing_core.anchor.bidirectional import BidirectionalAnchor
    from editing_core.anchor.data import Batch
    from editing_core.anchor.model import Anchor


OWN_ROWS = 3  # in one of so many sessions
OWN = 0.9  # so often, so that it is AnchorEdit's three in ten overall


@torch.no_grad()
def self_rollout(anchor: Anchor | BidirectionalAnchor, batch: Batch, step: int) -> Batch:
    """Paint some sessions' turns in the first of the four steps, from noise.

    What comes out is put into some memories instead of the truth, and is what those sessions'
    paintings are taken on from at the next step: the model learns to mend what it does.
    """
    chance = torch.Generator().manual_seed(step + 2 * 10**6)
    rows, steps = (
        slice(0, max(1, len(batch.clean) // OWN_ROWS)),
        1 + step % (len(FOUR_STEP_TIMES) - 1),
    )
    part = batch.part(rows)
    own = rollout(anchor, part, steps, chance)
    chosen = torch.rand(len(own), part.history - 1, generator=chance) < OWN
    return batch.with_self_rollout_memory(rows, own, chosen).resumed_from(
        rows, own, FOUR_STEP_TIMES[steps]
    )


def rollout(
    anchor: Anchor | BidirectionalAnchor, batch: Batch, steps: int, chance: torch.Generator
) -> Tensor:
    """Paint what a batch asks for, from noise in the first of the four steps, without guidance.

    Args:
        anchor: The model; where gradients are wanted, the last step has them.
        batch: What is remembered and asked.
        steps: How many, 1 to 4.
        chance: Of the noise.

    Returns:
        The finished pictures as the last of the steps sees them. Shape: (B, targets, L, C).
    """
    learns, embeddings, own = torch.is_grad_enabled(), anchor.encode(batch.texts), batch.targets
    for n, t in enumerate(FOUR_STEP_TIMES[:steps], 1):
        batch = batch.resumed_from(slice(None), own, t)
        x = batch.noised(torch.randn(batch.clean.shape, generator=chance))
        with torch.set_grad_enabled(learns and n == steps):
            v = anchor(x, batch.t, batch.turns, embeddings, batch.visibility)
            own = (x - t * v)[:, batch.history :]
    return own


GRID = 48  # steps of the teacher
SHIFT = 5.0  # of its times towards noise
CRITIC_STEPS = 5  # of the critic for each of the student's


def velocity(anchor: Anchor, batch: Batch, paintings: Tensor, t: Tensor) -> Tensor:
    """Velocities of paintings (B, targets, L, C) at times (B, targets), memories as they are."""
    x = torch.cat([batch.clean[:, : batch.history], paintings], 1)
    times = torch.cat([batch.t[:, : batch.history], t], 1)
    v: Tensor = anchor(x, times, batch.turns, anchor.encode(batch.texts), batch.visibility)
    return v[:, batch.history :]


def consistency_loss(student: Anchor, teacher: Anchor, batch: Batch, step: int) -> Tensor:
    """Let neighbours on one of the teacher's paths point to the same picture."""
    chance = torch.Generator().manual_seed(step)
    truth = batch.clean[:, batch.history :]
    index = torch.randint(0, GRID - 1, truth.shape[:2], generator=chance)
    t, then = _time(index), _time(index + 1)
    at, after = t[..., None, None], then[..., None, None]
    x = (1 - at) * truth + at * torch.randn(truth.shape, generator=chance)
    with torch.no_grad():
        nearer = x + (after - at) * velocity(teacher, batch, x, t)
        wanted = nearer - after * velocity(student, batch, nearer, then)
    return (x - at * velocity(student, batch, x, t) - wanted).square().mean()


def _time(index: Tensor) -> Tensor:
    """Times of the teacher's grid, from 1 (index 0) towards 0."""
    s = 1 - index / GRID
    return SHIFT * s / (1 + (SHIFT - 1) * s)


class DistributionMatching(nn.Module):
    """Distribution matching (DMD): a student in four steps, and a critic that knows it."""

    def __init__(self, student: Anchor, critic: Anchor, teacher: Anchor) -> None:
        """Train student and critic; the teacher is kept out of what is trained."""
        super().__init__()
        self.student, self.critic = student, critic
        self._teacher = [teacher]

    def loss(self, batch: Batch, step: int, seed: int) -> Tensor:
        """The critic's loss, and every few steps the student's as well.

        Args:
            batch: The lesson.
            step: What all processes do alike depends on it.
            seed: Of their noise, each has another.
        """
        alike = torch.Generator().manual_seed(step)
        steps = int(torch.randint(1, len(FOUR_STEP_TIMES) + 1, (), generator=alike))
        chance = torch.Generator().manual_seed(seed)
        trains_student = step % CRITIC_STEPS == 0
        with torch.set_grad_enabled(trains_student):
            pictures = rollout(self.student, batch, steps, chance)
        t = 0.02 + 0.96 * torch.rand(pictures.shape[:2], generator=chance)
        at = t[..., None, None]
        noise = torch.randn(pictures.shape, generator=chance)
        x = (1 - at) * pictures.detach() + at * noise
        v = velocity(self.critic, batch, x, t)
        loss = (v - (noise - pictures.detach())).square().mean()
        if trains_student:
            loss = loss + self._mismatch(batch, pictures, x, t, v.detach())
        return loss

    @torch.no_grad()
    def _direction(self, batch: Batch, pictures: Tensor, x: Tensor, t: Tensor, v: Tensor) -> Tensor:
        at = t[..., None, None]
        real = x - at * velocity(self._teacher[0], batch, x, t)
        size = (pictures - real).abs().mean((2, 3), keepdim=True).clamp(min=1e-3)
        return (x - at * v - real) / size

    def _mismatch(self, batch: Batch, pictures: Tensor, x: Tensor, t: Tensor, v: Tensor) -> Tensor:
        towards = pictures.detach() - self._direction(batch, pictures.detach(), x, t, v)
        return 0.5 * (pictures - towards).square().mean()
