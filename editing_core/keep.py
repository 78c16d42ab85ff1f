"""Keeping what an edit was not to touch: colours, or everything, outside its region.

Regions are masks of latent pixels, (2 rows, 2 cols); a latent pixel covers 8 x 8 pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter
from torch import Tensor

from editing_core.latents import Canvas, pack, unpack

SOFT = 4.0  # latent pixels; deviation of the blur that leaves only slow changes of colour
FEATHER = 4  # pixels; deviation of the blur of a pasted edge


def color_aligned(edited: Tensor, before: Tensor, region: Tensor, canvas: Canvas) -> Tensor:
    """Take back slow shifts of colour that an edit brought outside its region.

    The difference to the picture before is measured outside the region, blurred, spread into the
    region, and added, so that no detail of the edit is lost.

    Args:
        edited: Latents after the edit. Shape: (1, L, C).
        before: Latents of the picture that was edited. Shape: (1, L, C).
        region: Where the edit was meant to act. Shape: (2 rows, 2 cols), bool.
        canvas: Size of the picture.
    """
    difference = unpack(before - edited, canvas)  # (1, C / 4, 2 rows, 2 cols)
    outside = (~region)[None, None].to(difference)
    weight = _blurred(outside)
    slow = _blurred(difference * outside) / weight.clamp_min(1e-3)
    return edited + pack(slow)


def outside_kept(edited: Tensor, before: Tensor, region: Tensor, canvas: Canvas) -> Tensor:
    """Latents (1, L, C) of the edit inside a region, of the picture before outside."""
    return pack(torch.where(region, unpack(edited, canvas), unpack(before, canvas)))


def pasted(edited: Image.Image, before: Image.Image, mask: Image.Image) -> Image.Image:
    """The edited picture inside an "L" mask; outside it every pixel is that of `before`."""
    soft = mask.filter(ImageFilter.GaussianBlur(FEATHER)).point(lambda v: max(0, 2 * v - 255))
    return Image.composite(edited, before, soft)


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
