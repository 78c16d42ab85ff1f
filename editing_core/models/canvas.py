"""The token grid that covers a picture, and how latent pixels are packed into its tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

TOKEN_SIDE = 16  # pixels a picture token covers: 8 by the VAE, times 2 by packing


@dataclass(frozen=True)
class Canvas:
    """The size of a picture in pixels, and of the token grid that covers it."""

    width: int
    height: int
    token_side: int = TOKEN_SIDE

    @property
    def cols(self) -> int:
        """Tokens a row."""
        return -(-self.width // self.token_side)

    @property
    def rows(self) -> int:
        """Tokens a column."""
        return -(-self.height // self.token_side)

    @property
    def tokens(self) -> int:
        """Picture tokens L."""
        return self.rows * self.cols

    @property
    def padded_width(self) -> int:
        """Width in pixels of the token grid."""
        return self.cols * self.token_side

    @property
    def padded_height(self) -> int:
        """Height in pixels of the token grid."""
        return self.rows * self.token_side


def pack(latents: Tensor) -> Tensor:
    """Fold 2 x 2 latent pixels into one token.

    Args:
        latents: Shape: (1, C, 2 rows, 2 cols).

    Returns:
        Tokens in reading order, channels as (C, 2, 2), one after the other in memory as in a file,
        so that sums over them round alike. Shape: (1, rows * cols, 4 C).
    """
    import torch.nn.functional as F

    return F.pixel_unshuffle(latents, 2).flatten(2).transpose(1, 2).contiguous()


def unpack(x: Tensor, canvas: Canvas) -> Tensor:
    """Undo ``pack``: (1, rows * cols, 4 C) to (1, C, 2 rows, 2 cols)."""
    import torch.nn.functional as F

    grid = x.transpose(1, 2).unflatten(2, (canvas.rows, canvas.cols))
    return F.pixel_shuffle(grid, 2)
