"""Keeping what an edit was not to touch: colours, or everything, outside its mask.

The mask is the attention mask of the edit, one token wider, because what is drawn anew reaches a
little beyond where the edit words look.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter
from torch import Tensor

from editing_core.latents import TOKEN_SIDE, Canvas, pack, unpack

SOFT = 2.0  # tokens; deviation of the blur that leaves only slow changes of colour
FEATHER = TOKEN_SIDE // 4  # pixels; deviation of the blur of a pasted edge


def widened(mask: Tensor, tokens: int = 1) -> Tensor:
    """Grow a (rows, cols) bool mask by some tokens in all directions."""
    grown = F.max_pool2d(mask[None, None].float(), 2 * tokens + 1, stride=1, padding=tokens)
    return grown[0, 0] > 0


def color_aligned(edited: Tensor, before: Tensor, mask: Tensor, canvas: Canvas) -> Tensor:
    """Take back slow shifts of colour that an edit brought outside its mask.

    The difference to the picture before is measured outside the mask, blurred, spread into the
    mask, and added, so that no detail of the edit is lost.

    Args:
        edited: Latents after the edit. Shape: (1, L, C).
        before: Latents of the picture that was edited. Shape: (1, L, C).
        mask: Where the edit was meant to act. Shape: (rows, cols), bool.
        canvas: Size of the picture.
    """
    difference = unpack(before - edited, canvas)  # (1, C / 4, 2 rows, 2 cols)
    outside = (~mask).repeat_interleave(2, 0).repeat_interleave(2, 1)[None, None].to(difference)
    weight = _blurred(outside)
    slow = _blurred(difference * outside) / weight.clamp_min(1e-3)
    return edited + pack(slow)


def outside_kept(edited: Tensor, before: Tensor, mask: Tensor) -> Tensor:
    """Latents (1, L, C) of the edit inside a (rows, cols) mask, of the picture before outside."""
    return torch.where(mask.view(1, -1, 1), edited, before)


def pasted(edited: Image.Image, before: Image.Image, mask: Image.Image) -> Image.Image:
    """The edited picture inside an "L" mask; outside it every pixel is that of `before`."""
    soft = mask.filter(ImageFilter.GaussianBlur(FEATHER)).point(lambda v: max(0, 2 * v - 255))
    return Image.composite(edited, before, soft)


def _blurred(x: Tensor) -> Tensor:
    """Gaussian blur of (1, C, H, W) by SOFT tokens, edges not counted."""
    deviation = 2 * SOFT  # in latent pixels
    reach = min(int(2 * deviation), min(x.shape[-2:]) - 1)
    at = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-(at**2) / (2 * deviation**2))
    kernel = kernel / kernel.sum()
    channels = x.shape[1]
    x = F.conv2d(x, kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels,
                 padding=(reach, 0))  # fmt: skip
    return F.conv2d(x, kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels,
                    padding=(0, reach))  # fmt: skip
