"""A model on the hub: its configurations come first, and each refusal says what to do."""

from __future__ import annotations

import fnmatch
import shutil
from pathlib import Path
from typing import Any

import httpx2
import pytest
from flux_files import random_model, write_repository
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from tiny_flux2 import write_repository2

from editing_core.errors import ModelMissing
from editing_core.models.flux2 import Flux2
from editing_core.models.load import load
from editing_core.models.offers import HUB, KNOWN


class Hub:
    """A hub with one repository, which notes what was asked of it."""

    def __init__(self, repository: Path, cache: Path) -> None:
        self.repository, self.cache = repository, cache
        self.asked: list[list[str]] = []

    def download(self, hub_id: str, allow_patterns: list[str]) -> str:
        self.asked.append(allow_patterns)
        for file in self.repository.rglob("*.*"):
            name = str(file.relative_to(self.repository))
            if file.is_file() and any(fnmatch.fnmatch(name, p) for p in allow_patterns):
                (self.cache / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, self.cache / name)
        return str(self.cache)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repository(random_model(), tmp_path_factory.mktemp("FLUX.1-dev"))


@pytest.fixture
def hub(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    there = Hub(repository, tmp_path / "snapshot")
    monkeypatch.setattr("huggingface_hub.snapshot_download", there.download)
    return there


def test_all_but_the_single_files_is_fetched_and_loaded(hub: Hub) -> None:
    assert load("flux-dev").spec.name == "flux-dev"
    configurations, everything = hub.asked
    assert not any("safetensors" in name or name.endswith("/*") for name in configurations)
    assert "transformer/*" in everything
    assert not (hub.cache / "flux1-dev.safetensors").exists()


def test_of_a_hub_model_that_cannot_edit_no_weight_is_fetched(hub: Hub, tmp_path: Path) -> None:
    other = shutil.copytree(hub.repository, tmp_path / "other")
    config = other / "transformer" / "config.json"
    config.write_text(
        config.read_text().replace('"guidance_embeds": true', '"guidance_embeds": false')
    )
    hub.repository = other
    with pytest.raises(ModelMissing, match="somebody/else has no guidance input"):
        load("somebody/else")
    assert len(hub.asked) == 1
    assert not list(hub.cache.rglob("*.safetensors"))


def test_what_a_lone_file_lacks_comes_from_flux_dev(hub: Hub, tmp_path: Path) -> None:
    """Without the transformer that the file stands in for."""
    from safetensors.torch import save_file

    save_file(random_model().transformer.state_dict(), tmp_path / "tuned.safetensors")
    flux = load(str(tmp_path / "tuned.safetensors"))
    assert flux.transformer.config.num_single_layers == 2
    assert "transformer/config.json" in hub.asked[-1] and "transformer/*" not in hub.asked[-1]
    assert not list((hub.cache / "transformer").glob("*.safetensors"))


def test_a_file_may_lie_on_the_hub(hub: Hub) -> None:
    """Such as somebody's GGUF; what it lacks comes from FLUX.1-dev."""
    with pytest.raises(ModelMissing, match="cannot be read"):  # BFL's names only at full width
        load("somebody/tuned/flux1-dev.safetensors")
    assert hub.asked[0] == ["flux1-dev.safetensors"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            GatedRepoError,
            ["licence", "huggingface.co/black-forest-labs/FLUX.1-dev", "hf auth login"],
        ),
        (RepositoryNotFoundError, ["check the name", "hf auth login"]),
        (
            LocalEntryNotFoundError,
            ["cannot be reached", "palimpsest models get black-forest-labs/FLUX.1-dev", "folder"],
        ),
        (OSError, ["No space left", "try again"]),
    ],
)
def test_each_failure_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception], said: list[str]
) -> None:
    def fail(hub_id: str, allow_patterns: Any) -> str:
        request = httpx2.Request("GET", "https://huggingface.co")
        if issubclass(error, RepositoryNotFoundError):
            raise error("401 Client Error", response=httpx2.Response(401, request=request))
        raise error("No space left on device")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(ModelMissing) as caught:
        load("flux-dev")
    sentence = str(caught.value)
    assert all(words in sentence for words in said), sentence
    assert "\n" not in sentence and sentence.count(". ") == 0


def test_each_model_is_missed_by_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(hub_id: str, allow_patterns: Any) -> str:
        raise LocalEntryNotFoundError("offline")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    for name, hub_id in HUB.items():
        with pytest.raises(ModelMissing) as caught:
            load(name)
        assert f"palimpsest models get {hub_id}` ({KNOWN[name].licence})" in str(caught.value)
    with pytest.raises(ModelMissing, match=r"models get somebody/else`, or name a folder"):
        load("somebody/else")


def test_klein_is_fetched_without_what_others_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its parts alone, and never the single files beside them."""
    write_repository2(tmp_path / "klein")
    (tmp_path / "klein" / "flux-2-klein-base-4b.safetensors").write_bytes(b"")
    hub = Hub(tmp_path / "klein", tmp_path / "snapshot")
    monkeypatch.setattr("huggingface_hub.snapshot_download", hub.download)
    model = load("klein", device="cpu")
    assert isinstance(model, Flux2) and model.spec is not None and model.spec.name == "klein"
    assert "transformer/*" in hub.asked[-1] and "text_encoder_2/*" not in hub.asked[-1]
    assert not (hub.cache / "flux-2-klein-base-4b.safetensors").exists()
