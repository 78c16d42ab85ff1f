"""Servers as they are, over real HTTP: one row a quirk, read or named by its cause."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from llm_server import Pings, Raw, Refuses, Says, serving

from agent.background import in_background
from agent.llm.client import Server
from agent.llm.plan_schema import Reading
from agent.llm.structured_output import LlmError
from agent.state import Usage

ASKED = [{"role": "user", "content": "undo, then redo"}]
STEPS = [{"step": "undo", "numbers": [2]}, {"step": "redo"}]
PLAN = json.dumps({"steps": STEPS})
STREAM = "text/event-stream"


def ask(server, **options) -> Reading:
    options = {"pause": 0.01, "timeout": 5.0} | options
    return Server(server.url, "m", **options).answer(ASKED, Reading)


def body(message, finish="stop", **more):
    """A whole answer, sent at once though a stream was asked for."""
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return Raw(json.dumps({"choices": [choice], **more}).encode())


def stream(*deltas, finish="stop"):
    """A stream of an answer's pieces."""
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": finish})
    events = [f"data: {json.dumps({'choices': [choice]})}\n\n" for choice in choices]
    return Raw("".join([": ping\n\n", "event: message\n", *events, "data: [DONE]\n\n"]).encode(),
               STREAM)  # fmt: skip


def call(arguments):
    return {"tool_calls": [{"index": 0, "function": {"name": "plan", "arguments": arguments}}]}


READ = {
    "prose around it": f"Here you go:\n{PLAN}\nAnything else?",
    "other braces beside it": f"I put {{what}} in {{braces}}: {PLAN} {{so}} it is.",
    "a second thought": f'First {json.dumps({"steps": []})}, no: {PLAN}',
    "a bare list": json.dumps(STEPS),
    "a bare list after prose": f"Steps [2]: {json.dumps(STEPS)[:-1]},]",
    "one object a line": "\n".join(map(json.dumps, STEPS)),
    "a wrapper": json.dumps({"plan": {"steps": STEPS}}),
    "two wrappers": json.dumps({"response": {"plan": STEPS}}),
    "JSON in JSON": json.dumps({"response": PLAN}),
    "a call written down": json.dumps({"name": "plan", "arguments": {"steps": STEPS}}),
    "smart quotes": re.sub('"(.*?)"', r"“\1”", PLAN),
    "a number as a name": PLAN.replace("[2]", '["@2"]'),
    "a number alone": PLAN.replace("[2]", "2"),
    "keys without quotes": PLAN.replace('"steps"', "steps").replace('"step"', "step"),
    "a comma too many": PLAN.replace("]}", "],}"),
    "no stream": body({"content": PLAN}),
    "no stream, no reason to end": body({"content": PLAN}, None),
    "parts": body({"content": [{"type": "text", "text": PLAN[:9]},
                               {"type": "text", "text": PLAN[9:]}]}),
    "parts in a stream": stream({"content": [{"type": "text", "text": PLAN}]}),
    "thoughts instead of an answer": body({"content": "", "reasoning_content": PLAN}),
    "thoughts in a stream": stream({"content": None, "reasoning": PLAN[:9]},
                                   {"reasoning": PLAN[9:]}),
    "thoughts beside an answer": body({"content": PLAN, "reasoning_content": "undo? {no}"}),
    "a tool call": body({"content": "I call plan."} | call(PLAN), "tool_calls"),
    "a tool call as an object": body(call({"steps": STEPS}), "tool_calls"),
    "a tool call in a stream": stream(call(PLAN[:9]), call(PLAN[9:]), finish="tool_calls"),
    "no space and no blank lines": Raw(
        f'data:{json.dumps({"choices": [{"delta": {"content": PLAN}, "finish_reason": "stop"}]})}\n'
        "data:[DONE]\n".encode(), STREAM
    ),
    "events over several lines": Raw(
        b"".join(b"data: " + line + b"\n" for line in json.dumps(
            {"choices": [{"delta": {"content": PLAN}, "finish_reason": "stop"}]}, indent=1
        ).encode().splitlines()) + b"\n", STREAM
    ),
}  # fmt: skip


@pytest.mark.parametrize("answer", READ.values(), ids=READ)
def test_an_answer_is_read_in_whatever_form_it_comes(answer):
    with serving(answer) as server:
        steps = ask(server).steps
    assert [(step.step, step.numbers) for step in steps] == [("undo", [2]), ("redo", [])]
    assert len(server.asked) == 1


def test_the_number_0_may_be_written_as_a_name():
    with serving('{"steps": [{"step": "goto", "numbers": "@0"}]}') as server:
        assert ask(server).steps[0].numbers == [0]


NAMED = {
    "an error with status 200": (
        Raw(b'{"error": {"message": "model is loading"}}'),
        "The LLM server refused the request: model is loading.",
    ),
    "an error in few words": (
        Raw(b'{"error": "model \\"m\\" not found"}'),
        'The LLM server refused the request: model "m" not found.',
    ),
    "an error as vLLM says it": (
        Raw(b'{"object": "error", "message": "out of memory", "code": 500}'),
        "The LLM server refused the request: out of memory.",
    ),
    "an error as FastAPI says it": (
        Raw(b'{"detail": "Not authenticated"}'),
        "The LLM server refused the request: Not authenticated.",
    ),
    "an error inside a stream": (
        Raw(b'data: {"error": {"message": "overloaded"}}\n\n', STREAM),
        "The LLM server refused the request: overloaded.",
    ),
    "a refusal": (
        body({"content": None, "refusal": "I cannot help\nwith that."}),
        "The LLM declined: I cannot help with that.",
    ),
    "a refusal in a stream": (
        stream({"refusal": "I can"}, {"refusal": "not."}), "The LLM declined: I cannot."
    ),
    "a refusal as a part": (
        body({"content": [{"type": "refusal", "refusal": "No!"}]}), "The LLM declined: No."
    ),
    "a filter": (
        body({"content": PLAN[:20]}, "content_filter"),
        "A filter of the LLM server stopped the answer.",
    ),
    "only thoughts, cut off": (
        body({"content": "", "reasoning_content": f"Maybe {PLAN[:30]}"}, "length"),
        "The LLM's answer was cut off.",
    ),
    "nothing, cut off": (body({"content": ""}, "length"), "The LLM's answer was cut off."),
    "another program": (Raw(b"<html>hello</html>", "text/html"), "is no LLM server."),
    "no body at all": (Raw(b""), "The LLM's answer was empty."),
    "no answer among the choices": (Raw(b'{"choices": []}'), "The LLM's answer was empty."),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "sentence"), NAMED.values(), ids=NAMED)
def test_what_is_no_answer_is_named_by_its_cause(answer, sentence):
    with serving(answer) as server, pytest.raises(LlmError) as failed:
        ask(server)
    assert str(failed.value).endswith(sentence)


def test_what_a_server_cannot_do_may_be_said_with_status_200():
    refused = Raw(b'{"error": {"message": "response_format is not supported"}}')
    with serving(refused, PLAN) as server:
        assert len(ask(server).steps) == 2
    assert "response_format" not in server.asked[1]


def in_seconds(seconds):
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize("date", [False, True], ids=["seconds", "date"])
def test_retry_after_is_obeyed_within_the_limit(date):
    wait = in_seconds(2) if date else "1"
    with serving(Refuses(429, wait=wait), Refuses(503, wait="0"), PLAN) as server:
        began = time.monotonic()
        assert len(ask(server, pause=9).steps) == 2
    assert 0.9 < time.monotonic() - began < 3
    assert len(server.asked) == 3


@pytest.mark.parametrize("date", [False, True], ids=["seconds", "date"])
def test_a_wait_beyond_the_limit_is_told_at_once(date):
    with serving(Refuses(429, wait=in_seconds(60) if date else "60")) as server:
        began = time.monotonic()
        with pytest.raises(LlmError, match=r"\(429\) and asks to wait (60|59) seconds, longer"):
            ask(server, timeout=3)
    assert time.monotonic() - began < 1
    assert len(server.asked) == 1


def test_a_server_that_is_busy_for_ever_is_left():
    with serving(Refuses(503, wait="0")) as server, pytest.raises(LlmError, match="503"):
        ask(server)
    assert len(server.asked) == 6


@pytest.mark.parametrize("wait", ["soon", "-3", "nan", "inf", ""])
def test_a_wait_that_is_none_is_harmless(wait):
    with serving(Refuses(503, wait=wait), PLAN) as server:
        try:
            assert len(ask(server).steps) == 2
        except LlmError as error:
            assert "asks to wait" in str(error) and wait == "inf"


def test_comments_do_not_put_the_limit_off():
    with serving(Pings()) as server:
        began = time.monotonic()
        with pytest.raises(LlmError, match="within 0.5 seconds"):
            ask(server, timeout=0.5)
    assert time.monotonic() - began < 1.5


def test_all_tries_together_have_one_limit():
    with serving(Refuses(503, wait="0.5"), Says(PLAN, first=1.2)) as server:
        began = time.monotonic()
        with pytest.raises(LlmError, match="within 1.5 seconds"):
            ask(server, timeout=1.5)
    assert time.monotonic() - began < 2.4


def test_what_comes_is_heard_while_it_comes():
    heard = []
    with serving(Says(PLAN, between=0.02)) as server:
        ask(server, hear=heard.append)
    assert len(heard) > 3
    assert heard[0] == PLAN[: len(heard[0])] != PLAN
    assert heard[-1] == PLAN


def test_a_request_that_nobody_waits_for_any_more_is_given_up():
    heard = []
    with serving(Says(PLAN, between=0.3, usage=(9, 9)), '{"reply": "new"}') as server:
        llm = Server(server.url, "m", hear=heard.append)
        waiting = in_background(lambda: llm.answer(ASKED, Reading))
        while not heard:
            time.sleep(0.01)
        assert llm.answer(ASKED, Reading).reply == "new"
        heard.clear()
        with pytest.raises(LlmError):
            waiting.result(timeout=5)
    assert not heard
    assert llm.used == Usage(calls=1)


@pytest.mark.parametrize("streams", [True, False])
def test_the_server_counts_tokens(streams):
    first = [] if streams else [Refuses(400, "I do not stream")]
    with serving(*first, Says(PLAN, usage=(120, 30))) as server:
        llm = Server(server.url, "m", pause=0.01)
        llm.answer(ASKED, Reading)
        llm.answer(ASKED, Reading)
    assert llm.used == Usage(calls=2, prompt=240, completion=60)
