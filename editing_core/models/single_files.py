"""Files that hold a transformer alone, and where the rest of the model is.

Which family a file is of, its tensors tell; which model of the family, only its name does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from editing_core.errors import ModelMissing
from editing_core.models.layouts import FIRST, LAYOUTS
from editing_core.models.offers import HUB

if TYPE_CHECKING:
    from torch import Tensor

SINGLE = (".safetensors", ".gguf")
PREFIX = "model.diffusion_model."  # of tensors in ComfyUI's files
SCALED = ("scale_weight", "weight_scale", "scaled_fp8")
"""Endings of tensors by which ComfyUI's files scale 8-bit weights."""

Shapes = Mapping[str, tuple[int, ...]]
"""By name of a tensor, without ComfyUI's prefix."""


@dataclass(frozen=True)
class FileKind:
    """How files of a family are made.

    Attributes:
        mark: A part of the names of its tensors, and of no other family's before it.
        text: Names of the matrix that takes in the text, in both ways of naming.
        text_width: What the configuration calls its inputs.
        depths: What the configuration calls the number of blocks, and what precedes theirs.
        models: Where the rest is, on the hub: by words of the file's name, the first that fits.
    """

    mark: str
    text: tuple[str, ...]
    models: Mapping[str, str]
    text_width: str = "joint_attention_dim"
    depths: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


FLUX_DEPTHS = {
    "num_layers": ("double_blocks", "transformer_blocks"),
    "num_single_layers": ("single_blocks", "single_transformer_blocks"),
}
QWEN_EDIT = "Qwen/Qwen-Image-Edit"
KINDS = {
    "Flux2Transformer2DModel": FileKind(
        mark="double_stream_modulation_img.",
        text=("txt_in.weight", "context_embedder.weight"),
        models={"base": HUB["klein"], "": HUB["klein-distilled"]},
        depths=FLUX_DEPTHS,
    ),
    "QwenImageTransformer2DModel": FileKind(
        mark="transformer_blocks.0.img_mod.",
        text=("txt_in.weight",),
        models={
            "edit-2511": HUB["qwen-image-edit"],
            "edit-2509": f"{QWEN_EDIT}-2509",
            "edit": QWEN_EDIT,
            "": HUB["qwen-image"],
        },
        depths={"num_layers": ("transformer_blocks",)},
    ),
    "ZImageTransformer2DModel": FileKind(
        mark="cap_pad_token",
        text=("cap_embedder.1.weight",),
        text_width="cap_feat_dim",
        models={"turbo": HUB["z-image-turbo"], "": HUB["z-image"]},
        depths={"n_layers": ("layers",)},
    ),
    "SD3Transformer2DModel": FileKind(
        mark="pos_embed",
        text=("context_embedder.weight",),
        models={"turbo": HUB["sd3.5-turbo"], "medium": HUB["sd3.5-medium"], "": HUB["sd3.5"]},
        depths={"num_layers": ("joint_blocks", "transformer_blocks")},
    ),
    FIRST: FileKind(
        mark="",
        text=("txt_in.weight", "context_embedder.weight"),
        models={"kontext": HUB["kontext"], "": HUB["flux-dev"]},
        depths=FLUX_DEPTHS,
    ),
}
"""By the class of the transformer."""


def kind_of(file: Path, shapes: Shapes) -> str:
    """Tell of which family a file's transformer is, by the class that diffusers has for it.

    Raises:
        ModelMissing: It is of none that can be used, or written in a way that cannot be read.
    """
    if any(name.endswith(SCALED) for name in shapes):
        raise ModelMissing(
            f"{file} holds 8-bit weights scaled in ComfyUI's way, which cannot be read; use the "
            "same in bfloat16, in GGUF, or as a folder in diffusers' layout."
        )
    for kind, made in KINDS.items():
        if any(made.mark in name for name in shapes) and any(name in shapes for name in made.text):
            return kind
    families = ", ".join(LAYOUTS[kind].family for kind in KINDS)
    raise ModelMissing(
        f"{file} holds no transformer of these families: {families}; use one of theirs, or a "
        "folder in diffusers' layout."
    )


def rest_of(kind: str, name: str) -> str:
    """Name the model on the hub that a file's transformer stands in for, by the file's name."""
    said = re.sub(r"[_. ]", "-", name.lower())
    return next(hub_id for word, hub_id in KINDS[kind].models.items() if word in said)


def refuse_other_text(file: Path, kind: str, shapes: Shapes, config: Mapping[str, Any]) -> None:
    """Refuse a transformer that does not take in what its model's text encoders give.

    Raises:
        ModelMissing: It takes another width.
    """
    made = KINDS[kind]
    takes = next(shapes[name][1] for name in made.text if name in shapes)
    if takes != (given := config.get(made.text_width, takes)):
        raise ModelMissing(
            f"The transformer in {file} takes texts {takes} numbers wide, and the text encoders at "
            f"hand give {given}; put it into the folder of its own model, in diffusers' layout."
        )


def depth_in(file: Path, kind: str = FIRST) -> dict[str, int]:
    """Count the blocks in a single file, as its transformer's configuration names them."""
    names = shapes_in(file)

    def count(prefixes: Iterable[str]) -> int:
        pattern = re.compile(rf"(?:^|\.)(?:{'|'.join(prefixes)})\.(\d+)\.")
        return len({int(found[1]) for name in names if (found := pattern.search(name))})

    return {said: count(prefixes) for said, prefixes in KINDS[kind].depths.items()}


def shapes_in(file: Path) -> Shapes:
    """List what a .safetensors or .gguf file holds, without reading it whole.

    Raises:
        ModelMissing: It cannot be read.
    """
    try:
        return {name.removeprefix(PREFIX): shape for name, shape in _stored(file).items()}
    except ModelMissing:
        raise
    except Exception as error:  # each reader has errors of its own
        raise ModelMissing(f"{file} cannot be read as {file.suffix[1:]}: {error}") from error


def _stored(file: Path) -> Shapes:
    if file.suffix == ".gguf":
        read = _gguf().GGUFReader(file).tensors
        return {tensor.name: tuple(map(int, reversed(tensor.shape))) for tensor in read}
    from safetensors import safe_open

    with safe_open(file, "pt") as opened:
        names = opened.keys()
        return {name: tuple(opened.get_slice(name).get_shape()) for name in names}


def _gguf() -> Any:
    try:
        import gguf
    except ImportError:
        raise ModelMissing("Files in GGUF need: pip install gguf accelerate") from None
    return gguf


def checkpoint_in(file: Path) -> str | dict[str, Tensor]:
    """Return what diffusers can load: the file, or its tensors where names have a prefix."""
    if file.suffix == ".gguf":
        return str(file)
    from safetensors.torch import load_file

    weights = load_file(file)
    if not any(name.startswith(PREFIX) for name in weights):
        return str(file)
    return {
        name.removeprefix(PREFIX): weight
        for name, weight in weights.items()
        if name.startswith(PREFIX)
    }
