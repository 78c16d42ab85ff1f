"""What can be edited with, on machines of any size; fetching it, without any hub."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError
from paths import ROOT
from tiny_flux2 import write_repository2

import chat
from editing_core.models import catalogue
from editing_core.models.catalogue import Entry, Kind, entries
from editing_core.models.checkpoints import SHIPPED_FOLDERS
from editing_core.models.configs import PUBLISHED
from editing_core.models.layouts import LAYOUTS
from editing_core.models.memory_plan import GB, LEVELS, sizes_of
from editing_core.models.offers import HUB, KNOWN
from editing_core.models.published_sizes import SIZES

GPU: Kind = "cuda"
CPU: Kind = "cpu"


@dataclass(frozen=True)
class Hub:
    """The hub's cache on this machine; the hub itself cannot be reached."""

    cache: Path

    def holds(self, hub_id: str, folder: Path) -> None:
        """Let a folder be what was fetched of a model."""
        model = self.cache / f"models--{hub_id.replace('/', '--')}"
        for part in ("refs", "snapshots"):
            (model / part).mkdir(parents=True)
        (model / "refs" / "main").write_text("abc123")
        (model / "snapshots" / "abc123").symlink_to(folder)

    def download(self, hub_id: str, **how: Any) -> str:
        """Stand in for ``snapshot_download``."""
        folder = self.cache / f"models--{hub_id.replace('/', '--')}" / "snapshots" / "abc123"
        if not folder.exists():
            raise LocalEntryNotFoundError("offline")
        return str(folder.resolve())


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Hub:
    there = Hub(tmp_path_factory.mktemp("hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(there.cache))
    monkeypatch.setattr("huggingface_hub.snapshot_download", there.download)
    return there


def listed(
    monkeypatch: pytest.MonkeyPatch, gigabytes: float, device: Kind, *, installed: bool = True
) -> dict[str, Entry]:
    packages = {package for level in LEVELS for package in level.packages if installed}
    monkeypatch.setattr(
        "editing_core.models.memory_plan.find_spec", lambda n: n if n in packages else None
    )
    return {entry.spec.name: entry for entry in entries(device, int(gigabytes * GB))}


def test_every_known_model_is_listed(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(PUBLISHED) == set(HUB) == set(KNOWN) - set(SHIPPED_FOLDERS)
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
    hub: Hub,
    monkeypatch: pytest.MonkeyPatch,
    gigabytes: float,
    device: Kind,
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


def test_a_model_is_here_when_all_of_it_is(hub: Hub, tmp_path: Path) -> None:
    assert not catalogue.is_here("klein")
    write_repository2(tmp_path)
    hub.holds(HUB["klein"], tmp_path)
    assert catalogue.is_here("klein")
    index = {"weight_map": {"a": "diffusion_pytorch_model.safetensors", "b": "still-to-come"}}
    file = tmp_path / "transformer" / "diffusion_pytorch_model.safetensors.index.json"
    file.write_text(json.dumps(index))
    assert not catalogue.is_here("klein")
    file.unlink()
    (tmp_path / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    assert not catalogue.is_here("klein")


# The command


def printed(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    gigabytes: float,
    device: Kind,
    *,
    installed: bool = True,
) -> str:
    listed(monkeypatch, gigabytes, device, installed=installed)
    monkeypatch.setattr(catalogue, "device_here", lambda: device)
    monkeypatch.setattr(
        "editing_core.models.memory_plan.free_bytes", lambda device: int(gigabytes * GB)
    )
    assert chat.main(["models"]) == 0
    return capsys.readouterr().out


def line_of(name: str, text: str) -> str:
    """The last line that begins with a name."""
    return [line for line in text.splitlines() if line.startswith(f"{name} ")][-1]


def test_the_tables_have_a_line_for_each(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(monkeypatch, capsys, 16, GPU)
    assert all(len(line) < 100 for line in text.splitlines())
    fits, needs = text.split("Memory that they need")
    for name in KNOWN:
        assert line_of(name, fits)
        assert name in SHIPPED_FOLDERS or line_of(name, needs)
    klein = line_of("klein", fits)
    assert klein.endswith("  no") and "Apache-2.0" in klein
    assert "16 GB" in klein and "lean, 11 GB" in klein
    assert line_of("flux-dev", needs).endswith(" 3.6 GB")
    assert line_of("name", needs).split() == ["name", "full", "lean", "int8", "nf4", "stream"]
    assert "On the GPU of this machine 16 GB are free." in needs


def test_what_is_too_large_here_is_told_with_all_that_could_help(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a CPU the thriftier levels are those of a GPU; on a GPU they may need packages."""
    on_cpu = printed(monkeypatch, capsys, 16, CPU)
    assert all(len(line) < 100 for line in on_cpu.splitlines())
    fits, needs = on_cpu.split("Memory that they need")
    assert "no, 68 GB" in line_of("flux-dev", fits)
    assert "15 GB" in line_of("flux-dev", needs) and "has no GPU" in needs
    bare = printed(monkeypatch, capsys, 16, GPU, installed=False)
    assert "int8, 13 GB *" in line_of("flux-dev", bare.partition("Memory that")[0])
    assert 'A level with * needs what `pip install -e ".[gpu]"` brings.' in bare
    small = printed(monkeypatch, capsys, 2, GPU)
    assert "no, 2.3 GB" in line_of("klein", small.partition("Memory that")[0])


def test_the_list_is_for_programs_too(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("editing_core.models.memory_plan.free_bytes", lambda device: 16 * GB)
    assert chat.main(["models", "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [entry["name"] for entry in found] == list(KNOWN)
    assert found[0]["hub_id"] is None and found[0]["here"] is True
    assert list(found[len(SHIPPED_FOLDERS)]["levels"]) == ["full", "lean", "int8", "nf4", "stream"]


def test_the_list_asks_neither_pytorch_nor_the_hub() -> None:
    """They take seconds to import; without a GPU's driver, none of it is needed."""
    asked = (
        "import sys; from editing_core.models import catalogue; "
        "catalogue._has_driver = lambda: False; import chat; chat.main(['models']); "
        "print([m for m in ('torch', 'diffusers', 'huggingface_hub.file_download') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_sizes_of_published_models_are_those_of_their_configurations() -> None:
    for name in PUBLISHED:
        assert SIZES[name] == sizes_of(PUBLISHED[name], layout=SIZES[name].layout), name
        assert LAYOUTS[PUBLISHED[name]["transformer"]["_class_name"]].networks == (
            SIZES[name].layout.networks
        )


def test_one_is_fetched(hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_repository2(tmp_path)
    hub.holds(HUB["klein"], tmp_path)
    assert chat.main(["models", "get", "klein"]) == 0
    assert str(tmp_path) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "said"),
    [("klein", "cannot be reached"), ("kleine", "There is no model 'kleine'"), ("a/b", "a/b")],
)
def test_what_cannot_be_fetched_is_told_in_one_sentence(
    hub: Hub, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    assert chat.main(["models", "get", name]) == 3
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1


def test_no_room_is_told_before_anything_is_fetched(
    hub: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_repository2(tmp_path)
    for file in tmp_path.glob("*/*.safetensors"):
        file.unlink()
    hub.holds(HUB["klein"], tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=10))
    assert chat.main(["models", "get", "klein"]) == 3
    assert "of disk" in capsys.readouterr().err


def test_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["gat", "klein"], ["get"], ["get", "klein", "flux-dev"]):
        with pytest.raises(SystemExit) as left:
            chat.main(["models", *words])
        assert left.value.code == 2
