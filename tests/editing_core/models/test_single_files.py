"""Files with a transformer alone, of every family: told by their tensors, loaded, or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from flux_files import random_model, write_repository
from safetensors.torch import save_file
from single_layouts import LAYOUT_OF
from tiny_flux2 import write_repository2
from tiny_qwen import write_qwen
from tiny_sd3 import write_sd3
from tiny_z_image import write_z

from editing_core.editor import draw_noise
from editing_core.errors import ModelMissing
from editing_core.models import checkpoints
from editing_core.models.checkpoints import configs, find
from editing_core.models.load import FAMILIES, load
from editing_core.models.offers import HUB
from editing_core.models.single_files import (
    KINDS,
    PREFIX,
    depth_in,
    kind_of,
    refuse_other_text,
    rest_of,
    shapes_in,
)

WRITE: dict[str, Callable[[Path], Any]] = {
    "FluxTransformer2DModel": lambda folder: write_repository(random_model(), folder, bfl=False),
    "Flux2Transformer2DModel": write_repository2,
    "QwenImageTransformer2DModel": write_qwen,
    "ZImageTransformer2DModel": write_z,
    "SD3Transformer2DModel": write_sd3,
}
every_family = pytest.mark.parametrize("kind", WRITE)


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A family's folder in diffusers' layout, written once."""
    written: dict[str, Path] = {}

    def of(kind: str) -> Path:
        if kind not in written:
            written[kind] = tmp_path_factory.mktemp(kind)
            WRITE[kind](written[kind])
        return written[kind]

    return of


def velocity(model: Any) -> torch.Tensor:
    canvas = model.canvas(48, 32)
    noise = draw_noise(0, canvas, model.channels)
    return model.velocity(noise, 0.5, model.encode_text("a red hat"), guidance=3.5, canvas=canvas)


def test_all_families_have_files() -> None:
    assert set(WRITE) == set(LAYOUT_OF) == set(KINDS) == set(FAMILIES)


@every_family
@pytest.mark.parametrize("names", ["its authors' names", "ComfyUI's names", "diffusers' names"])
def test_a_file_is_loaded_beside_the_rest(
    kind: str, names: str, folder_of: Callable[[str], Path], tmp_path: Path
) -> None:
    """It stands in for the folder's own transformer, and so makes the same velocity."""
    if kind == "FluxTransformer2DModel" and "diffusers" not in names:
        pytest.skip("diffusers reads these at full width only: see test_flux_files.py")
    whole = load(str(folder_of(kind)), device="cpu")
    for part in folder_of(kind).iterdir():
        (tmp_path / part.name).symlink_to(part)
    state = whole.transformer.state_dict()
    weights = dict(state) if "diffusers" in names else LAYOUT_OF[kind](whole.transformer)
    prefix = PREFIX if "ComfyUI" in names else ""
    file = tmp_path / "model.safetensors"
    save_file({prefix + name: value.contiguous() for name, value in weights.items()}, file)
    source = find(str(file))
    assert source.base == tmp_path and source.hub_id is None
    assert kind_of(file, shapes_in(file)) == kind
    said = whole.transformer.config
    assert depth_in(file, kind) == {name: said[name] for name in KINDS[kind].depths}
    assert configs(source)["transformer"].items() >= depth_in(file, kind).items()
    model = load(str(file), device="cpu")
    assert type(model) is type(whole) is FAMILIES[kind]
    torch.testing.assert_close(velocity(model), velocity(whole), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("kind", "name", "hub_id"),
    [
        ("FluxTransformer2DModel", "flux1-dev-Q4_K_S.gguf", HUB["flux-dev"]),
        ("FluxTransformer2DModel", "flux1-kontext-dev.safetensors", HUB["kontext"]),
        ("Flux2Transformer2DModel", "flux-2-klein-base-4b.safetensors", HUB["klein"]),
        ("Flux2Transformer2DModel", "flux-2-klein-4b.safetensors", HUB["klein-distilled"]),
        ("QwenImageTransformer2DModel", "qwen_image_bf16.safetensors", HUB["qwen-image"]),
        ("QwenImageTransformer2DModel", "qwen_image_edit_2511_bf16.safetensors",
         "Qwen/Qwen-Image-Edit-2511"),
        ("QwenImageTransformer2DModel", "Qwen-Image-Edit-2509-Q4_0.gguf",
         "Qwen/Qwen-Image-Edit-2509"),
        ("QwenImageTransformer2DModel", "qwen_image_edit_bf16.safetensors", "Qwen/Qwen-Image-Edit"),
        ("ZImageTransformer2DModel", "z_image_turbo_bf16.safetensors", HUB["z-image-turbo"]),
        ("ZImageTransformer2DModel", "z_image_bf16.safetensors", HUB["z-image"]),
        ("SD3Transformer2DModel", "sd3.5_large.safetensors", HUB["sd3.5"]),
        ("SD3Transformer2DModel", "sd3.5_large_turbo.safetensors", HUB["sd3.5-turbo"]),
        ("SD3Transformer2DModel", "sd3.5_medium.safetensors", HUB["sd3.5-medium"]),
    ],
)  # fmt: skip
def test_where_the_rest_is_tells_the_name(kind: str, name: str, hub_id: str) -> None:
    assert rest_of(kind, name) == hub_id


def test_a_lone_file_takes_the_rest_from_the_hub(
    folder_of: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = "ZImageTransformer2DModel"
    asked: list[str] = []
    monkeypatch.setattr(
        checkpoints, "_download", lambda hub_id, wanted: asked.append(hub_id) or folder_of(kind)
    )
    whole = load(str(folder_of(kind)), device="cpu")
    file = tmp_path / "z_image_turbo.safetensors"
    save_file(dict(whole.transformer.state_dict()), file)
    source = find(str(file))
    assert (source.hub_id, source.base, source.file) == (asked[0], folder_of(kind), file)
    assert asked[0] == HUB["z-image-turbo"]


# Refusals


def written(folder: Path, *names: str) -> Path:
    file = folder / "model.safetensors"
    save_file({name: torch.zeros(2, 2) for name in names}, file)
    return file


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["layers.0.weight"], "holds no transformer of these families: FLUX.2 klein, Qwen-Image"),
        (["txt_in.weight", "img_in.scale_weight"], "scaled in ComfyUI's way"),
        (["txt_in.weight", "double_blocks.0.img_mod.lin.weight"], "no guidance input"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, names: list[str], said: str) -> None:
    with pytest.raises(ModelMissing, match=said) as refused:
        find(str(written(tmp_path, *names)))
    assert str(refused.value).count(". ") == 0, "one sentence"


def test_a_larger_sister_with_another_reader_is_refused(tmp_path: Path) -> None:
    """FLUX.2 klein 9B is read by Qwen3-8B, whose states are wider."""
    file = tmp_path / "flux-2-klein-9b.safetensors"
    wide = {"txt_in.weight": (4096, 12288), "double_stream_modulation_img.lin.weight": (6, 4096)}
    assert kind_of(file, wide) == "Flux2Transformer2DModel"
    with pytest.raises(ModelMissing, match="12288 numbers wide, .* give 7680"):
        refuse_other_text(file, "Flux2Transformer2DModel", wide, {"joint_attention_dim": 7680})
