"""CLIP embeds whole pictures and captions (Radford et al. 2021, arXiv 2103.00020).

CLIPSeg finds where words are in a picture (Lüddecke and Ecker 2022, arXiv 2112.10003).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
SEG_SIDE = 352  # pixels at which CLIPSeg's authors trained and published it
SEG_MEAN, SEG_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, likewise

Channels = tuple[float, float, float]


class Clip:
    """A CLIP model of `transformers` and its tokenizer."""

    def __init__(self, model: str, device: str = "cpu") -> None:
        """Load ``model``, a hub id or a folder.

        Raises:
            OSError: It is not to be had.
        """
        from transformers import AutoTokenizer, CLIPModel

        loaded: Any = CLIPModel.from_pretrained(model, dtype=torch.float32)
        self._model = loaded.eval().to(device)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(model)

    @torch.no_grad()
    def picture(self, image: Image.Image) -> Tensor:
        """Embed a whole picture, squeezed to the model's square, so that no edge is cut off."""
        side = self._model.config.vision_config.image_size
        values = pixel_values(image, side, MEAN, DEVIATION).to(self._model.device)
        return _embedding(self._model.get_image_features(pixel_values=values))

    @torch.no_grad()
    def text(self, caption: str) -> Tensor:
        """Embed a caption, cut off where the model stops to read."""
        most = self._model.config.text_config.max_position_embeddings
        tokens = self._tokenizer(caption, truncation=True, max_length=most, return_tensors="pt")
        ids = tokens.input_ids.to(self._model.device)
        return _embedding(self._model.get_text_features(input_ids=ids))


def pixel_values(
    image: Image.Image,
    side: int,
    mean: Channels,
    deviation: Channels,
    how: Image.Resampling = Image.Resampling.BICUBIC,
) -> Tensor:
    """Squeeze a picture to a square and normalise its colours. Shape: (1, 3, side, side)."""
    small = image.convert("RGB").resize((side, side), how)
    pixels = (np.asarray(small, dtype=np.float32) / 255 - mean) / deviation
    return torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None]


def _embedding(features: Any) -> Tensor:
    """Return the one embedding of what `transformers` gives, which varies with its version."""
    pooled: Tensor = getattr(features, "pooler_output", features)
    return pooled[0].float()


class ClipSeg:
    """A CLIPSeg model of `transformers` and its tokenizer."""

    def __init__(self, model: str, device: str = "cpu") -> None:
        """Load ``model``, a hub id or a folder.

        Raises:
            OSError: It is not to be had.
        """
        from transformers import AutoTokenizer, CLIPSegForImageSegmentation

        loaded: Any = CLIPSegForImageSegmentation.from_pretrained(model, dtype=torch.float32)
        self._model = loaded.eval().to(device)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(model)
        self._side, self._mean, self._deviation = _preparation(model)

    @torch.no_grad()
    def heat(self, image: Image.Image, words: str) -> Tensor:
        """Return how likely each place of a picture shows what words name.

        The picture is squeezed to the model's square.

        Returns:
            Shape: (h, w), in [0, 1], on the CPU.
        """
        how = Image.Resampling.BILINEAR
        seen = pixel_values(image, self._side, self._mean, self._deviation, how)
        most = self._model.config.text_config.max_position_embeddings
        told = self._tokenizer(words, truncation=True, max_length=most, return_tensors="pt")
        on = self._model.device
        found: Tensor = self._model(
            input_ids=told.input_ids.to(on),
            attention_mask=told.attention_mask.to(on),
            pixel_values=seen.to(on),
        ).logits
        return found.reshape(found.shape[-2:]).sigmoid().float().cpu()


def _preparation(model: str) -> tuple[int, Channels, Channels]:
    """Return the side, mean and deviation by which pictures are prepared, as the model says."""
    from transformers.image_processing_base import ImageProcessingMixin

    try:
        told, _ = ImageProcessingMixin.get_image_processor_dict(model)
    except OSError:
        told = {}
    size = told.get("size", SEG_SIDE)
    side = size.get("height", SEG_SIDE) if isinstance(size, dict) else size
    return (
        int(side),
        told.get("image_mean", SEG_MEAN),
        told.get("image_std", SEG_DEVIATION),
    )
