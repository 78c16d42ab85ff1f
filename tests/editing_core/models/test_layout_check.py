"""A model folder whose configuration is wrong is refused in a sentence, at once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from flux_files import random_model, write_repository

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
