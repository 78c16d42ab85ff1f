"""FLUX.1-dev's files are found, judged and loaded by the real loaders, from wherever they lie."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from flux_files import NARROW, PROMPTS, bfl_layout, random_model, write_repository
from safetensors.torch import save_file

from editing_core.editor import draw_noise
from editing_core.errors import ModelMissing
from editing_core.hashes import file_hash
from editing_core.models.canvas import Canvas
from editing_core.models.checkpoints import find
from editing_core.models.configs import with_depth
from editing_core.models.flux1 import Flux1
from editing_core.models.load import load
from editing_core.models.single_files import depth_in
from editing_core.portraits.model import Parts

CANVAS = Canvas(48, 32)


@pytest.fixture(scope="module")
def parts() -> Parts:
    return random_model()


@pytest.fixture(scope="module")
def repository(parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repository(parts, tmp_path_factory.mktemp("FLUX.1-dev"))


def velocity(flux: Flux1) -> torch.Tensor:
    noise = draw_noise(0, CANVAS, flux.channels)
    return flux.velocity(noise, 0.5, flux.encode_text(PROMPTS[1]), guidance=3.5, canvas=CANVAS)


def same(one: Flux1, parts: Parts) -> None:
    """The model and its memory of words are those that were written."""
    expected = velocity(Flux1(**vars(parts), name="written"))
    torch.testing.assert_close(velocity(one), expected, atol=1e-5, rtol=0)


def test_the_folder_is_loaded(repository: Path, parts: Parts) -> None:
    flux = load(str(repository))
    same(flux, parts)
    assert flux.text_length == 512
    assert len(flux.encode_text(PROMPTS[0]).offsets) == 512
    assert flux.weights_hash == file_hash(sorted(repository.glob("*/*.safetensors")))


def test_a_single_file_stands_in_for_the_folders_transformer(
    repository: Path, parts: Parts, tmp_path: Path
) -> None:
    """Here under diffusers' names, and of another depth than the folder's configuration says."""
    for part in repository.iterdir():
        (tmp_path / part.name).symlink_to(part)
    shallow = deepcopy(parts)
    del shallow.transformer.single_transformer_blocks[1]
    save_file(shallow.transformer.state_dict(), tmp_path / "lite.safetensors")
    same(load(str(tmp_path / "lite.safetensors")), shallow)


def test_bfls_names_are_understood(repository: Path) -> None:
    """The single file lies in the repository's own folder, beside all that it lacks."""
    source = find(str(repository / "flux1-dev.safetensors"))
    assert source.base == repository and source.hub_id is None
    assert depth_in(repository / "flux1-dev.safetensors") == {
        "num_layers": 2,
        "num_single_layers": 2,
    }
    assert source.weight_files()[-1] == source.file
    assert not any(file.parent.name == "transformer" for file in source.weight_files())


@pytest.mark.slow
@pytest.mark.parametrize("names", ["folder", "bfl", "comfy"])
def test_the_full_width_is_loaded(names: str, tmp_path: Path) -> None:
    """One block of each kind at FLUX.1-dev's width, from the folder and from single files."""
    wide = NARROW | {"transformer": with_depth(1, 1)["transformer"]}
    for part, name in (("text_encoder", "hidden_size"), ("text_encoder_2", "d_model")):
        wide[part] = wide[part] | {name: {"hidden_size": 768, "d_model": 4096}[name]}
    parts = random_model(wide)
    write_repository(parts, tmp_path, bfl=False)
    model = tmp_path
    if names != "folder":
        prefix = "model.diffusion_model." if names == "comfy" else ""
        weights = {prefix + name: value for name, value in bfl_layout(parts.transformer).items()}
        model = tmp_path / "flux1-dev.safetensors"
        save_file(weights, model)
    same(load(str(model)), parts)


def test_gguf_is_loaded(repository: Path, tmp_path: Path) -> None:
    """8-bit blocks of 32 weights, as llama.cpp has them: the velocity is nearly the same."""
    gguf = pytest.importorskip("gguf", reason="needs: pip install gguf accelerate")
    pytest.importorskip("accelerate", reason="needs: pip install gguf accelerate")
    for part in repository.iterdir():
        (tmp_path / part.name).symlink_to(part)
    parts = random_model()
    file = tmp_path / "flux1-dev-Q8_0.gguf"
    writer = gguf.GGUFWriter(str(file), "flux")
    for name, value in parts.transformer.state_dict().items():
        kind = gguf.GGMLQuantizationType.Q8_0
        if value.ndim == 1 or value.shape[1] % 32:
            kind = gguf.GGMLQuantizationType.F32
        packed = gguf.quants.quantize(value.numpy(), kind)
        writer.add_tensor(name, packed, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    flux = load(str(file))
    assert "GGUF" in type(flux.transformer.proj_out.weight).__name__
    assert flux.dtype == torch.float32
    expected = velocity(Flux1(**vars(parts), name="written"))
    error = (velocity(flux) - expected).norm() / expected.norm()
    assert 0 < error < 0.02


def rewritten(repository: Path, folder: Path, part: str, **changes: object) -> str:
    """The same folder with another configuration of a part."""
    for known in repository.iterdir():
        if known.name != part:
            (folder / known.name).symlink_to(known)
    (folder / part).mkdir()
    said = json.loads((repository / part / "config.json").read_text()) | changes
    (folder / part / "config.json").write_text(json.dumps(said))
    return str(folder)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"guidance_embeds": False}, "no guidance input"),
        ({"in_channels": 384}, "made for another task"),
        ({"_class_name": "PixArtTransformer2DModel"}, "only FLUX.1 and"),
        ({"_class_name": "Flux2Transformer2DModel"}, "reads prompts with a clip_text_model"),
    ],
)
def test_other_kinds_are_refused_by_their_configuration(
    repository: Path, tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ModelMissing, match=sentence):
        load(rewritten(repository, tmp_path, "transformer", **changes))


def test_a_file_without_guidance_is_refused(tmp_path: Path, parts: Parts) -> None:
    """Whatever it is called: what tells schnell from dev is in its weights."""
    weights = bfl_layout(parts.transformer)
    kept = {name: value for name, value in weights.items() if "guidance" not in name}
    save_file(kept, tmp_path / "unknown.safetensors")
    with pytest.raises(ModelMissing, match="no guidance input"):
        load(str(tmp_path / "unknown.safetensors"))


def test_files_that_are_not_there_or_not_what_they_say(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="There is no file"):
        load(str(tmp_path / "gone.safetensors"))
    for ending in ("safetensors", "gguf"):
        if ending == "gguf":
            pytest.importorskip("gguf", reason="needs: pip install gguf")
        (tmp_path / f"text.{ending}").write_text("no weights")
        with pytest.raises(ModelMissing, match=f"cannot be read as {ending}"):
            load(str(tmp_path / f"text.{ending}"))


def test_large_files_are_told_apart_by_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("editing_core.hashes.LARGE", 100)
    monkeypatch.setattr("editing_core.hashes.SAMPLE", 10)
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(bytes(1000))
    other.write_bytes(bytes(990) + b"1" * 10)
    assert file_hash([one]) != file_hash([other])
    other.write_bytes(bytes(1000))
    assert file_hash([one]) == file_hash([other])
