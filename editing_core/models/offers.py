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
FLUX2 = ModelSpec(
    name="klein-base",
    family="FLUX.2",
    parts=("transformer", "vae", "text_encoder"),
    latents="FLUX.2",
    token_side=16,
    sizes=(256, 2048),
    guidance="cfg",
    invertible=True,
    references=10,
    licence="Apache-2.0",
)
SHIPPED = replace(
    FLUX1, name="portraits", latents="portraits", sizes=(128, 128), licence="Apache-2.0"
)
KNOWN = {spec.name: spec for spec in (SHIPPED, FLUX1)}


def spec_of(name: str, family: ModelSpec = FLUX1) -> ModelSpec:
    """Return what a model offers; of one that is not known by name, what its family does."""
    return KNOWN.get(name, replace(family, name=name))
