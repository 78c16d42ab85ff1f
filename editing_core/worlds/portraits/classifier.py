"""The classifier: a small network that names every attribute of a portrait, and how sure it is.

It also says whether a picture is a portrait of this world at all, and whether it is clean: not
smeared, doubled or half one person and half another. Convolutions see the picture at
SIDE x SIDE pixels, whatever its shape; then every question looks for its answer in all places
(attention), so that a portrait may be small and off centre.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from editing_core.portraits.reader import CHOICES, HIDDEN, Look, Seen, Stage

SIDE = 160  # pixels at which pictures are seen, the longer side
QUESTIONS = {**CHOICES, "clean": ("no", "yes")}
"""Every choice: attributes, whether it is a portrait, and whether it is a clean drawing."""
WIDTHS = (32, 64, 96, 160)
HEADS = 4
FILE = Path(__file__).parent / "weights" / "classifier.safetensors"


class Classifier(nn.Module):
    """Convolutions down to cells of 16 x 16 pixels, and a question for each choice."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        """Start with random weights."""
        super().__init__()
        width, cells = widths[-1], (SIDE // 2 ** len(widths)) ** 2
        self.conv_in = nn.Conv2d(3, widths[0], 3, stride=2, padding=1)
        self.stages = nn.ModuleList(
            Stage(narrow, wide) for narrow, wide in zip(widths, widths[1:], strict=False)
        )
        self.places = nn.Parameter(0.1 * torch.randn(cells, width))
        self.questions = nn.Parameter(0.1 * torch.randn(len(QUESTIONS), width))
        self.attention = nn.MultiheadAttention(width, HEADS, batch_first=True)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.think = nn.Sequential(
            nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width)
        )
        self.choose = nn.ModuleDict(
            {name: nn.Linear(width, len(choices)) for name, choices in QUESTIONS.items()}
        )

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Return logits (B, choices) of every choice for pictures (B, 3, SIDE, SIDE) in [-1, 1]."""
        return self._choices(self._cells(pictures))

    def _cells(self, pictures: Tensor) -> Tensor:
        """What is seen in every place. Shape: (B, cells, width)."""
        x = self.conv_in(pictures)
        for stage in self.stages:
            x = stage(x)
        cells: Tensor = self.norms[0](x.flatten(2).mT)
        return cells

    def _choices(self, cells: Tensor) -> dict[str, Tensor]:
        asked = self.questions.expand(len(cells), -1, -1)
        found, _ = self.attention(asked, cells + self.places, cells, need_weights=False)
        answers = asked + found
        answers = self.norms[2](answers + self.think(self.norms[1](answers)))
        return {name: self.choose[name](answers[:, i]) for i, name in enumerate(QUESTIONS)}

    def read(self, image: Image.Image) -> Seen:
        """Name what a picture of any size shows."""
        return self.look(image).seen

    @torch.no_grad()
    def look(self, image: Image.Image) -> Look:
        """Do the same, and tell what led to it."""
        bytes_ = torch.from_numpy(np.array(image.convert("RGB")))
        cells = self._cells(as_input(bytes_[None]))
        chances = {name: row[0].softmax(0).numpy() for name, row in self._choices(cells).items()}
        portrait, _ = float(chances.pop("portrait")[1]), chances.pop("clean")
        named = {name: CHOICES[name][int(row.argmax())] for name, row in chances.items()}
        seen = Seen(
            attributes={name: value for name, value in named.items() if value != HIDDEN},
            confidence={name: float(row.max()) for name, row in chances.items()},
            portrait=portrait,
        )
        return Look(seen, chances, cells[0].mean(0).numpy())

    @torch.no_grad()
    def clean(self, image: Image.Image) -> float:
        """How probable it is that a picture is drawn cleanly, as people see it."""
        bytes_ = torch.from_numpy(np.array(image.convert("RGB")))
        return float(self(as_input(bytes_[None]))["clean"][0].softmax(0)[1])

    def save(self, file: Path) -> None:
        """Write the weights in 16 bits."""
        from safetensors.torch import save_file

        save_file({name: value.half() for name, value in self.state_dict().items()}, file)


@cache
def classifier(file: Path = FILE) -> Classifier:
    """Return the shipped classifier."""
    from safetensors.torch import load_file

    model = Classifier()
    model.load_state_dict({name: value.float() for name, value in load_file(file).items()})
    return model.eval()


def as_input(pictures: Tensor) -> Tensor:
    """Bytes (B, H, W, 3) to what the network sees, (B, 3, SIDE, SIDE) in [-1, 1].

    The longer side is brought to SIDE; beside the shorter one there is gray, half on each side.
    """
    x = pictures.permute(0, 3, 1, 2).float() / 127.5 - 1
    scale = SIDE / max(x.shape[-2:])
    height, width = (max(1, round(scale * n)) for n in x.shape[-2:])
    x = functional.interpolate(x, size=(height, width), mode="bilinear", antialias=True)
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    return functional.pad(x, (left, SIDE - width - left, top, SIDE - height - top))
