"""How much memory a model needs at each level of thrift.

Plain arithmetic: parameters are counted from the configurations, before any weight is fetched;
what an edit needs besides follows from the size of its picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from editing_core.models.canvas import Canvas
from editing_core.models.configs import Configs, build

Weights = Literal["plain", "int8", "fp8", "nf4", "gguf"]
FLOAT32 = 4


@dataclass(frozen=True)
class MemoryLevel:
    """One way to hold a model.

    Attributes:
        name: What ``--memory`` calls it.
        said: What it does, in words for the person.
        weights: How the transformer's linear layers are kept.
        text_streamed: Whether the text encoders stay in ordinary memory, and come layer by layer.
        model_streamed: Whether the transformer does, too.
        packages: What it needs installed.
        offered: Whether it is chosen without being asked for.
    """

    name: str
    said: str
    weights: Weights = "plain"
    text_streamed: bool = True
    model_streamed: bool = False
    packages: tuple[str, ...] = ()
    offered: bool = True


LEVELS = (
    MemoryLevel("full", "everything stays there", text_streamed=False),
    MemoryLevel("lean", "the text encoders wait in ordinary memory", packages=("accelerate",)),
    MemoryLevel("int8", "8 bits a weight, text encoders in ordinary memory", "int8",
          packages=("accelerate", "torchao")),
    MemoryLevel("fp8", "8 floating bits a weight, text encoders in ordinary memory", "fp8",
          packages=("accelerate", "torchao"), offered=False),
    MemoryLevel("fp8-fast", "matrix products in 8 floating bits (Ada, Hopper)", "fp8",
          packages=("accelerate", "torchao"), offered=False),
    MemoryLevel("nf4", "4 bits a weight, text encoders in ordinary memory", "nf4",
          packages=("accelerate", "bitsandbytes")),
    MemoryLevel("stream",
          "all weights wait in ordinary memory and come block by block, which is slow",
          model_streamed=True, packages=("accelerate",)),
)  # fmt: skip
"""From the fastest to the thriftiest."""


@dataclass(frozen=True)
class Sizes:
    """What of a model decides how much memory it needs; numbers of parameters where not said else.

    Attributes:
        transformer: All of it.
        linear: Those in weights of its linear layers, which quantisation shrinks.
        rows: Outputs of those layers; each has a scale of its own in 8 bits.
        widest: Those of its largest linear layer.
        block: Those of its largest block.
        blocks: Those in all its blocks.
        text: Both text encoders.
        text_layer: The largest layer of those.
        vae: The VAE.
        width: Numbers a token has within the transformer.
        text_tokens: Tokens a prompt has.
        vae_channels: Channels of the VAE at full size, and one level below.
        stored: Bytes of the transformer in a GGUF file; 0 if it is in none.
    """

    transformer: int
    linear: int
    rows: int
    widest: int
    block: int
    blocks: int
    text: int
    text_layer: int
    vae: int
    width: int
    text_tokens: int
    vae_channels: tuple[int, int]
    stored: int = 0


def sizes_of(configs: Configs, *, text_tokens: int = 512, stored: int = 0) -> Sizes:
    """Count parameters without making any.

    Args:
        configs: Of transformer, vae, text_encoder and text_encoder_2.
        text_tokens: Tokens a prompt is padded to.
        stored: Bytes of the transformer in a GGUF file, if it is in one.
    """
    import torch

    with torch.device("meta"):
        models = build(configs)
    return sizes_in(models, text_tokens=text_tokens, stored=stored)


def sizes_in(models: Mapping[str, Any], *, text_tokens: int = 512, stored: int = 0) -> Sizes:
    """Count the parameters of the four models of a pipeline. See ``sizes_of``."""
    import torch

    transformer = models["transformer"]
    linear = [m.weight for m in transformer.modules() if isinstance(m, torch.nn.Linear)]
    blocks = [
        _parameters(block)
        for block in (*transformer.transformer_blocks, *transformer.single_transformer_blocks)
    ]
    encoders = [models["text_encoder"], models["text_encoder_2"]]
    wide, narrow = (*models["vae"].config.block_out_channels, 0)[:2]
    return Sizes(
        transformer=_parameters(transformer),
        linear=sum(weight.numel() for weight in linear),
        rows=sum(weight.shape[0] for weight in linear),
        widest=max(weight.numel() for weight in linear),
        block=max(blocks),
        blocks=sum(blocks),
        text=sum(map(_parameters, encoders)),
        text_layer=max(p.numel() for encoder in encoders for p in encoder.parameters()),
        vae=_parameters(models["vae"]),
        width=transformer.inner_dim,
        text_tokens=text_tokens,
        vae_channels=(wide, narrow or wide),
        stored=stored,
    )


def _parameters(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def transformer_bytes(sizes: Sizes, weights: Weights, each: int) -> int:
    """Bytes of the transformer's weights, ``each`` where they are plain."""
    rest = (sizes.transformer - sizes.linear) * each
    match weights:
        case "plain":
            return sizes.transformer * each
        case "int8":  # a float32 scale and an int8 zero a row
            return sizes.linear + 5 * sizes.rows + rest
        case "fp8":  # a float32 scale a row
            return sizes.linear + 4 * sizes.rows + rest
        case "nf4":  # a float32 scale for 64 weights
            return sizes.linear // 2 + sizes.linear // 64 * FLOAT32 + rest
        case "gguf":
            return sizes.stored


def forward_bytes(sizes: Sizes, canvas: Canvas, each: int) -> int:
    """Bytes that a model call needs besides weights.

    It needs most in a single block. Of tensors of (tokens, width) there are its input twice, the
    same normed, and four of the MLP; then either queries, keys, values and what turning the queries
    takes in float32, or attention's result, that and the MLP's joined (five), and the output twice.
    """
    turning = 10 * each + (7 * FLOAT32 // 2 if each < FLOAT32 else 3 * FLOAT32)
    return (sizes.text_tokens + canvas.tokens) * sizes.width * max(turning, 15 * each)


def vae_bytes(sizes: Sizes, canvas: Canvas, tile: int) -> int:
    """Bytes that the VAE needs besides weights, to decode or to encode, in float32.

    Decoding needs most where its last level begins (input, normed, activated), encoding at the end
    of its first residual blocks.
    """
    pixels = canvas.padded_width * canvas.padded_height
    if max(canvas.padded_width, canvas.padded_height) > tile:
        pixels = min(pixels, tile * tile)
    wide, narrow = sizes.vae_channels
    return pixels * FLOAT32 * max(3 * narrow, 5 * wide)


def peak_bytes(sizes: Sizes, level: MemoryLevel, canvas: Canvas, tile: int, each: int) -> int:
    """Bytes of the device needed at the most, from loading to the edited picture.

    Args:
        sizes: Of the model.
        level: How it is held.
        canvas: Size of the picture.
        tile: Side of what the VAE takes at once.
        each: Bytes of a plain weight: 2 for bfloat16, 4 for float32.
    """
    weights: Weights = "gguf" if sizes.stored else level.weights
    held = transformer_bytes(sizes, weights, each)
    call = forward_bytes(sizes, canvas, each)
    if weights != "plain":
        call += sizes.widest * each  # a layer's weights are unpacked for its product
    if level.model_streamed:  # one block at work, the next on its way
        outside = sizes.transformer - sizes.blocks
        share = held / sizes.transformer
        call += int((2 * sizes.block + outside) * share)
        held = 0
    text = 2 * sizes.text_layer * each if level.text_streamed else 0
    held += sizes.vae * FLOAT32 + (0 if level.text_streamed else sizes.text * each)
    return held + max(call, vae_bytes(sizes, canvas, tile), text)
