"""The classifier: a small network that names every attribute of a portrait, and how sure it is.

It also says whether a picture is a portrait of this world at all, and whether it is clean: not
smeared, doubled or half one person and half another. It is the first edition's classifier, taught
further on pictures of all shapes, which it sees whole: beside the shorter side there is gray.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from editing_core.portraits.classifier import CHOICES, AttributeClassifier
from editing_core.portraits.classifier import SIDE as SIDE
from editing_core.portraits.classifier import load_classifier as load_first_edition

QUESTIONS = {**CHOICES, "clean": ("no", "yes")}
"""Every choice: attributes, whether it is a portrait, and whether it is a clean drawing."""
FILE = Path(__file__).parent / "weights" / "classifier.safetensors"


class Classifier(AttributeClassifier):
    """The first edition's classifier with one question more."""

    def __init__(self) -> None:
        """Start with random weights."""
        super().__init__(choices=QUESTIONS)

    @torch.no_grad()
    def clean(self, image: Image.Image) -> float:
        """How probable it is that a picture is drawn cleanly, as people see it."""
        return float(self(self.preprocessed(image))["clean"][0].softmax(0)[1])

    @staticmethod
    def preprocess(pictures: Tensor) -> Tensor:
        """Bytes (B, H, W, 3) to what the network sees, (B, 3, SIDE, SIDE) in [-1, 1].

        The longer side is brought to SIDE; beside the shorter one there is gray, half on each side.
        """
        x = pictures.permute(0, 3, 1, 2).float() / 127.5 - 1
        scale = SIDE / max(x.shape[-2:])
        height, width = (max(1, round(scale * n)) for n in x.shape[-2:])
        x = functional.interpolate(x, size=(height, width), mode="bilinear", antialias=True)
        top, left = (SIDE - height) // 2, (SIDE - width) // 2
        return functional.pad(x, (left, SIDE - width - left, top, SIDE - height - top))


@cache
def load_classifier(file: Path = FILE) -> Classifier:
    """Return the shipped classifier."""
    return Classifier.load(file)


def from_first_edition() -> Classifier:
    """A classifier that knows what the first edition's knows."""
    model = Classifier()
    known = load_first_edition().state_dict()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            value[: len(known[name])] = known[name]
    return model
