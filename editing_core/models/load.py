"""The one way to load a model, and the families that can be loaded."""

from __future__ import annotations

import torch

from editing_core.models.checkpoints import ModelSource
from editing_core.models.diffusers_model import DiffusersModel
from editing_core.models.flux1 import Flux1, Kontext
from editing_core.models.flux2 import DistilledFlux2, Flux2
from editing_core.models.loader import planned
from editing_core.models.qwen_image import QwenImage
from editing_core.models.qwen_image_edit import FirstQwenImageEdit, QwenImageEdit
from editing_core.models.sd3 import StableDiffusion3, StableDiffusion3Turbo
from editing_core.models.z_image import ZImage, ZImageTurbo

FAMILIES: dict[str, type[DiffusersModel]] = {
    "FluxTransformer2DModel": Flux1,
    "Flux2Transformer2DModel": Flux2,
    "QwenImageTransformer2DModel": QwenImage,
    "ZImageTransformer2DModel": ZImage,
    "SD3Transformer2DModel": StableDiffusion3,
}
"""By the class of the transformer, as a folder in diffusers' layout names it."""
BY_PIPELINE: dict[str, type[DiffusersModel]] = {
    "FluxKontextPipeline": Kontext,
    "QwenImageEditPipeline": FirstQwenImageEdit,
    "QwenImageEditPlusPipeline": QwenImageEdit,
}
"""Models whose transformer is that of another family, by the pipeline of their folder."""
TURBO: dict[type[DiffusersModel], type[DiffusersModel]] = {
    ZImage: ZImageTurbo,
    StableDiffusion3: StableDiffusion3Turbo,
}
"""Families of which some were distilled, as only their names tell."""


def load(
    source: str = "portraits",
    *,
    device: str | None = None,
    dtype: torch.dtype | None = None,
    memory: str = "auto",
    compiled: bool = False,
) -> DiffusersModel:
    """Load a model.

    Args:
        source: "portraits" (shipped here), another name in ``offers.KNOWN``, a hub id, a folder in
            diffusers' layout, or a .safetensors or .gguf file with a transformer alone.
        device: Where to run; the first NVIDIA GPU if there is one, else the CPU.
        dtype: Precision of transformer and text encoders; bfloat16 on a GPU, else float32.
        memory: How it is held, by a name in ``memory_plan.NAMES``; "auto" chooses by what is free.
        compiled: Whether the transformer's blocks are compiled, which the first call pays for.

    Raises:
        ModelMissing: The model is not there, cannot edit, or does not fit; one sentence says what
            to do.
    """
    plan = planned(source, device=device, dtype=dtype, memory=memory, compiled=compiled)
    parts, held = plan.parts()
    return family_of(held.source)(**parts, name=source, held=held)


def family_of(source: ModelSource) -> type[DiffusersModel]:
    """Tell from a folder's configurations which class of models it holds."""
    family = FAMILIES[source.layout.networks["transformer"]]
    if made_for := BY_PIPELINE.get(str(source.pipeline.get("_class_name"))):
        return made_for
    if family is Flux2 and source.pipeline.get("is_distilled") is True:
        return DistilledFlux2
    if "turbo" in (source.hub_id or source.name).lower():  # their files say nothing of it
        return TURBO.get(family, family)
    return family
