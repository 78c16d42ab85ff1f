"""What the classifier learns from: jittered and corrupted portraits, and what is no portrait."""

from __future__ import annotations

import random

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from editing_core.portraits.classifier import SIDE
from editing_core.portraits.renderer import render

STYLES = (
    *("adventurer", "big-ears", "bottts", "croodles", "fun-emoji", "icons", "identicon"),
    *("lorelei", "micah", "miniavs", "notionists", "open-peeps", "personas", "pixel-art"),
    *("shapes", "thumbs", "landscape", "planets", "stripes", "initials"),
)
"""Other drawing styles of the library; none of their pictures is a portrait of our world."""


def distractor(seed: int, size: int = SIDE) -> NDArray[np.uint8]:
    """Draw a picture (size, size, 3) that is no portrait: another style, noise, colours."""
    rng = random.Random(f"something else {seed}")
    kind = rng.random()
    if kind < 0.7:
        return _other_style(rng, size)
    chance = np.random.default_rng(seed)
    if kind < 0.8:
        return chance.integers(0, 256, (size, size, 3), dtype=np.uint8)
    few = chance.integers(0, 256, (rng.choice((1, 2, 3, 6)), rng.choice((1, 2, 4)), 3))
    smooth = rng.choice((Image.Resampling.NEAREST, Image.Resampling.BICUBIC))
    return np.asarray(Image.fromarray(few.astype(np.uint8)).resize((size, size), smooth))


def _other_style(rng: random.Random, size: int) -> NDArray[np.uint8]:
    colors = [f"#{rng.randrange(1 << 24):06x}"]
    options = {"seed": str(rng.random()), "backgroundColor": colors}
    return np.asarray(render(rng.choice(STYLES), options, size))


def jittered(pictures: Tensor, seed: int) -> Tensor:
    """Mirror half of the pictures (B, 3, H, W), and shift, turn and scale all of them a little."""
    chance = torch.Generator("cpu").manual_seed(seed)
    shift, turn, scale, flip = torch.rand(4, len(pictures), 2, generator=chance, device="cpu")
    angle, size = 0.08 * (2 * turn[:, 0] - 1), 1 + 0.06 * (2 * scale[:, 0] - 1)
    side = torch.where(flip[:, 0] < 0.5, -1.0, 1.0)
    cos, sin = size * angle.cos(), size * angle.sin()
    move = 0.08 * (2 * shift - 1)  # of half a side
    rows = (torch.stack([side * cos, -sin, move[:, 0]], 1),
            torch.stack([side * sin, cos, move[:, 1]], 1))  # fmt: skip
    grid = functional.affine_grid(
        torch.stack(rows, 1).to(pictures), list(pictures.shape), align_corners=False
    )
    return functional.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)


def corrupted(pictures: Tensor, seed: int, share: float = 0.5) -> Tensor:
    """Damage a share of pictures (B, 3, H, W) in [-1, 1]: noise, blur, a patch, other light."""
    chance = torch.Generator("cpu").manual_seed(seed)

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=chance, device="cpu"))

    def one(picture: Tensor) -> Tensor:
        if uniform(0, 1) < 0.5:
            noise = torch.randn(picture.shape, generator=chance, device="cpu")
            picture = picture + uniform(0, 0.6) * noise.to(picture)
        if uniform(0, 1) < 0.5:
            side = int(picture.shape[-1] / uniform(1, 6))
            small = functional.interpolate(picture[None], side, mode="bilinear", antialias=True)
            picture = functional.interpolate(small, picture.shape[-2:], mode="bilinear")[0]
        if uniform(0, 1) < 0.3:
            picture = picture.clone()
            height, width = (int(uniform(0.1, 0.6) * n) for n in picture.shape[-2:])
            top = int(uniform(0, picture.shape[-2] - height))
            left = int(uniform(0, picture.shape[-1] - width))
            picture[:, top : top + height, left : left + width] = uniform(-1, 1)
        if uniform(0, 1) < 0.3:
            picture = picture * uniform(0.7, 1.1) + uniform(-0.2, 0.2)
        return picture.clamp(-1, 1)

    return torch.stack([one(p) if uniform(0, 1) < share else p for p in pictures])
