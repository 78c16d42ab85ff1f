"""How much memory a model needs at each level of thrift, and which level suits what is free.

Plain arithmetic: parameters are counted from the configurations, before any weight is fetched; what
an edit needs besides follows from the size of its picture. What will be done is said in one
sentence before loading.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from editing_core.errors import ModelMissing
from editing_core.models.canvas import Canvas
from editing_core.models.configs import Configs
from editing_core.models.layouts import FIRST, LAYOUTS, Layout, build

if TYPE_CHECKING:
    import torch

GB = 10**9
TYPICAL = Canvas(1024, 1024)  # the picture that a plan is made for
RESERVE = 0.06  # of the free memory, for what the allocator cannot use
TILES = (1024, 512)  # sides in pixels of what the VAE takes at once, the larger the better
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
BY_NAME = {level.name: level for level in LEVELS}
NAMES = ("auto", *BY_NAME)


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
        text: All text encoders.
        text_layer: The largest layer of those.
        vae: The VAE.
        width: Numbers a token has within the transformer.
        text_tokens: Tokens a prompt has.
        vae_channels: Channels of the VAE at full size, and one level below.
        layout: Of the model's folder, for what its calls need.
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
    layout: Layout = LAYOUTS[FIRST]
    stored: int = 0


def sizes_of(
    configs: Configs, *, text_tokens: int = 512, stored: int = 0, layout: Layout | None = None
) -> Sizes:
    """Count parameters without making any.

    Args:
        configs: Of all networks of a pipeline.
        text_tokens: Tokens a prompt is padded to.
        stored: Bytes of the transformer in a GGUF file, if it is in one.
        layout: Of the model's folder; that of its transformer's class if left out.
    """
    import torch

    with torch.device("meta"):
        models = build(configs)
    return sizes_in(models, text_tokens=text_tokens, stored=stored, layout=layout)


def sizes_in(
    models: Mapping[str, Any],
    *,
    text_tokens: int = 512,
    stored: int = 0,
    layout: Layout | None = None,
) -> Sizes:
    """Count the parameters of the networks of a pipeline. See ``sizes_of``."""
    import torch

    transformer = models["transformer"]
    layout = layout or LAYOUTS[type(transformer).__name__]
    linear = [m.weight for m in transformer.modules() if isinstance(m, torch.nn.Linear)]
    lists = [part for part in transformer.children() if isinstance(part, torch.nn.ModuleList)]
    blocks = [_parameters(block) for blocks in lists for block in blocks]
    encoders = [models[part] for part in layout.encoders]
    wide, narrow = (*_channels(models["vae"].config), 0)[:2]
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
        width=transformer.config.get("dim") or transformer.inner_dim,
        text_tokens=text_tokens,
        vae_channels=(wide, narrow or wide),
        layout=layout,
        stored=stored,
    )


def _channels(vae: Any) -> list[int]:
    """Return the channels of a VAE's levels, from the finest; families write them differently."""
    if "base_dim" in vae:
        return [vae.base_dim * times for times in vae.dim_mult]
    return list(vae.block_out_channels)


def _parameters(model: Any) -> int:
    """Count the parameters, and with them the buffers that its files hold."""
    stored = model.state_dict().keys()
    buffers = (buffer for name, buffer in model.named_buffers() if name in stored)
    return sum(held.numel() for held in (*model.parameters(), *buffers))


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

    It needs most in a single block. Of tensors of (tokens, width) there are, with FLUX.1, its input
    twice, the same normed, and four of the MLP; then either queries, keys, values and what turning
    the queries takes in float32, or attention's result, that and the MLP's joined (five), and the
    output twice. How many the latter are differs from family to family.
    """
    needed = sizes.layout.live * each
    if sizes.layout.turning:
        needed = max(needed, 10 * each + (7 * FLOAT32 // 2 if each < FLOAT32 else 3 * FLOAT32))
    return int((sizes.text_tokens + canvas.tokens) * sizes.width * needed)


def vae_bytes(sizes: Sizes, canvas: Canvas, tile: int) -> int:
    """Bytes that the VAE needs besides weights, to decode or to encode, in float32.

    Decoding needs most where its last level begins (input, normed, activated), encoding at the end
    of its first residual blocks.
    """
    pixels = canvas.padded_width * canvas.padded_height
    if max(canvas.padded_width, canvas.padded_height) > tile:
        pixels = min(pixels, tile * tile)
    wide, narrow = sizes.vae_channels
    return pixels * FLOAT32 * max(3 * narrow, sizes.layout.vae_live * wide)


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


@dataclass(frozen=True)
class MemoryPlan:
    """How a model will be held.

    Attributes:
        level: The way.
        tile: Side of what the VAE takes at once, in pixels.
        peak: Bytes needed at the most, for a picture of the size it was made for.
    """

    level: MemoryLevel
    tile: int
    peak: int


def plans(sizes: Sizes, *, each: int = 2, device: str = "cuda") -> Iterator[MemoryPlan]:
    """All plans that may be chosen, from the fastest to the thriftiest; each needs less memory."""
    least = None
    for level in LEVELS[:1] if device == "cpu" else LEVELS:
        if not level.offered or (sizes.stored and level.weights != "plain"):
            continue
        for tile in TILES:
            peak = peak_bytes(sizes, level, TYPICAL, tile, each)
            if least is None or peak < least:
                least = peak
                yield MemoryPlan(level, tile, peak)


def at_each_level(sizes: Sizes) -> tuple[MemoryPlan, ...]:
    """What a GPU needs at each level that is offered, with pictures in one tile."""
    return tuple(
        MemoryPlan(level, TILES[0], peak_bytes(sizes, level, TYPICAL, TILES[0], 2))
        for level in LEVELS
        if level.offered
    )


def missing(level: MemoryLevel) -> list[str]:
    """Packages that a level needs and that are not installed."""
    return [package for package in level.packages if find_spec(package) is None]


def choose(
    sizes: Sizes, free: int, *, wanted: str = "auto", each: int = 2, device: str = "cuda"
) -> MemoryPlan:
    """Choose the fastest plan that fits, or the best of the level that is wanted.

    Args:
        sizes: Of the model.
        free: Bytes free on the device.
        wanted: "auto", or the name of a level.
        each: Bytes of a plain weight.
        device: "cuda" or "cpu".

    Raises:
        ModelMissing: Nothing fits, or the wanted level cannot be had.
    """
    usable = int(free * (1 - RESERVE))
    if wanted != "auto":
        return _at(level_named(wanted), sizes, usable, each)
    found = fitting(sizes, free, each=each, device=device)
    for plan in found:
        if not missing(plan.level):
            return plan
    raise ModelMissing(_too_large(sizes, free, found, each, device))


def fitting(sizes: Sizes, free: int, *, each: int = 2, device: str = "cuda") -> list[MemoryPlan]:
    """Return the plans that fit, the fastest first, whether or not their packages are there."""
    usable = int(free * (1 - RESERVE))
    return [plan for plan in plans(sizes, each=each, device=device) if plan.peak <= usable]


def _too_large(sizes: Sizes, free: int, found: list[MemoryPlan], each: int, device: str) -> str:
    ready = [p for p in plans(sizes, each=each, device=device) if not missing(p.level)]
    if found:
        packages = " ".join(missing(found[0].level))
        instead = f"with pip install {packages} it needs {in_gb(found[0].peak)}"
    elif device == "cpu":
        instead = "use a GPU, or try all the same with --memory full"
    else:
        instead = "close what else uses the GPU"
    return (
        f"The model needs {in_gb(ready[-1].peak)} of memory at least, and {in_gb(free)} are free; "
        f"{instead}."
    )


def level_named(name: str) -> MemoryLevel:
    """Return a level that is ready to be used.

    Raises:
        ModelMissing: There is no such level, or it needs what is not installed.
    """
    if name not in BY_NAME:
        raise ModelMissing(f"There is no memory level {name}; choose one of: {', '.join(NAMES)}.")
    if lacking := missing(BY_NAME[name]):
        raise ModelMissing(f"--memory {name} needs: pip install {' '.join(lacking)}")
    return BY_NAME[name]


def _at(level: MemoryLevel, sizes: Sizes, usable: int, each: int) -> MemoryPlan:
    if sizes.stored and level.weights != "plain":
        raise ModelMissing(
            f"The weights of a GGUF file stay as they are, so --memory {level.name} is not for it; "
            "choose full, lean or stream."
        )
    tried = [MemoryPlan(level, t, peak_bytes(sizes, level, TYPICAL, t, each)) for t in TILES]
    return next((plan for plan in tried if plan.peak <= usable), tried[-1])


def sentence(plan: MemoryPlan, sizes: Sizes, free: int, *, each: int = 2) -> str:
    """Say in one sentence what is needed, what is there, and what will be done."""
    full = next(plans(sizes, each=each))
    if plan.level.name == full.level.name:
        return f"needs {in_gb(plan.peak)}, you have {in_gb(free)}: {plan.level.said}"
    said = (
        f"needs {in_gb(full.peak)}, you have {in_gb(free)}: will need {in_gb(plan.peak)} at level "
        f"{plan.level.name} ({plan.level.said})"
    )
    better = [p for p in plans(sizes, each=each) if plan.peak < p.peak <= free * (1 - RESERVE)]
    lacking = next((names for p in better if (names := missing(p.level))), None)
    return f"{said}; faster after: pip install {' '.join(lacking)}" if lacking else said


def free_bytes(device: str | torch.device) -> int | None:
    """Bytes free on a device (of ordinary memory for the CPU), None where nobody can tell."""
    if str(device).startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(s.split()[1]) for s in lines if s.startswith("MemAvailable")), None)


def in_gb(size: int) -> str:
    """A number of bytes, as people read it."""
    return f"{size / GB:.0f} GB" if size >= 10 * GB else f"{size / GB:.1f} GB"
