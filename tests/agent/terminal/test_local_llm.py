"""The LLM that runs on a person's machine is offered once, to a person, and to nobody else."""

from __future__ import annotations

import socket
import sys
import time
from contextlib import suppress

import pytest
from llm_server import serving

from agent.background import in_background
from agent.llm import local
from agent.settings import AppSettings
from agent.terminal.local_llm import with_local_llm

EMBEDS = ("nomic-embed-text", "qwen3:latest", "llama4")


@pytest.fixture
def here(monkeypatch):
    """A server where Ollama would be, with a model that only embeds and two that chat."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(local, "PATIENCE", 2.0)
    with serving(models=EMBEDS) as server:
        monkeypatch.setattr(local, "PORTS", {server.server_address[1]: "Ollama", 9: "vLLM"})
        yield server


def offered(home, answer=None, **given):
    """Return what was chosen, the questions and the notes."""
    asked, notes = [], []

    def ask(question):
        asked.append(question)
        if answer is None:
            raise EOFError
        return answer

    settings = with_local_llm(AppSettings(home=home, **given), notes.append, ask)
    return settings, asked, notes


@pytest.mark.parametrize("answer", ["y", "Yes", "ja"])
def test_yes_is_asked_for_once_and_remembered(tmp_path, here, answer):
    settings, asked, notes = offered(tmp_path, answer)
    assert asked == ["Ollama is here with qwen3: use it? y/N "]
    assert (settings.llm_url, settings.llm_model) == (here.url, "qwen3:latest")
    assert notes[0].startswith("qwen3 at Ollama reads your messages; delete ")
    settings, asked, _ = offered(tmp_path)
    assert settings.llm_url == here.url and not asked


@pytest.mark.parametrize("answer", ["", "n", "no", "yesterday"])
def test_no_is_remembered_for_that_model_only(tmp_path, here, answer):
    settings, asked, notes = offered(tmp_path, answer)
    assert settings.llm_url is None and len(asked) == 1 and not notes
    assert offered(tmp_path, "y")[1] == []
    here.models = ("llama4",)
    settings, asked, _ = offered(tmp_path, "y")
    assert asked and settings.llm_model == "llama4"


def test_ctrl_d_is_no_answer(tmp_path, here):
    assert offered(tmp_path)[0].llm_url is None
    assert offered(tmp_path, "y")[0].llm_url == here.url


@pytest.mark.parametrize("given", [{"offline": True}, {"llm_url": "http://there/v1"}])
def test_who_has_chosen_is_not_asked_and_nothing_is_looked_for(tmp_path, here, given):
    settings, asked, _ = offered(tmp_path, "y", **given)
    assert settings.llm_url == given.get("llm_url") and not asked
    assert not here.looked


@pytest.mark.parametrize(
    "models", [(), ("nomic-embed-text",), ("\x1b[31mred",), ("long" * 99,)], ids=repr
)
def test_a_server_without_a_usable_model_is_passed_over(here, models):
    here.models = models
    assert local.found() == []


@pytest.mark.parametrize(
    ("model", "name"),
    [("/home/me/gemma-3.gguf", "gemma-3"), ("hf.co/me/qwen3:Q4", "qwen3:Q4"), ("phi", "phi")],
)
def test_a_model_is_called_by_its_name(model, name):
    assert local.LocalLlm("llama.cpp", "http://there/v1", model).name == name


@pytest.mark.parametrize("drips", [False, True])
def test_who_does_not_answer_in_time_is_left(monkeypatch, drips):
    def drip():
        line, _ = slow.accept()
        with line, suppress(OSError):
            for letter in b"HTTP/1.1 200 OK\r\nServer: very slow indeed":
                line.send(bytes([letter]))
                time.sleep(0.02)

    with socket.socket() as slow:
        slow.bind(("127.0.0.1", 0))
        slow.listen()
        if drips:
            in_background(drip)
        monkeypatch.setattr(local, "PORTS", {slow.getsockname()[1]: "slow"})
        began = time.monotonic()
        assert local.found() == []
        assert time.monotonic() - began < 0.5


def test_damaged_answers_are_asked_for_again(tmp_path, here):
    (tmp_path / local.ANSWERS).write_text("[1, {")
    assert offered(tmp_path, "y")[1]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_a_person_at_a_terminal_is_offered_it_and_a_pipe_is_not(tmp_path):
    from pseudo_terminal import CTRL_D, ENTER, Terminal

    try:
        context = serving('{"reply": "Hello!"}', port=11434, models=EMBEDS)
        server = context.__enter__()
    except OSError:
        pytest.skip("port 11434 is taken")
    try:
        flags = ("--plan-only", "--preview", "off")
        terminal = Terminal(tmp_path, *flags, offline=False)
        terminal.until("Ollama is here with qwen3: use it? y/N")
        terminal.type("y" + ENTER)
        terminal.until("you ›")
        terminal.type("hello" + ENTER)
        terminal.until("Hello!")
        terminal.until_gone("reading")
        assert "Hello!" in terminal.until("next seed")
        terminal.type(CTRL_D)
        assert terminal.ended() == 0
        looked = server.looked
        silent = Terminal(tmp_path, *flags, "--say", "hello", offline=False)
        assert silent.ended() in (0, 2)
        assert server.looked == looked and len(server.asked) == 1
    finally:
        context.__exit__(None, None, None)
