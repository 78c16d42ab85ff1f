import numpy as np
import pytest
import torch
from diffusers import FluxPipeline
from PIL import Image
from tiny_flux import noise_picture, tiny_flux, tiny_parts

from editing_core.models.canvas import Canvas, pack, unpack
from editing_core.models.flux1 import Flux1

SIZES = [(48, 32), (33, 47), (16, 16), (17, 100)]


def test_canvas_covers_the_picture():
    canvas = Canvas(33, 48)
    assert (canvas.cols, canvas.rows, canvas.tokens) == (3, 3, 9)
    assert (canvas.padded_width, canvas.padded_height) == (48, 48)


def test_packing_is_that_of_diffusers():
    canvas = Canvas(48, 32)
    latents = torch.randn(1, 16, 4, 6)
    packed = pack(latents)
    assert torch.equal(packed, FluxPipeline._pack_latents(latents, 1, 16, 4, 6))
    assert torch.equal(unpack(packed, canvas), latents)


@pytest.mark.parametrize("size", SIZES)
def test_any_size_is_kept(size):
    flux, canvas = tiny_flux(), Canvas(*size)
    x = flux.encode(noise_picture(*size))
    assert x.shape == (1, canvas.tokens, 64)
    assert x.dtype == torch.float32
    assert flux.decode(x, canvas).size == size


def test_padding_repeats_the_edge():
    picture = noise_picture(33, 20)
    padded = np.pad(np.array(picture), ((0, 12), (0, 15), (0, 0)), mode="edge")
    flux = tiny_flux()
    assert torch.equal(flux.encode(picture), flux.encode(Image.fromarray(padded)))


class Mirror:
    """A VAE that loses nothing: 8 x 8 blocks of pixels as channels."""

    dtype = torch.float32

    class config:  # noqa: N801
        scaling_factor, shift_factor = 0.5, 0.25
        block_out_channels = (1, 1, 1, 1)

    def encode(self, pixels):
        mean = torch.nn.functional.pixel_unshuffle(pixels, 8)
        return type("Encoded", (), {"latent_dist": type("Posterior", (), {"mean": mean})})

    def decode(self, latents):
        return type("Decoded", (), {"sample": torch.nn.functional.pixel_shuffle(latents, 8)})


@pytest.mark.parametrize("size", SIZES)
def test_a_lossless_vae_returns_the_same_picture(size):
    flux = Flux1(**vars(tiny_parts()) | {"vae": Mirror()}, name="mirror")
    picture = noise_picture(*size)
    x = flux.encode(picture)
    assert x.min() >= (-1 - 0.25) * 0.5 and x.max() <= (1 - 0.25) * 0.5
    assert np.array_equal(np.array(flux.decode(x, Canvas(*size))), np.array(picture))
