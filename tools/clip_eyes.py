"""Eyes that judge an edit by CLIP: did the picture move as its caption did?

The directional similarity of StyleGAN-NADA (Gal et al. 2021, arXiv 2108.00946). For photographs,
where no LLM sees; the model is one of `transformers`' (PALIMPSEST_CLIP: a hub id or a folder).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor

ENOUGH = 0.2  # similarity at which InstructPix2Pix (Brooks et al. 2023) took an edit as made
MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)


class ClipEyes:
    """Says whether an edit happened; it names nothing and captions nothing."""

    def __init__(self, model: str) -> None:
        """Load a CLIP model and its tokenizer.

        Raises:
            OSError: They are not to be had.
        """
        from transformers import AutoTokenizer, CLIPModel

        self._model: Any = CLIPModel.from_pretrained(model).eval()
        self._tokenizer: Any = AutoTokenizer.from_pretrained(model)

    def describe(self, image: Image.Image) -> None:
        """Leave captions to others."""

    def attributes(self, image: Image.Image, expected: Mapping[str, str]) -> dict[str, str]:
        """Name nothing."""
        return {}

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
        import torch

        with torch.no_grad():
            return direction(
                *(self._seen(image) for image in (before, after)),
                *(self._read(caption) for caption in (source, target)),
            )

    def _seen(self, image: Image.Image) -> Tensor:
        """Embed a whole picture, squeezed to the model's square, so that no edge is cut off."""
        import torch

        side = self._model.config.vision_config.image_size
        small = image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
        pixels = (np.asarray(small, dtype=np.float32) / 255 - MEAN) / DEVIATION
        values = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None]
        return _embedding(self._model.get_image_features(pixel_values=values))

    def _read(self, caption: str) -> Tensor:
        most = self._model.config.text_config.max_position_embeddings
        tokens = self._tokenizer(caption, truncation=True, max_length=most, return_tensors="pt")
        return _embedding(self._model.get_text_features(input_ids=tokens.input_ids))


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


def _embedding(features: Any) -> Tensor:
    """Return the one embedding of what `transformers` gives, which varies with its version."""
    pooled: Tensor = getattr(features, "pooler_output", features)
    return pooled[0].float()
