"""CLIPSeg: where words are in a picture (Lüddecke and Ecker 2022, arXiv 2112.10003)."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image
from torch import Tensor

from editing_core.clip import Channels, pixel_values

SIDE = 352  # pixels at which its authors trained and published it
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, likewise


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
    size = told.get("size", SIDE)
    side = size.get("height", SIDE) if isinstance(size, dict) else size
    return int(side), told.get("image_mean", MEAN), told.get("image_std", DEVIATION)
