"""A FLUX of random weights, small enough to build in every test run."""

from dataclasses import replace
from functools import lru_cache

import torch
from PIL import Image

from editing_core.models.flux1 import Flux1, Kontext
from editing_core.portraits.model import Parts, Size, build

TINY = Size(
    width=32,
    heads=2,
    double_blocks=6,
    single_blocks=1,
    text_width=32,
    text_layers=1,
    pooled=16,
    vae_channels=(8, 8, 8, 8),
)
WORDS = ["a portrait of a smiling young woman with a brown bob, a red hat, blue t-shirt"]


@lru_cache(1)
def tiny_parts() -> Parts:
    return build(TINY, captions=WORDS)


@lru_cache(1)
def tiny_flux() -> Flux1:
    return Flux1(**vars(tiny_parts()), name="tiny")


@lru_cache(1)
def tiny_kontext() -> Kontext:
    """The same network: Kontext has no other."""
    return Kontext(**vars(tiny_parts()), name="tiny kontext")


@lru_cache(1)
def deep_flux() -> Flux1:
    """One whose VAE halves four times, so that a token is 32 x 32 pixels."""
    five_levels = replace(TINY, double_blocks=2, vae_channels=(8, 8, 8, 8, 8))
    return Flux1(**vars(build(five_levels, captions=WORDS)), name="tiny, 32 pixels a token")


def noise_picture(width: int, height: int, seed: int = 0) -> Image.Image:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (height, width, 3), generator=generator, dtype=torch.uint8)
    return Image.fromarray(pixels.numpy())
