"""A model folder whose configuration is wrong is refused in a sentence, at once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flux_files import random_model, write_repository
from tiny_qwen import write_qwen
from tiny_sd3 import write_sd3
from tiny_z_image import write_z

from editing_core.errors import ModelMissing
from editing_core.models.load import load


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repository(random_model(), tmp_path_factory.mktemp("model"), bfl=False)


@pytest.fixture
def folder(repository: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(repository, tmp_path / "model"))


def change(folder: Path, part: str, **values: Any) -> None:
    file = folder / part / ("tokenizer_config.json" if "tokenizer" in part else "config.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.mark.parametrize(
    ("part", "values", "said"),
    [
        ("transformer", {"num_layers": 10**6}, "asks for 1000000 layers (num_layers)"),
        ("transformer", {"num_layers": 10**9}, "must lie between"),
        ("transformer", {"num_layers": 3}, "no transformer_blocks.2."),
        ("transformer", {"num_layers": "many"}, '"num_layers" must be a whole number, not "many"'),
        ("transformer", {"num_layers": True}, "must be a whole number, not true"),
        ("transformer", {"axes_dims_rope": 16}, '"axes_dims_rope" must be a list, not 16'),
        ("transformer", {"attention_head_dim": 8}, "do not fit its config.json"),
        ("transformer", {"guidance_embeds": "no"}, '"guidance_embeds" must be true or false'),
        ("vae", {"latent_channels": None}, '"latent_channels" must be a whole number, not null'),
        ("vae", {"scaling_factor": []}, '"scaling_factor" must be a number, not []'),
        ("vae", {"act_fn": 7}, "describes no vae"),
        ("vae", {"layers_per_block": 10**6}, "asks for 1000000 layers"),
        ("text_encoder", {"num_hidden_layers": 10**6}, "asks for 1000000 layers"),
        ("text_encoder_2", {"d_ff": 7}, "do not fit its config.json"),
        ("text_encoder_2", {"num_heads": -1}, "must lie between"),
        ("tokenizer_2", {"model_max_length": "long"}, '"model_max_length" must be a number'),
    ],
)
def test_a_wrong_configuration_is_told_of(
    folder: Path, part: str, values: dict[str, Any], said: str
) -> None:
    change(folder, part, **values)
    with pytest.raises(ModelMissing) as refused:
        load(str(folder))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"', "[" * 100_000])
def test_a_file_that_is_no_configuration_is_told_of(folder: Path, text: str) -> None:
    (folder / "vae" / "config.json").write_text(text)
    with pytest.raises(ModelMissing, match=r"vae/config\.json"):
        load(str(folder))


def test_damaged_and_missing_weights_are_told_of(folder: Path) -> None:
    (weights,) = (folder / "vae").glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ModelMissing, match="is damaged and cannot be read"):
        load(str(folder))
    weights.unlink()
    with pytest.raises(ModelMissing, match=r"There are no \.safetensors files"):
        load(str(folder))


def test_published_weights_keep_the_names_of_their_day(folder: Path) -> None:
    """FLUX.1-dev's CLIP was written when its tensors were called text_model.…"""
    from safetensors.torch import load_file, save_file

    before = load(str(folder)).encode_text("a red hat").pooled
    (file,) = (folder / "text_encoder").glob("*.safetensors")
    older = {f"text_model.{name}": value for name, value in load_file(file).items()}
    save_file(older, file, {"format": "pt"})
    after = load(str(folder)).encode_text("a red hat").pooled
    assert before is not None and after is not None and before.equal(after)


@pytest.mark.parametrize(
    ("write", "part", "values", "said"),
    [
        (write_z, "transformer", {"n_layers": 10**6}, "asks for 1000000 layers (n_layers)"),
        (write_z, "transformer", {"dim": "wide"}, '"dim" must be a whole number'),
        (write_z, "vae", {"latent_channels": 7}, "made for another task"),
        (write_qwen, "vae", {"num_res_blocks": 10**6}, "asks for 1000000 layers"),
        (write_qwen, "vae", {"z_dim": None}, '"z_dim" must be a whole number'),
        (write_qwen, "text_encoder", {"vision_config": 7}, "must hold names with values"),
        (write_qwen, "text_encoder", {"vision_config": {"depth": 10**6}}, "1000000 layers (depth)"),
        (write_qwen, "text_encoder", {"model_type": "qwen3"}, "reads prompts with a qwen3"),
        (write_sd3, "text_encoder_2", {"hidden_size": 48}, "do not fit its config.json"),
        (write_sd3, "transformer", {"qk_norm": None}, '"qk_norm" must be a text, not null'),
    ],
)
def test_a_wrong_configuration_of_any_family_is_told_of(
    tmp_path: Path, write: Callable[[Path], Path], part: str, values: dict[str, Any], said: str
) -> None:
    change(write(tmp_path), part, **values)
    with pytest.raises(ModelMissing) as refused:
        load(str(tmp_path))
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_qwens_weights_may_have_their_older_names(tmp_path: Path) -> None:
    """As published: visual.… and model.…, where transformers now puts model.visual.… and so on."""
    from safetensors.torch import load_file, save_file

    before = load(str(write_qwen(tmp_path))).encode_text("a red hat").embeds
    (file,) = (tmp_path / "text_encoder").glob("*.safetensors")
    older = {
        name.replace("model.language_model.", "model.").replace("model.visual.", "visual."): value
        for name, value in load_file(file).items()
    }
    assert any(name.startswith("model.layers.") for name in older)
    save_file(older, file, {"format": "pt"})
    assert load(str(tmp_path)).encode_text("a red hat").embeds.equal(before)


def test_z_images_reader_may_have_been_a_writer(tmp_path: Path) -> None:
    """As published: Qwen3's weights under the names that they have beneath its head."""
    from safetensors.torch import load_file, save_file

    before = load(str(write_z(tmp_path))).encode_text("a red hat").embeds
    (file,) = (tmp_path / "text_encoder").glob("*.safetensors")
    of_writer = {f"model.{name}": value for name, value in load_file(file).items()}
    assert "model.layers.0.self_attn.q_proj.weight" in of_writer
    save_file(of_writer, file, {"format": "pt"})
    assert load(str(tmp_path)).encode_text("a red hat").embeds.equal(before)
