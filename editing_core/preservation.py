"""Keeping what an edit was not to touch: colours, or everything, outside its region.

A region says how much each latent pixel may change, (2 rows, 2 cols) in [0, 1]; a latent pixel
covers 8 x 8 pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from editing_core.latents import Canvas, pack, unpack

SOFT = 4.0  # latent pixels; deviation of the blur that leaves only slow changes of colour


def color_aligned(edited: Tensor, before: Tensor, region: Tensor, canvas: Canvas) -> Tensor:
    """Take back slow shifts of colour that an edit brought outside its region.

    The difference to the picture before is blurred outside the region and added there, so that
    neither details nor the edit itself are touched.

    Args:
        edited: Latents after the edit. Shape: (1, L, C).
        before: Latents of the picture that was edited. Shape: (1, L, C).
        region: Where the edit was meant to act. Shape: (2 rows, 2 cols).
        canvas: Size of the picture.
    """
    difference = unpack(before - edited, canvas)  # (1, C / 4, 2 rows, 2 cols)
    outside = (1 - region)[None, None].to(difference)
    slow = _blurred(difference * outside) / _blurred(outside).clamp_min(1e-3)
    return edited + pack(slow * outside)


def outside_kept(edited: Tensor, before: Tensor, region: Tensor, canvas: Canvas) -> Tensor:
    """Latents (1, L, C) of the edit inside a region, of the picture before outside."""
    return pack(torch.lerp(unpack(before, canvas), unpack(edited, canvas), region))


def _blurred(x: Tensor) -> Tensor:
    """Gaussian blur of (1, C, H, W) by SOFT latent pixels, edges not counted."""
    reach = min(int(2 * SOFT), min(x.shape[-2:]) - 1)
    at = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-(at**2) / (2 * SOFT**2))
    kernel = kernel / kernel.sum()
    channels = x.shape[1]
    x = F.conv2d(x, kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels,
                 padding=(reach, 0))  # fmt: skip
    return F.conv2d(x, kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels,
                    padding=(0, reach))  # fmt: skip
