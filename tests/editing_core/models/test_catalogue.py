"""What can be edited with, on machines of any size; fetching it, without any hub."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from tiny_flux2 import write_repository2

import chat
from agent.models import HEAD, table
from editing_core.models import catalogue
from editing_core.models.catalogue import Entry, entries
from editing_core.models.configs import PUBLISHED
from editing_core.models.memory_plan import GB, LEVELS
from editing_core.models.offers import HUB, KNOWN

GPU, CPU = torch.device("cuda"), torch.device("cpu")
Download = Callable[..., str]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Folders of what counts as fetched, by hub id; all else cannot be reached."""
    there: dict[str, Path] = {}

    def download(hub_id: str, **how: Any) -> str:
        if hub_id not in there:
            raise LocalEntryNotFoundError("offline")
        return str(there[hub_id])

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    return there


def listed(
    monkeypatch: pytest.MonkeyPatch, gigabytes: float, device: torch.device
) -> dict[str, Entry]:
    installed = {package for level in LEVELS for package in level.packages}
    monkeypatch.setattr(catalogue, "free_bytes", lambda device: int(gigabytes * GB))
    monkeypatch.setattr(
        "editing_core.models.memory_plan.find_spec", lambda n: n if n in installed else None
    )
    return {entry.spec.name: entry for entry in entries(device)}


def test_every_known_model_is_listed(hub: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(PUBLISHED) == set(HUB) == set(KNOWN) - {"portraits"}
    found = listed(monkeypatch, 24, GPU)
    assert list(found) == list(KNOWN)
    assert found["portraits"].here and not found["klein"].here
    assert found["klein"].size / GB == pytest.approx(15.96, abs=0.01)


@pytest.mark.parametrize(
    ("gigabytes", "device", "klein", "qwen"),
    [
        (140, GPU, "full", "full"),
        (24, GPU, "full", "nf4"),
        (10, GPU, "int8", "stream"),
        (2, GPU, None, None),
        (64, CPU, "full", None),
        (16, CPU, None, None),
    ],
)
def test_what_fits_this_machine(
    hub: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    gigabytes: float,
    device: torch.device,
    klein: str | None,
    qwen: str | None,
) -> None:
    found = listed(monkeypatch, gigabytes, device)
    for name, level in (("klein", klein), ("qwen-image", qwen)):
        plan, refusal = found[name].plan, found[name].refusal
        assert (plan.level.name if plan else None) == level
        assert bool(refusal) == (level is None)
        assert "are free" in refusal or not refusal
        assert plan is None or plan.peak >= found[name].least > 0


def test_a_model_is_here_when_all_of_it_is(hub: dict[str, Path], tmp_path: Path) -> None:
    assert not catalogue.is_here("klein")
    write_repository2(tmp_path)
    hub[HUB["klein"]] = tmp_path
    assert catalogue.is_here("klein")
    index = {"weight_map": {"a": "diffusion_pytorch_model.safetensors", "b": "still-to-come"}}
    file = tmp_path / "transformer" / "diffusion_pytorch_model.safetensors.index.json"
    file.write_text(json.dumps(index))
    assert not catalogue.is_here("klein")
    file.unlink()
    (tmp_path / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    assert not catalogue.is_here("klein")


# The command


def test_the_table_has_a_line_for_each(
    hub: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = table(listed(monkeypatch, 16, GPU).values())
    assert len(lines) == len(KNOWN) + 1 and all(len(line) < 100 for line in lines)
    assert lines[0].split("  ")[0] == HEAD[0]
    (klein,) = (line for line in lines if line.startswith("klein "))
    assert klein.split("  ")[-1].strip() == "no"
    assert "16 GB" in klein and "lean, 11 GB" in klein and "Apache-2.0" in klein
    small = table(listed(monkeypatch, 2, GPU).values())
    assert any(line.startswith("klein ") and "needs 2.3 GB" in line for line in small)


def test_the_list_is_for_programs_too(
    hub: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(catalogue, "free_bytes", lambda device: 16 * GB)
    assert chat.main(["models", "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [entry["name"] for entry in found] == list(KNOWN)
    assert found[0]["hub_id"] is None and found[0]["here"] is True
    assert chat.main(["models"]) == 0
    assert capsys.readouterr().out.startswith("name ")


def test_one_is_fetched(
    hub: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_repository2(tmp_path)
    hub[HUB["klein"]] = tmp_path
    assert chat.main(["models", "get", "klein"]) == 0
    assert str(tmp_path) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "said"),
    [("klein", "cannot be reached"), ("kleine", "There is no model 'kleine'"), ("a/b", "a/b")],
)
def test_what_cannot_be_fetched_is_told_in_one_sentence(
    hub: dict[str, Path], capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    assert chat.main(["models", "get", name]) == 3
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1


def test_no_room_is_told_before_anything_is_fetched(
    hub: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_repository2(tmp_path)
    for file in tmp_path.glob("*/*.safetensors"):
        file.unlink()
    hub[HUB["klein"]] = tmp_path
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=10))
    assert chat.main(["models", "get", "klein"]) == 3
    assert "of disk" in capsys.readouterr().err


def test_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["gat", "klein"], ["get"], ["get", "klein", "flux-dev"]):
        with pytest.raises(SystemExit) as left:
            chat.main(["models", *words])
        assert left.value.code == 2
