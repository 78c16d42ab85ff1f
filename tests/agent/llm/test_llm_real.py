"""The whole chain with a real model behind a real server; the model is tiny and mostly wrong.

What is tested is that a weak model breaks nothing: its plans fit the schema, every message gets
one reply, and the conversation stays sound. ``-s`` shows what was said.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from paths import TESTS
from PIL import Image
from soundness import sound
from studio_fakes import CAPTION, fake_studio

from agent.chat import Chat
from agent.llm.client import Server
from agent.llm.plan_schema import Reading
from agent.llm.prompt_builder import briefing
from agent.llm.structured_output import LlmError
from agent.llm.vision import LlmEyes
from agent.offline.grammar import Context
from agent.sessions.records import serializer
from agent.settings import AppSettings

pytestmark = pytest.mark.llm
PATIENCE = 60.0  # seconds for an answer, on one slow core
PHOTO = "a man in a red coat on a bench, a snowy park"
MESSAGES = (
    "make her older", "undo that", "make it more festive", "from the original, add a red hat",
    "asdf qwer",
)  # fmt: skip


@pytest.fixture(scope="module")
def url():
    """A server of its own process, so that it can be ended."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = TESTS / "support" / "small_llm.py"
    command = [sys.executable, str(script), str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(f"http://127.0.0.1:{port}/health", process)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.kill()


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail("the small LLM did not start")


def begin(url, caption, model):
    llm = Server(url, "small", timeout=PATIENCE, sees=False)
    given = {"llm": llm, "settings": AppSettings(seed=7, model=model), "eyes": None}
    studio, _, key = fake_studio(**given)
    chat = Chat(studio, InMemorySaver(serde=serializer()), "s")
    chat.open(key, caption)
    return chat


@pytest.mark.parametrize(("caption", "model"), [(CAPTION, "portraits"), (PHOTO, "flux-dev")])
def test_no_answer_of_a_weak_model_breaks_a_chat(url, caption, model):
    chat = begin(url, caption, model)
    known = chat.conversation.turns
    for message in MESSAGES:
        events = list(chat.say(message))
        replies = [e["text"] for e in events if e.event == "reply"]
        print(f"\n› {message}\n  {replies[0]}\n  {chat.conversation.turns[-1].caption}")
        assert len(replies) == 1
        assert chat.conversation.turns[: len(known)] == known
        known = chat.conversation.turns
        sound(chat.conversation)
    assert len(chat.conversation.messages) == len(MESSAGES)


def test_plans_fit_the_schema(url):
    """The server enforces it: an answer may end too early or come too late, but never misfit."""
    llm = Server(url, "small", timeout=PATIENCE, sees=False)
    chat = begin(url, PHOTO, "flux-dev")
    read = 0
    for message in MESSAGES:
        told = briefing(message, Context.of(chat.conversation), world=False, chosen={})
        try:
            read += isinstance(llm.answer(told, Reading), Reading)
        except LlmError as error:
            print(f"\n› {message}\n  {error}")
    assert read


def test_a_model_that_reads_only_words_is_blind(url):
    llm = Server(url, "small", timeout=PATIENCE)
    assert LlmEyes(llm).describe(Image.new("RGB", (64, 64), "red")) is None
    assert llm.sees is False


def test_the_command_line_chats_with_it(url, tmp_path):
    command = [sys.executable, "chat.py", "--plan-only", "--llm-url", url, "--home", str(tmp_path),
               "--say", "make her older", "--say", "add a hat"]  # fmt: skip
    given = os.environ | {"PALIMPSEST_LLM_TIMEOUT": str(PATIENCE)}
    done = subprocess.run(command, capture_output=True, text=True, env=given, timeout=400)
    print(done.stdout, done.stderr)
    assert done.returncode in (0, 1, 2)
    assert "Traceback" not in done.stderr and "broke inside" not in done.stderr
