"""Eyes that judge an edit by CLIP: did the picture move as its caption did?

The directional similarity of StyleGAN-NADA (Gal et al. 2021, arXiv 2108.00946). For photographs,
where no LLM sees; the model is one of `transformers`' (PALIMPSEST_CLIP: a hub id or a folder).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor

ENOUGH = 0.2  # similarity at which InstructPix2Pix (Brooks et al. 2023) took an edit as made


class ClipEyes:
    """Says whether an edit happened; it names nothing and captions nothing."""

    def __init__(self, model: str) -> None:
        """Load a CLIP model and its tokenizer.

        Raises:
            OSError: They are not to be had.
        """
        from editing_core.clip import Clip

        self._clip = Clip(model)

    def describe(self, image: Image.Image) -> None:
        """Leave captions to others."""

    def drawn(self, image: Image.Image) -> bool:
        """Know no closed world."""
        return False

    def attributes(self, image: Image.Image, expected: Mapping[str, str]) -> dict[str, str]:
        """Name nothing."""
        return {}

    def degraded(self, image: Image.Image) -> bool:
        """Know nothing of it."""
        return False

    def happened(
        self, before: Image.Image, after: Image.Image, source: str, target: str
    ) -> tuple[bool, str] | None:
        """Say whether picture and caption moved alike, and how much; None if neither moved."""
        likeness = self.likeness(before, after, source, target)
        if likeness is None:
            return None
        return likeness >= ENOUGH, f"CLIP direction {likeness:.2f}"

    def likeness(
        self, before: Image.Image, after: Image.Image, source: str, target: str
    ) -> float | None:
        """Return the `direction` of the pictures along that of their captions."""
        return direction(
            *(self._clip.picture(image) for image in (before, after)),
            *(self._clip.text(caption) for caption in (source, target)),
        )


def direction(before: Tensor, after: Tensor, source: Tensor, target: Tensor) -> float | None:
    """Cosine of the angle between the way the pictures went and the way their captions went.

    Args:
        before: Embedding of the picture before. Shape of all: (width,).
        after: Embedding of the picture after.
        source: Embedding of the caption before.
        target: Embedding of the caption after.

    Returns:
        -1 to 1, or None if pictures or captions did not move.
    """
    a, b, c, d = (x / x.norm() for x in (before, after, source, target))
    seen, said = b - a, d - c
    length = float(seen.norm() * said.norm())
    return None if length < 1e-9 else float(seen @ said) / length
