"""A glimpse of a picture while it is still being made, by a linear map from latents to colours.

The map is fitted to the VAE at hand by least squares over one picture of random patches, so that
it needs no weights of its own, and a glimpse costs next to nothing.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from editing_core.models.base import Model
from editing_core.models.canvas import Canvas

SIDE = 256  # of the picture that the map is fitted to
PATCHES = (4, 8, 16, 32)  # a side, coarse to fine


class LatentPreview:
    """Turns latents of one model into small pictures."""

    def __init__(self, model: Model) -> None:
        """Fit the map, for which one small picture is encoded."""
        pixels = _patches()
        picture = Image.fromarray((255 * pixels).round().byte().permute(1, 2, 0).numpy())
        self._model = model
        latents = model.to_grid(model.encode(picture), model.canvas(SIDE, SIDE))[0].cpu()
        self._pixels = SIDE // latents.shape[-1]  # a side, that one pixel of a glimpse stands for
        colours = F.avg_pool2d(pixels, self._pixels)
        self._map = torch.linalg.lstsq(_with_ones(latents), colours.flatten(1).T).solution

    def __call__(self, x: Tensor, canvas: Canvas) -> Image.Image:
        """Return a picture with one pixel for each of the VAE's latents.

        Args:
            x: Packed latents. Shape: (1, L, C).
            canvas: The size of the picture they are of.
        """
        latents = self._model.to_grid(x.float().cpu(), canvas)[0]
        colours = (_with_ones(latents) @ self._map).T.view(3, *latents.shape[1:])
        rows, columns = (-(-side // self._pixels) for side in (canvas.height, canvas.width))
        colours = colours[:, :rows, :columns]
        values = (255 * colours.clamp(0, 1)).round().byte()
        return Image.fromarray(values.permute(1, 2, 0).contiguous().numpy())


def _with_ones(latents: Tensor) -> Tensor:
    """Latents (C, height, width), one row a pixel and a constant beside. Shape: (n, C + 1)."""
    rows = latents.flatten(1).T
    return torch.cat([rows, torch.ones(len(rows), 1)], dim=1)


def _patches() -> Tensor:
    """A picture of random patches of every size. Shape: (3, SIDE, SIDE), from 0 to 1."""
    drawn = torch.Generator().manual_seed(0)
    layers = [
        F.interpolate(torch.randn(1, 3, n, n, generator=drawn), size=(SIDE, SIDE)) for n in PATCHES
    ]
    return torch.sigmoid(torch.stack(layers).sum(0)[0])
