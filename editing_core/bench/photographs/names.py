"""Which networks judge edits of photographs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Levels = Literal["right", "published"]
LEVELS: tuple[Levels, ...] = get_args(Levels)
SQUEEZENET = "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth"
"""torchvision's weights, learned on ImageNet."""


@dataclass(frozen=True)
class NetworkNames:
    """What the networks are called: hub ids or folders.

    Attributes:
        clip: For CLIP-T and CLIP-I (PIE-Bench: ViT-L/14).
        dino: For the structure distance (PIE-Bench: ViT-B/8).
        perceptual: Weights of SqueezeNet 1.1 for LPIPS, an address or a file.
        features: For the Frechet distance: a ViT, whose CLS token is taken, or "inception-" and
            the width of a layer: 64, 192, 768, 2048. The paper does not say which it took.
        levels: What DINO is shown: colours from 0 to 1, as it was trained ("right"), or from 0 to
            255 and made small without smoothing, as PIE-Bench's evaluation does ("published"),
            without which its published structure distances cannot be met.
    """

    clip: str = "openai/clip-vit-large-patch14"
    dino: str = "facebook/dino-vitb8"
    perceptual: str = SQUEEZENET
    features: str = "facebook/dinov2-base"
    levels: Levels = "right"
