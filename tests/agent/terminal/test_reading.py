"""An LLM at a terminal: what it writes is seen while it writes, and /why tells what it cost."""

from __future__ import annotations

import json
import sys

import pytest
from llm_server import Says, serving

from agent.state import Conversation, Message, Turn, Usage
from agent.terminal.why import explained
from tools.pictures import PictureStore

OLDER = ("a portrait of a smiling old woman with a gray bob, light skin, a blue t-shirt, "
         "green background")  # fmt: skip
STEP = {"step": "edit", "change": "attribute", "target_caption": OLDER}
FLAGS = ("--plan-only", "--preview", "off")
PLAN = json.dumps({"steps": [STEP], "reply": "Sie wird älter."})


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_what_an_llm_writes_is_seen_while_it_writes(tmp_path):
    from pseudo_terminal import CTRL_D, ENTER, Terminal

    with serving(Says(PLAN, between=0.7, usage=(321, 45))) as server:
        terminal = Terminal(tmp_path, "--llm-url", server.url, *FLAGS, offline=False)
        terminal.until("you ›")
        terminal.type("mach sie älter" + ENTER)
        assert "reading" in terminal.until("step: edit")
        assert '"step"' not in terminal.text, "words without the signs of JSON"
        terminal.until("Planned: ")
        assert "reading" not in terminal.text
        terminal.type("/why" + ENTER)
        terminal.until("1 call for the whole message, 321 tokens read, 45 written")
        terminal.until_asked()
        terminal.type(CTRL_D)
        assert terminal.ended() == 0


@pytest.mark.parametrize(
    ("usage", "said"),
    [
        (Usage(), []),
        (Usage(calls=2), ["2 calls for the whole message, tokens not counted"]),
        (Usage(calls=1, prompt=7), ["1 call for the whole message, 7 tokens read, 0 written"]),
    ],
)
def test_why_tells_the_calls_and_tokens_of_the_message(tmp_path, usage, said):
    step = {"step": "edit", "change": "add", "source_prompt": "a", "target_prompt": "a b"}
    first = Turn(id=0, parent=None, message=0, request="", step=None, caption="a", picture="",
                 original="")  # fmt: skip
    turn = first.model_copy(update={"id": 1, "parent": 0, "message": 1})
    turn = Turn.model_validate(turn.model_dump() | {"step": step})
    messages = [Message(id=1, text="b", usage=usage), Message(id=2, text="c", usage=Usage(calls=9))]
    conversation = Conversation(turns=[first, turn], messages=messages)
    lines = explained(conversation, turn, PictureStore(tmp_path), {})
    assert [value for name, value in lines if name == "LLM"] == said
