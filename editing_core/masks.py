"""Where an edit acts: the tokens at which its two prompts want different pictures.

DiffEdit (Couairon et al. 2023, arXiv 2210.11427) for flows: noise the picture half way, ask the
model for its velocity under either prompt, and see where the two part. Attention to the edit words
finds the middle of a change; this finds all of it, and also what is to vanish or to be behind.
"""

from __future__ import annotations

import torch
from torch import Tensor

from editing_core.latents import Canvas, unpack
from editing_core.methods.context import EditContext

TIMES = (0.5, 0.7)  # how far the picture is noised, once each
HARDLY, CLEARLY = 0.08, 0.2  # of the largest disagreement


def region(context: EditContext) -> Tensor:
    """Return how much each latent pixel may change: 0 where the prompts hardly disagree.

    Returns:
        Shape: (2 rows, 2 cols), in [0, 1]; a latent pixel covers 8 x 8 pixels.
    """
    return soft_region(disagreement(context), context.canvas, HARDLY, CLEARLY)


def soft_region(differences: Tensor, canvas: Canvas, hardly: float, clearly: float) -> Tensor:
    """Return how much each latent pixel may change, from differences of velocities.

    Args:
        differences: Between target and source, of several times. Shape: (times, 1, L, C).
        canvas: Size of the picture.
        hardly: Share of the largest disagreement below which nothing may change.
        clearly: Share from which all may.

    Returns:
        Shape: (2 rows, 2 cols), in [0, 1]; all 0 where the prompts agree everywhere.
    """
    size = [unpack(v, canvas)[0].square().mean(0).sqrt() for v in differences]
    mean = torch.stack(size).mean(0)
    share = mean / mean.max().clamp_min(1e-12)
    return ((share - hardly) / (clearly - hardly)).clamp(0, 1)


def disagreement(context: EditContext) -> Tensor:
    """How the velocities under both prompts part at some times. Shape: (times, 1, L, C)."""
    found = []
    for t in TIMES:
        x = torch.lerp(context.current, context.noise, t)
        was, wanted = (
            context.flux.velocity(
                x, t, text, guidance=context.settings.guidance, canvas=context.canvas
            )
            for text in (context.source, context.target)
        )
        found.append(wanted - was)
    return torch.stack(found)
