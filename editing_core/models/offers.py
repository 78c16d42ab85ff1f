"""What each family and each known model offers, told without loading anything."""

from __future__ import annotations

from dataclasses import replace

from editing_core.models.base import ModelSpec

FLUX1 = ModelSpec(
    name="flux-dev",
    family="FLUX.1",
    parts=("transformer", "vae", "text_encoder", "text_encoder_2"),
    latents="FLUX.1",
    token_side=16,
    sizes=(256, 1440),
    guidance="embedded",
    invertible=True,
    references=0,
    licence="FLUX.1 [dev] Non-Commercial License",
)
KONTEXT = replace(FLUX1, name="kontext", references=1)
FLUX2 = ModelSpec(
    name="klein",
    family="FLUX.2 klein",
    parts=("transformer", "vae", "text_encoder"),
    latents="FLUX.2",
    token_side=16,
    sizes=(256, 2048),
    guidance="cfg",
    invertible=True,
    references=10,
    licence="Apache-2.0",
)
FLUX2_DISTILLED = replace(
    FLUX2, name="klein-distilled", guidance="none", invertible=False, few_steps=4
)
QWEN_IMAGE = ModelSpec(
    name="qwen-image",
    family="Qwen-Image",
    parts=("transformer", "vae", "text_encoder"),
    latents="Qwen-Image",
    token_side=16,
    sizes=(256, 1664),
    guidance="cfg",
    invertible=True,
    references=0,
    licence="Apache-2.0",
)
QWEN_IMAGE_EDIT = replace(QWEN_IMAGE, name="qwen-image-edit", references=3)
QWEN_IMAGE_EDIT_FIRST = replace(QWEN_IMAGE_EDIT, references=1)
Z_IMAGE = ModelSpec(
    name="z-image",
    family="Z-Image",
    parts=("transformer", "vae", "text_encoder"),
    latents="FLUX.1",
    token_side=16,
    sizes=(256, 1536),
    guidance="cfg",
    invertible=True,
    references=0,
    licence="Apache-2.0",
)
Z_IMAGE_TURBO = replace(
    Z_IMAGE, name="z-image-turbo", guidance="none", invertible=False, few_steps=8
)
SD35 = ModelSpec(
    name="sd3.5",
    family="Stable Diffusion 3.5",
    parts=("transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3"),
    latents="Stable Diffusion 3",
    token_side=16,
    sizes=(256, 1440),
    guidance="cfg",
    invertible=True,
    references=0,
    licence="Stability AI Community License",
)
SD35_MEDIUM = replace(SD35, name="sd3.5-medium")
SD35_TURBO = replace(SD35, name="sd3.5-turbo", guidance="none", invertible=False, few_steps=4)
SHIPPED = replace(
    FLUX1,
    name="portraits",
    latents="portraits",
    token_side=32,
    sizes=(128, 384),
    licence="Apache-2.0",
)
FIRST_EDITION = replace(
    SHIPPED, name="portraits-128", latents="portraits-128", token_side=16, sizes=(128, 128)
)
FAMILIES = (
    FLUX1,
    KONTEXT,
    FLUX2,
    FLUX2_DISTILLED,
    QWEN_IMAGE,
    QWEN_IMAGE_EDIT,
    Z_IMAGE,
    Z_IMAGE_TURBO,
    SD35,
    SD35_MEDIUM,
    SD35_TURBO,
)
"""What a model that is not known by name may offer."""
KNOWN = {spec.name: spec for spec in (SHIPPED, FIRST_EDITION, *FAMILIES)}
HUB = {
    "flux-dev": "black-forest-labs/FLUX.1-dev",
    "kontext": "black-forest-labs/FLUX.1-Kontext-dev",
    "klein": "black-forest-labs/FLUX.2-klein-base-4B",
    "klein-distilled": "black-forest-labs/FLUX.2-klein-4B",
    "qwen-image": "Qwen/Qwen-Image",
    "qwen-image-edit": "Qwen/Qwen-Image-Edit-2511",
    "z-image": "Tongyi-MAI/Z-Image",
    "z-image-turbo": "Tongyi-MAI/Z-Image-Turbo",
    "sd3.5": "stabilityai/stable-diffusion-3.5-large",
    "sd3.5-medium": "stabilityai/stable-diffusion-3.5-medium",
    "sd3.5-turbo": "stabilityai/stable-diffusion-3.5-large-turbo",
}
"""Where the known models that are not shipped lie on the Hugging Face hub."""


def spec_of(name: str, family: ModelSpec = FLUX1) -> ModelSpec:
    """Return what a model offers; of one known by neither name nor id, what its family does.

    Args:
        name: What it is asked for by.
        family: What its family offers, as far as that is known.
    """
    for known, hub_id in HUB.items():
        if name == hub_id:
            return replace(KNOWN[known], name=name)
    return KNOWN.get(name, replace(family, name=name))


def possible(name: str) -> list[ModelSpec]:
    """Return what a model may offer, before its files are seen: one spec if it is known."""
    if name in KNOWN or name in HUB.values():
        return [spec_of(name)]
    return [spec_of(name, family) for family in FAMILIES]
