"""Pictures of the past as an editor leaves them: a little off in colour, blurred, blotchy.

AnchorEdit's synthetic degradation, on latents. What is left out: its VAE round trip, since the
memory keeps latents as they were made.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Harm = Callable[[Tensor, Tensor, torch.Generator], Tensor]
GRID = 4  # cells a side of a low-frequency field


def degraded(latents: Tensor, strength: Tensor, chance: torch.Generator) -> Tensor:
    """Harm pictures, each in its own way.

    Args:
        latents: Unpacked. Shape: (N, C, H, W).
        strength: How much of the full harm, in [0, 1]. Shape: (N,).
        chance: What happens to which.
    """
    s = strength.view(-1, 1, 1, 1)
    for share, harm in HARMS:
        struck = torch.rand(len(latents), generator=chance) < share
        latents = torch.where(struck.view(-1, 1, 1, 1), harm(latents, s, chance), latents)
    return latents


def _colors(x: Tensor, s: Tensor, chance: torch.Generator) -> Tensor:
    scale, bias = (2 * torch.rand(2, *x.shape[:2], 1, 1, generator=chance) - 1).unbind()
    return x * (1 + 0.05 * s * scale) + 0.03 * s * bias


def _blotches(x: Tensor, s: Tensor, chance: torch.Generator) -> Tensor:
    cells = 2 * torch.rand(*x.shape[:2], GRID, GRID, generator=chance) - 1
    return x + 0.06 * s * functional.interpolate(cells, x.shape[-2:], mode="bilinear")


def _blocks(x: Tensor, s: Tensor, chance: torch.Generator) -> Tensor:
    side = 2 if torch.rand((), generator=chance) < 0.5 else 4
    coarse = functional.avg_pool2d(x, side).repeat_interleave(side, 2).repeat_interleave(side, 3)
    return x + 0.5 * s * (coarse - x)


def _speckles(x: Tensor, s: Tensor, chance: torch.Generator) -> Tensor:
    u = torch.rand(x.shape, generator=chance).clamp(1e-6, 1 - 1e-6) - 0.5
    laplace = -u.sign() * (1 - 2 * u.abs()).log()
    return x * (1 + 0.035 * s * laplace)


def _blur(x: Tensor, s: Tensor, chance: torch.Generator) -> Tensor:
    sigma = (0.45 * s).clamp(min=1e-3)
    side = (-0.5 / sigma**2).exp()  # weight of a neighbour beside the 1 of the middle
    padded = functional.pad(x, (1, 1, 1, 1), mode="replicate")
    rows = (padded[:, :, :-2] + padded[:, :, 2:]) * side + padded[:, :, 1:-1]
    both = (rows[..., :-2] + rows[..., 2:]) * side + rows[..., 1:-1]
    return both / (1 + 2 * side) ** 2


HARMS: tuple[tuple[float, Harm], ...] = (
    (0.2, _colors), (0.2, _blotches), (0.1, _blocks), (0.1, _speckles), (0.1, _blur),
)  # fmt: skip
"""How often each harm strikes."""
