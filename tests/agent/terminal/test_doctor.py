"""What `palimpsest doctor` says is there, and what to do about the rest."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest
from llm_server import serving
from paths import ROOT

from agent.exit_codes import DONE, MISSING
from agent.llm import local
from agent.terminal import doctor


@pytest.fixture(autouse=True)
def nothing_around(monkeypatch):
    """No LLM is configured or found, and there is no GPU."""
    monkeypatch.setattr(local, "PORTS", {})
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def told(capsys, home, *flags):
    code = doctor.main(["--home", str(home), *flags])
    return code, capsys.readouterr().out


def test_all_is_well_with_the_shipped_model(capsys, tmp_path):
    code, said = told(capsys, tmp_path)
    assert code == DONE
    for name in ("versions", "model", "GPU", "memory", "LLM", "terminal", "home", "to do"):
        assert f"\n{name:>9}  " in f"\n{said}"
    assert "portraits, here (" in said and "torch 2" in said
    assert "none is configured; rules read the messages" in said
    assert said.rstrip().endswith("to do  nothing; have a chat")


def test_torch_is_not_imported(tmp_path):
    code = f"import sys, chat; c = chat.main(['doctor', '--home', {str(tmp_path)!r}]); " \
           "sys.exit(c or ('torch' in sys.modules))"  # fmt: skip
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    ("flags", "words", "code"),
    [
        (["--model", "nowhere"], "There is no model 'nowhere'", MISSING),
        (["--model", "/nowhere/model.gguf"], "no file /nowhere/model.gguf", MISSING),
        (["--model", "city96/FLUX.1-dev-gguf/q4.gguf"], "fetches city96/FLUX.1-dev-gguf", DONE),
        (["--model", "x/FLUX.1-schnell"], "cannot invert a picture", MISSING),
        (["--model", "flux-dev"], "accept its licence", DONE),
        (["--device", "cuda"], "leave --device out", MISSING),
        (["--llm-url", "http://127.0.0.1:9/v1"], "No LLM answers at http://127.0.0.1:9", MISSING),
        (["--offline", "--llm-url", "http://127.0.0.1:9/v1"], "as --offline says", DONE),
    ],
    ids=str,
)
def test_what_is_missing_is_said_with_what_to_do(capsys, tmp_path, monkeypatch, flags, words, code):
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    got, said = told(capsys, tmp_path, *flags)
    assert words in said
    assert got == code


def test_a_home_that_cannot_be_written_and_a_package_that_is_not_there(
    capsys, tmp_path, monkeypatch
):
    file = tmp_path / "file"
    file.touch()
    code, said = told(capsys, file / "home")
    assert code == MISSING and "choose another with --home DIR" in said

    def version(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "version", version)
    code, said = told(capsys, tmp_path)
    assert code == MISSING and "(torch, diffusers, transformers, langgraph): pip install" in said


def test_a_gpu_is_named_and_a_pytorch_that_cannot_use_it(capsys, tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H200, 143771 MiB'\n")
    tool.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda name: str(tool))
    monkeypatch.setattr(doctor, "version", lambda name: "2.13.0+cpu")
    code, said = told(capsys, tmp_path)
    assert "GPU  NVIDIA H200, 143771 MiB" in said and "built for the CPU" in said
    assert code == DONE
    tool.write_text("#!/bin/sh\nexit 9\n")
    assert "GPU  none found" in told(capsys, tmp_path)[1]


def test_a_configured_llm_is_asked_for_its_models(capsys, tmp_path):
    with serving(models=["small", "large"]) as server:
        code, said = told(capsys, tmp_path, "--llm-url", server.url, "--llm-model", "large")
        assert code == DONE and "LLM  large answers" in said
        code, said = told(capsys, tmp_path, "--llm-url", server.url, "--llm-model", "huge")
        assert code == MISSING and "--llm-model: small, large" in said
    assert not server.asked, "no message is sent"


def test_an_llm_that_is_here_is_told(capsys, tmp_path, monkeypatch):
    with serving(models=["qwen3:latest"]) as server:
        monkeypatch.setattr(local, "PORTS", {server.server_address[1]: "Ollama"})
        monkeypatch.setattr(local, "PATIENCE", 2.0)
        code, said = told(capsys, tmp_path)
    assert code == DONE
    assert "Ollama is here with qwen3" in said
    assert f"--llm-url {server.url} --llm-model qwen3:latest" in said
