"""What of diffusers is private and used: an update that moves any of it is named here."""

import ast
from importlib import import_module
from pathlib import Path

import pytest
from diffusers import FluxTransformer2DModel
from diffusers.models.transformers.transformer_flux import FluxAttnProcessor
from diffusers.models.transformers.transformer_flux2 import (
    Flux2AttnProcessor,
    Flux2ParallelSelfAttnProcessor,
)
from paths import ROOT
from tiny_flux import tiny_flux

from editing_core.models import diffusers_internals

HOME = Path("editing_core/models/diffusers_internals.py")
MODULES = {
    "diffusers.models.attention_dispatch": ("attention_backend", "dispatch_attention_fn"),
    "diffusers.models.embeddings": ("apply_rotary_emb", "get_1d_rotary_pos_embed"),
    "diffusers.models.transformers.transformer_flux": ("_get_qkv_projections",),
}


@pytest.mark.parametrize("module", MODULES)
def test_each_private_name_is_where_it_was(module: str) -> None:
    found = import_module(module)
    moved = [name for name in MODULES[module] if not hasattr(found, name)]
    assert not moved, f"diffusers moved {moved} out of {module}; adapt {HOME}"


@pytest.mark.parametrize(
    "processor", [FluxAttnProcessor, Flux2AttnProcessor, Flux2ParallelSelfAttnProcessor]
)
def test_processors_name_their_backend(processor: type) -> None:
    for name in ("_attention_backend", "_parallel_config"):
        assert hasattr(processor, name), f"{processor.__name__} lost {name}; adapt {HOME}"


def test_what_is_asked_of_transformers_and_vaes() -> None:
    assert hasattr(FluxTransformer2DModel, "_cp_plan"), f"adapt context_parallel_plan in {HOME}"
    assert diffusers_internals.split_over_processes(tiny_flux().transformer) is False
    assert diffusers_internals.backend_of(FluxAttnProcessor()) is None
    for name in ("tile_sample_min_size", "tile_latent_min_size"):
        assert hasattr(tiny_flux().vae, name), f"VAE tiles: {name} is gone; adapt placement.py"


def test_no_other_file_reaches_into_diffusers() -> None:
    """Anything but names of the package itself, its utilities and hooks goes through one file."""
    public = ("diffusers", "diffusers.utils", "diffusers.hooks")
    found = []
    for top in ("editing_core", "tools", "agent"):
        for file in sorted((ROOT / top).rglob("*.py")):
            where = file.relative_to(ROOT)
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("diffusers"):
                    private = any(alias.name.startswith("_") for alias in node.names)
                    if where != HOME and (node.module not in public or private):
                        found.append(f"{where}:{node.lineno}")
    assert not found
