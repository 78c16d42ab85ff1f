"""How an edited photograph compares with the first one, and with what was asked for.

The measures of PIE-Bench (Ju et al. 2024, arXiv 2310.01506), and the Frechet distance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from editing_core.bench.photographs.names import Levels
from editing_core.bench.photographs.networks import DEVIATION, MEAN, Networks
from editing_core.metrics import Floats, psnr_of

LONGEST = 480 / 224  # of a picture that DINO is shown: longer side to the usual shorter one
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Scores:
    """One edited photograph.

    The last four compare what was not to change; other pixels count as black, as in PIE-Bench.
    They are None if everything may change.

    Attributes:
        clip_text: CLIP-T, 100 times the cosine of the picture and what it should show.
        clip_picture: CLIP-I, the cosine of the picture and the first one.
        structure: Mean squared difference of what DINO finds alike within each of both pictures.
        lpips: LPIPS with SqueezeNet.
        psnr: Peak signal-to-noise ratio in dB, `measure.IDENTICAL` at most.
        ssim: Structural similarity in Gaussian windows.
        mse: Mean squared error of colours from 0 to 1.
    """

    clip_text: float
    clip_picture: float
    structure: float
    lpips: float | None = None
    psnr: float | None = None
    ssim: float | None = None
    mse: float | None = None


@torch.no_grad()
def scores(
    networks: Networks, first: Image.Image, edited: Image.Image, asked: str, mask: Mask | None
) -> Scores:
    """Compare an edited photograph.

    Args:
        networks: Who judges.
        first: The photograph that the edits began from.
        edited: Of the same size.
        asked: What it should show.
        mask: Where the edit belongs; None compares the whole pictures. Shape: (height, width).
    """
    seen = networks.clip.picture(edited)
    everything = mask is not None and mask.all()
    return Scores(
        clip_text=100 * _cosine(seen, networks.clip.text(asked)),
        clip_picture=_cosine(seen, networks.clip.picture(first)),
        structure=structure_distance(networks, first, edited),
        **{} if everything else _outside(networks, first, edited, mask),
    )


def structure_distance(networks: Networks, first: Image.Image, edited: Image.Image) -> float:
    """Compare two pictures' structure by DINO's keys (Tumanyan et al. 2022, arXiv 2201.00424)."""
    before, after = (self_similarity(networks, image) for image in (first, edited))
    return float(F.mse_loss(after, before))


def self_similarity(networks: Networks, image: Image.Image) -> Tensor:
    """Return the cosines of the keys of all tokens of DINO's last layer (11 of ViT-B/8).

    Keys are those of all heads side by side. Shape: (tokens, tokens).
    """
    dino, keys = networks.dino, list[Tensor]()
    config: Any = dino.config
    layers = [m for name, m in dino.named_modules() if name.endswith((".k_proj", ".key"))]
    hook = layers[-1].register_forward_hook(lambda layer, inputs, output: keys.append(output))
    try:
        shown = _shown(image, config.image_size, config.patch_size, networks.names.levels)
        dino(pixel_values=shown.to(networks.device), interpolate_pos_encoding=True)
    finally:
        hook.remove()
    unit = F.normalize(keys[0][0].double(), dim=1)
    return unit @ unit.T


def _outside(
    networks: Networks, first: Image.Image, edited: Image.Image, mask: Mask | None
) -> dict[str, float]:
    from torchmetrics.functional.image import structural_similarity_index_measure

    a, b = (_blackened(image, mask) for image in (first, edited))
    x, y = (_pixels(levels).to(networks.device) for levels in (a, b))
    return {
        "lpips": float(networks.perceptual(2 * x - 1, 2 * y - 1)),
        "psnr": psnr_of(a, b),
        "ssim": float(structural_similarity_index_measure(y, x, data_range=1.0)),
        "mse": float(((a - b) ** 2).mean()) / 255**2,
    }


def _cosine(a: Tensor, b: Tensor) -> float:
    return float(F.cosine_similarity(a.double(), b.double(), dim=0))


def _blackened(image: Image.Image, mask: Mask | None) -> Floats:
    levels = np.array(image.convert("RGB"), dtype=np.float64)
    if mask is not None:
        levels[mask] = 0
    return levels


def _pixels(levels: Floats) -> Tensor:
    """8-bit levels, (height, width, 3), as colours from 0 to 1. Shape: (1, 3, height, width)."""
    return torch.from_numpy(levels / 255).permute(2, 0, 1)[None].float()


def _shown(image: Image.Image, side: int, patch: int, levels: Levels) -> Tensor:
    """A picture as DINO gets it: the shorter side `side` pixels, unless the longer grows too long.

    Shape: (1, 3, rows, columns).
    """
    pixels = _pixels(np.array(image.convert("RGB"), dtype=np.float64))
    short, long = sorted(image.size)
    scale = min(side / short, LONGEST * side / long)
    size = [max(patch, int(scale * n + 1e-9)) for n in (image.height, image.width)]
    right = levels == "right"
    small = F.interpolate(pixels, size=size, mode="bilinear", antialias=right, align_corners=False)
    mean, deviation = (torch.tensor(value)[:, None, None] for value in (MEAN, DEVIATION))
    return ((small if right else 255 * small) - mean) / deviation
