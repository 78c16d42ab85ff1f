"""The classifier: a small network that names every attribute of a picture, and how sure it is.

It also says whether the picture is a portrait of this world at all. 1.5 MB, trained by
`python -m editing_core.portraits.train`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from editing_core.portraits.schema import VALUES

SIDE = 96  # pixels at which pictures are read
HIDDEN = ""  # what an attribute is when the picture does not show it: hair under a hat
FILE = Path(__file__).parent / "weights" / "classifier.safetensors"
CHOICES: dict[str, tuple[str, ...]] = {
    **{name: (*values, HIDDEN) for name, values in VALUES.items()},
    "portrait": ("no", "yes"),
}
"""What the network chooses from: the values of every attribute, and whether it is a portrait."""


@dataclass(frozen=True)
class Prediction:
    """What the classifier names in a picture; probabilities lie in [0, 1]."""

    attributes: dict[str, str]
    """Every attribute that shows, by name."""
    confidence: dict[str, float]
    """How probable each of all attributes, shown or hidden, is to be what was named."""
    portrait: float
    """How probable it is that this is a portrait of this world."""

    @property
    def is_portrait(self) -> bool:
        """Whether it rather is one than not."""
        return self.portrait > 0.5


@dataclass(frozen=True, eq=False)
class ClassifierOutput:
    """All that the classifier makes of one picture."""

    prediction: Prediction
    """What it names."""
    probabilities: Mapping[str, NDArray[np.float32]]
    """Probabilities of the `CHOICES` of every attribute, by name."""
    features: NDArray[np.float32]
    """What the choices are made from. Shape: (256,)."""

    def probability(self, name: str, value: str) -> float:
        """How probable it is that an attribute has a value."""
        return float(self.probabilities[name][CHOICES[name].index(value)])


class AttributeClassifier(nn.Module):
    """Convolutions down to 6 x 6, then one layer that sees all of it, then a choice each."""

    def __init__(
        self,
        widths: tuple[int, ...] = (32, 48, 96, 128),
        summary: int = 256,
        choices: Mapping[str, tuple[str, ...]] = CHOICES,
    ) -> None:
        """Start with random weights; ``choices`` are what it chooses from."""
        super().__init__()
        self._lengths = {name: len(values) for name, values in choices.items()}
        self.conv_in = nn.Conv2d(3, widths[0], 3, stride=2, padding=1)
        self.stages = nn.ModuleList(
            ConvBlock(narrow, wide) for narrow, wide in zip(widths, widths[1:], strict=False)
        )
        self.squeeze = nn.Conv2d(widths[-1], 32, 1)
        cells = (SIDE // 2 ** len(widths)) ** 2
        self.summary = nn.Linear(32 * cells, summary)
        self.choose = nn.Linear(summary, sum(self._lengths.values()))

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Return logits (B, choices) of every choice for pictures (B, 3, SIDE, SIDE) in [-1, 1]."""
        return self._choices(self.features(pictures))

    def features(self, pictures: Tensor) -> Tensor:
        """Return what the choices are made from, (B, summary), for the same pictures."""
        x = self.conv_in(pictures)
        for stage in self.stages:
            x = stage(x)
        x = functional.silu(self.squeeze(x)).flatten(1)
        return functional.silu(self.summary(x))

    def _choices(self, features: Tensor) -> dict[str, Tensor]:
        parts = self.choose(features).split([*self._lengths.values()], dim=1)
        return dict(zip(self._lengths, parts, strict=True))

    def classify(self, image: Image.Image) -> Prediction:
        """Name what a picture of any size shows."""
        return self.output(image).prediction

    @torch.no_grad()
    def output(self, image: Image.Image) -> ClassifierOutput:
        """Do the same, and tell what led to it."""
        features = self.features(self.preprocessed(image))
        probabilities = {
            name: row[0].softmax(0).numpy() for name, row in self._choices(features).items()
        }
        portrait = float(probabilities["portrait"][1])
        probabilities = {name: probabilities[name] for name in VALUES}
        named = {name: CHOICES[name][int(row.argmax())] for name, row in probabilities.items()}
        prediction = Prediction(
            attributes={name: value for name, value in named.items() if value != HIDDEN},
            confidence={name: float(row.max()) for name, row in probabilities.items()},
            portrait=portrait,
        )
        return ClassifierOutput(prediction, probabilities, features[0].numpy())

    def preprocessed(self, image: Image.Image) -> Tensor:
        """Return a picture of any shape as the network gets it, (1, 3, SIDE, SIDE)."""
        return self.preprocess(torch.from_numpy(np.array(image.convert("RGB")))[None])

    @staticmethod
    def preprocess(pictures: Tensor) -> Tensor:
        """Bytes (B, H, W, 3) to what the network reads, (B, 3, SIDE, SIDE) in [-1, 1]."""
        x = pictures.permute(0, 3, 1, 2).float() / 127.5 - 1
        return functional.interpolate(x, size=(SIDE, SIDE), mode="bilinear", antialias=True)

    def save(self, file: Path) -> None:
        """Write the weights in 16 bits."""
        from safetensors.torch import save_file

        save_file({name: value.half() for name, value in self.state_dict().items()}, file)

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read what `save` wrote."""
        from safetensors.torch import load_file

        model = cls()
        model.load_state_dict({name: value.float() for name, value in load_file(file).items()})
        return model.eval()


class ConvBlock(nn.Module):
    """Halve the picture and look around, twice normalised."""

    def __init__(self, narrow: int, wide: int) -> None:
        """Start with random weights."""
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(8, width) for width in (narrow, wide, wide))
        self.down = nn.Conv2d(narrow, wide, 3, stride=2, padding=1)
        self.look = nn.Conv2d(wide, wide, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, narrow, H, W) into (B, wide, H / 2, W / 2)."""
        x = self.down(functional.silu(self.norms[0](x)))
        seen: Tensor = self.norms[2](x + self.look(functional.silu(self.norms[1](x))))
        return seen


@cache
def load_classifier(file: Path = FILE) -> AttributeClassifier:
    """Return the shipped classifier."""
    return AttributeClassifier.load(file)


def targets(attributes: Mapping[str, str] | None) -> dict[str, int]:
    """Return the right choice for each question; None means a picture that is no portrait."""
    if attributes is None:
        return {"portrait": 0}
    named = {name: attributes.get(name, HIDDEN) for name in VALUES}
    return {name: CHOICES[name].index(value) for name, value in named.items()} | {"portrait": 1}
