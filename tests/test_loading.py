"""The model is loaded behind the prompt, once, and what goes wrong is told where it is needed."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from paths import ROOT
from perfect_chat import begin

from agent.bootstrap import LoadedLater
from agent.sessions.catalog import Sessions
from agent.settings import AppSettings
from tools.edit_picture import ModelMissing
from tools.pictures import PictureStore


@pytest.fixture
def later(tmp_path: Path) -> LoadedLater:
    return LoadedLater(AppSettings(home=tmp_path), PictureStore(tmp_path / "pictures"), None)


def test_it_is_loaded_once(later: LoadedLater, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    def load(model: str, **holding: Any) -> Any:
        loaded.append(model)
        return "an editor"

    monkeypatch.setattr("tools.edit_picture.load_editor", load)
    assert not loaded
    later.begin()
    later.begin()
    assert later.editor() == later.editor() == "an editor"
    assert loaded == ["portraits"]


def test_what_goes_wrong_is_told_to_the_edit(
    later: LoadedLater, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(model: str, **holding: Any) -> Any:
        raise ModelMissing("The weights are gone.")

    monkeypatch.setattr("tools.edit_picture.load_editor", load)
    later.begin()
    with pytest.raises(ModelMissing, match="weights are gone"):
        later(head="a", original="a")


def test_the_door_opens_without_torch() -> None:
    code = "import sys, chat, agent.terminal.commands, agent.terminal.repl, agent.graph, " \
           "agent.bootstrap, tools.edit_picture, tools.inspection; " \
           "sys.exit('torch' in sys.modules)"  # fmt: skip
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


HEAVY = ("torch", "diffusers", "transformers", "langgraph.graph", "langgraph.pregel", "openai")
LOOKS = {
    "--list-sessions": [],
    "--resume": ["/tree", "/why", "/branches", "/session list", "/help"],
    "--resume --read-only": ["/tree", "/why"],
}


@pytest.mark.parametrize("flags", LOOKS)
def test_looking_loads_no_model(sessions: Sessions, flags: str) -> None:
    begin(sessions, "a", "make her older", "add a hat")
    words = ["--offline", "--home", str(sessions.home), *flags.split()]
    words += [word for line in LOOKS[flags] for word in ("--say", line)]
    code = (
        f"import sys, chat; code = chat.main({words}); "
        f"loaded = [name for name in {HEAVY} if name in sys.modules]; "
        "sys.exit(str(loaded) if loaded else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "add a hat" in done.stdout
