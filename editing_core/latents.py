"""Pictures and packed latents. Pictures are padded, never cropped or resized."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from editing_core.errors import NotAPicture

if TYPE_CHECKING:
    from editing_core.models.flux1 import Flux

TOKEN_SIDE = 16  # pixels a picture token covers: 8 by the VAE, times 2 by packing


@dataclass(frozen=True)
class Canvas:
    """The size of a picture in pixels, and of the token grid that covers it."""

    width: int
    height: int

    @property
    def cols(self) -> int:
        """Tokens a row."""
        return -(-self.width // TOKEN_SIDE)

    @property
    def rows(self) -> int:
        """Tokens a column."""
        return -(-self.height // TOKEN_SIDE)

    @property
    def tokens(self) -> int:
        """Picture tokens L."""
        return self.rows * self.cols

    @property
    def padded_width(self) -> int:
        """Width in pixels of the token grid."""
        return self.cols * TOKEN_SIDE

    @property
    def padded_height(self) -> int:
        """Height in pixels of the token grid."""
        return self.rows * TOKEN_SIDE


def pack(latents: Tensor) -> Tensor:
    """Fold 2 x 2 latent pixels into one token.

    Args:
        latents: Shape: (1, C, 2 rows, 2 cols).

    Returns:
        Tokens in reading order, channels as (C, 2, 2), one after the other in memory as in a file,
        so that sums over them round alike. Shape: (1, rows * cols, 4 C).
    """
    return F.pixel_unshuffle(latents, 2).flatten(2).transpose(1, 2).contiguous()


def unpack(x: Tensor, canvas: Canvas) -> Tensor:
    """Undo ``pack``: (1, rows * cols, 4 C) to (1, C, 2 rows, 2 cols)."""
    grid = x.transpose(1, 2).unflatten(2, (canvas.rows, canvas.cols))
    return F.pixel_shuffle(grid, 2)


@torch.no_grad()
def to_latents(flux: Flux, image: Image.Image) -> Tensor:
    """Encode a picture with the VAE's posterior mean, so that no chance is involved.

    Args:
        flux: The model, whose VAE is used.
        image: RGB picture of any size; its right and bottom edges are repeated to fill the grid.

    Returns:
        Packed latents (z - shift) * scale. Shape: (1, rows * cols, 4 C), float32.
    """
    canvas = Canvas(*image.size)
    pixels = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None]
    pixels = pixels.to(flux.device, flux.vae.dtype) / 127.5 - 1  # (1, 3, height, width) in [-1, 1]
    margin = (0, canvas.padded_width - canvas.width, 0, canvas.padded_height - canvas.height)
    posterior = flux.vae.encode(F.pad(pixels, margin, mode="replicate")).latent_dist
    shift, scale = _normalisation(flux)
    return pack((posterior.mean.float() - shift) * scale)


@torch.no_grad()
def to_picture(flux: Flux, x: Tensor, canvas: Canvas) -> Image.Image:
    """Decode packed latents to an RGB picture of the canvas's own size.

    Raises:
        NotAPicture: They, or what the VAE makes of them, are not all numbers.
    """
    shift, scale = _normalisation(flux)
    latents = unpack(x.to(flux.device).float(), canvas) / scale + shift
    pixels = flux.vae.decode(latents.to(flux.vae.dtype)).sample[0].float()
    if not torch.isfinite(pixels).all():
        raise NotAPicture(
            "The model returned numbers that are none (NaN), so there is no picture; try another "
            "seed, or weights of higher precision (--memory)."
        )
    pixels = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    pixels = pixels[:, : canvas.height, : canvas.width].permute(1, 2, 0)
    return Image.fromarray(pixels.contiguous().cpu().numpy())


def _normalisation(flux: Flux) -> tuple[float, float]:
    """Shift and scale between the VAE's latents and the transformer's (FLUX: 0.1159, 0.3611)."""
    config = flux.vae.config
    return config.shift_factor or 0.0, config.scaling_factor
