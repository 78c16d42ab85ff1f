"""Qwen-Image-Edit (Alibaba 2025): Qwen2.5-VL reads the instruction and sees the pictures with it.

The pictures also stand as references beside the one that is made. Of two editions the first looks
at one picture, which the reader sees large; later ones (2509, 2511) look at three.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from PIL import Image

from editing_core.models.base import Tensors
from editing_core.models.guided_model import within
from editing_core.models.layouts import BY_PIPELINE
from editing_core.models.offers import QWEN_IMAGE_EDIT, QWEN_IMAGE_EDIT_FIRST
from editing_core.models.qwen_image import QwenImage

TEMPLATE = (
    "<|im_start|>system\nDescribe the key features of the input image (color, shape, size, texture,"
    " objects, background), then explain how the user's text instruction should alter or modify the"
    " image. Generate a new image that meets the user's requirements while maintaining consistency"
    " with the original input where appropriate.<|im_end|>\n"
    "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
)
PREFIX = 64  # tokens of the template before pictures and instruction, which are dropped
PATCH = "<|image_pad|>"  # stands for one token of a picture
MULTIPLE = 32  # of which sides of pictures are multiples when the reader sees them


class QwenImageEdit(QwenImage):
    """A Qwen-Image-Edit of 2509 or later. See ``Model``."""

    family = QWEN_IMAGE_EDIT
    reads_pictures = True
    pipeline: ClassVar[str] = "QwenImageEditPlusPipeline"
    area: ClassVar[int] = 384 * 384
    """Pixels of a picture as the reader sees it, about."""
    label: ClassVar[str] = "Picture {}: "
    """What stands before each picture."""

    def __init__(self, *, processor: Any, **parts: Any) -> None:
        """Take the parts of the pipeline; ``processor`` cuts pictures into patches."""
        self.processor = processor
        super().__init__(**parts)

    @property
    def text_length(self) -> int:
        """Tokens that an instruction and its pictures may have; nothing is padded or cut."""
        return BY_PIPELINE[self.pipeline].longest_text

    def _encoded(self, prompt: str) -> Tensors:
        return self._encoded_beside(prompt, ())

    @torch.no_grad()
    def _encoded_beside(self, prompt: str, pictures: Sequence[Image.Image]) -> Tensors:
        """Encode as the pipeline does, without the template's beginning.

        Tokens of pictures are told apart from those of text, so that each has its place in two
        dimensions, as in training. diffusers 0.42 forgets this with transformers 5 (its issue
        14194).
        """
        said, patches = self._shown(pictures)
        pieces = self.tokenizer(
            TEMPLATE.format(said + prompt), return_tensors="pt", return_offsets_mapping=True
        )
        if patches:
            of_pictures = pieces.input_ids == self.tokenizer.convert_tokens_to_ids(PATCH)
            patches["mm_token_type_ids"] = of_pictures.int().to(self.device)
        states = self._states(pieces, **patches)[-1]
        begin = TEMPLATE.index("{}") + len(said)
        offsets = within(pieces.offset_mapping[0], begin, len(prompt))
        return {"embeds": states[:, PREFIX:], "offsets": offsets[PREFIX:]}

    def _shown(self, pictures: Sequence[Image.Image]) -> tuple[str, Tensors]:
        """Return what stands for the pictures in the text, and their patches."""
        if not pictures:
            return "", {}
        seen = self.processor(images=[self._sized(p) for p in pictures], return_tensors="pt")
        tokens = seen["image_grid_thw"].prod(-1) // self.processor.merge_size**2
        said = "".join(
            f"{self.label.format(number)}<|vision_start|>{PATCH * count}<|vision_end|>"
            for number, count in enumerate(tokens.tolist(), start=1)
        )
        names = ("pixel_values", "image_grid_thw")
        return said, {name: seen[name].to(self.device) for name in names}

    def _sized(self, picture: Image.Image) -> Image.Image:
        """Return a picture of about the area that the reader knows, in its own proportions."""
        scale = math.sqrt(self.area / (picture.width * picture.height))
        width, height = (round(scale * side / MULTIPLE) * MULTIPLE for side in picture.size)
        return picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)


class FirstQwenImageEdit(QwenImageEdit):
    """The first Qwen-Image-Edit, which looks at one picture."""

    family = QWEN_IMAGE_EDIT_FIRST
    pipeline = "QwenImageEditPipeline"
    area = 1024 * 1024
    label = ""
