"""Where an edit acts, and what stays as it was outside: colours, or everything.

DiffEdit (Couairon et al. 2023, arXiv 2210.11427) for flows: noise the picture half way, ask the
model for its velocity under either prompt, and see where the two part. Attention to the edit words
finds the middle of a change; this finds all of it, and also what is to vanish or to be behind.

A region says how much each latent pixel may change, (h, w) in [0, 1].
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from editing_core.methods.context import EditContext, GivenRegion
    from editing_core.models.base import Model
    from editing_core.models.canvas import Canvas
    from editing_core.settings import Bounds

TIMES = (0.5, 0.7)  # how far the picture is noised, once each
HARDLY, CLEARLY = 0.08, 0.2  # of the largest disagreement
SOFT = 4.0  # latent pixels; deviation of the blur that leaves only slow changes of colour


def region(context: EditContext) -> Tensor:
    """Return how much each latent pixel may change: 0 where the prompts hardly disagree.

    Returns:
        Shape: (h, w), in [0, 1].
    """
    differences = () if is_given_whole(context) else disagreement(context)
    grids = [context.model.to_grid(v, context.canvas) for v in differences]
    return changing(context, grids, HARDLY, CLEARLY)


def changing(
    context: EditContext, differences: Iterable[Tensor], hardly: float, clearly: float
) -> Tensor:
    """Return the region that a person gave whole, else what of it, or of all, the prompts part in.

    Args:
        context: The edit.
        differences: See ``soft_region``, as are the others.
        hardly: Share of the largest disagreement.
        clearly: Likewise.

    Returns:
        Shape: (h, w), in [0, 1].
    """
    inside = limit(context)
    if is_given_whole(context) and inside is not None:
        return inside
    grids = (grid if inside is None else grid * inside for grid in differences)
    return soft_region(grids, hardly, clearly)


def is_given_whole(context: EditContext) -> bool:
    """Say whether a person gave the region, and wants all of it to change."""
    return context.region is not None and context.region.whole


def limit(context: EditContext) -> Tensor | None:
    """Return how far each latent pixel lies in the region that was given; None for everywhere.

    Returns:
        Shape: (h, w), in [0, 1].
    """
    bounds, canvas = context.settings.bounds, context.canvas
    if bounds is None:
        return None
    grid = context.model.to_grid(context.current, canvas)
    given = context.region
    return box(bounds, grid, canvas) if given is None else laid_over(given, bounds, grid, canvas)


def box(bounds: Bounds, grid: Tensor, canvas: Canvas) -> Tensor:
    """Return 1 for the latent pixels whose centre lies in a box, else 0.

    Args:
        bounds: The box, in shares of the picture.
        grid: Latents laid out in space. Shape: (1, c, h, w).
        canvas: Size of the picture; the grid may reach beyond it.

    Returns:
        Shape: (h, w).
    """
    left, top, right, bottom = bounds
    y, x = _centres(grid, canvas)
    down, across = (y >= top) & (y < bottom), (x >= left) & (x < right)
    return (down[:, None] & across[None, :]).to(grid)


def laid_over(given: GivenRegion, bounds: Bounds, grid: Tensor, canvas: Canvas) -> Tensor:
    """Return what a mask that lies over a box says at the centres of latent pixels; see ``box``."""
    import numpy as np
    import torch
    import torch.nn.functional as F

    left, top, right, bottom = bounds
    y, x = _centres(grid, canvas)
    y, x = (2 * (y - top) / (bottom - top) - 1, 2 * (x - left) / (right - left) - 1)
    places = torch.stack(torch.broadcast_tensors(x[None, :], y[:, None]), dim=-1)
    values = torch.from_numpy(np.asarray(given.mask.convert("L"), np.float32) / 255)
    seen = F.grid_sample(values[None, None], places[None].float(), padding_mode="border",
                         align_corners=False)[0, 0]  # fmt: skip
    return seen.to(grid) * box(bounds, grid, canvas)


def _centres(grid: Tensor, canvas: Canvas) -> tuple[Tensor, Tensor]:
    """Return where latent pixels are, in shares of the picture. Shapes: (h,) and (w,)."""
    import torch

    height, width = grid.shape[-2:]
    y = (torch.arange(height) + 0.5) / height * canvas.padded_height / canvas.height
    x = (torch.arange(width) + 0.5) / width * canvas.padded_width / canvas.width
    return y, x


def soft_region(differences: Iterable[Tensor], hardly: float, clearly: float) -> Tensor:
    """Return how much each latent pixel may change, from differences of velocities.

    Args:
        differences: Between target and source, at several times, laid out in space.
            Shape of each: (1, c, h, w).
        hardly: Share of the largest disagreement below which nothing may change.
        clearly: Share from which all may.

    Returns:
        Shape: (h, w), in [0, 1]; all 0 where the prompts agree everywhere.
    """
    import torch

    mean = torch.stack([v[0].square().mean(0).sqrt() for v in differences]).mean(0)
    share = mean / mean.max().clamp_min(1e-12)
    return ((share - hardly) / (clearly - hardly)).clamp(0, 1)


def disagreement(context: EditContext) -> list[Tensor]:
    """How the velocities under both prompts part at some times. Shape of each: (1, L, C)."""
    found = []
    for t in TIMES:
        x = context.current.lerp(context.noise, t)
        was, wanted = (
            context.model.velocity(
                x, t, text, guidance=context.settings.guidance, canvas=context.canvas
            )
            for text in (context.source, context.target)
        )
        found.append(wanted - was)
    return found


def color_aligned(
    model: Model, edited: Tensor, before: Tensor, region: Tensor, canvas: Canvas
) -> Tensor:
    """Take back slow shifts of colour that an edit brought outside its region.

    The difference to the picture before is blurred outside the region and added there, so that
    neither details nor the edit itself are touched.

    Args:
        model: Whose latents they are.
        edited: Latents after the edit. Shape: (1, L, C).
        before: Latents of the picture that was edited. Shape: (1, L, C).
        region: Where the edit was meant to act. Shape: (h, w).
        canvas: Size of the picture.
    """
    difference = model.to_grid(before - edited, canvas)  # (1, c, h, w)
    outside = (1 - region)[None, None].to(difference)
    slow = _blurred(difference * outside) / _blurred(outside).clamp_min(1e-3)
    return edited + model.from_grid(slow * outside)


def outside_kept(
    model: Model, edited: Tensor, before: Tensor, region: Tensor, canvas: Canvas
) -> Tensor:
    """Latents (1, L, C) of the edit inside a region, of the picture before outside."""
    was, now = (model.to_grid(x, canvas) for x in (before, edited))
    return model.from_grid(was.lerp(now, region))


def _blurred(x: Tensor) -> Tensor:
    """Gaussian blur of (1, C, H, W) by SOFT latent pixels, edges not counted."""
    import torch
    import torch.nn.functional as F

    reach = min(int(2 * SOFT), min(x.shape[-2:]) - 1)
    at = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-(at**2) / (2 * SOFT**2))
    kernel = kernel / kernel.sum()
    channels = x.shape[1]
    x = F.conv2d(x, kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels,
                 padding=(reach, 0))  # fmt: skip
    return F.conv2d(x, kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels,
                    padding=(0, reach))  # fmt: skip
