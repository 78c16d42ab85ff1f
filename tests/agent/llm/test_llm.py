"""The door to an LLM, over real HTTP: good answers, broken ones, and every way to fail."""

from __future__ import annotations

import base64
import io
import json
import socket
import time

import pytest
from llm_server import Raw, Refuses, Says, serving
from PIL import Image
from pydantic import BaseModel

from agent.llm.client import LONGEST_ANSWER, Server
from agent.llm.json_answer import read
from agent.llm.plan_schema import Reading
from agent.llm.prompt_builder import image_part, text_part
from agent.llm.structured_output import LlmError, Unusable, consult, plain, strict_schema


class Color(BaseModel):
    name: str
    warm: bool = False


GOOD = '{"name": "red", "warm": true}'
ASKED = [{"role": "user", "content": "Which color?"}]
SHOWN = [{"role": "user", "content": [text_part("Which color?"),
                                      image_part(Image.new("RGB", (2000, 10)))]}]  # fmt: skip


def ask(server, messages=ASKED, **options) -> Color:
    return Server(server.url, "m", pause=0.01, **options).answer(messages, Color)


def test_a_good_answer_is_streamed_and_read():
    with serving(GOOD) as server:
        assert ask(server) == Color(name="red", warm=True)
    (asked,) = server.asked
    assert asked["stream"] is True
    assert asked["messages"] == ASKED
    form = asked["response_format"]
    assert form["type"] == "json_schema"
    assert form["json_schema"]["schema"]["required"] == ["name", "warm"]
    known = {"model", "messages", "stream", "stream_options", "response_format"}
    assert set(asked) == known, "only what all know"


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{GOOD}\n```",
        f"Sure! Here it is:\n```\n{GOOD}\n```\nAnything else?",
        '{"name": "red", "warm": true,}',
        "{'name': 'red', 'warm': True}",
        f"<think>Is it {{'name': 'blue'}}? No.</think>{GOOD}",
        '{"name": "red", "warm": true',
    ],
)
def test_what_wraps_or_breaks_json_is_mended_without_asking_again(text):
    with serving(text) as server:
        assert ask(server) == Color(name="red", warm=True)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (401, "refused the key in OPENAI_API_KEY (401)"),
        (403, "refused the key in OPENAI_API_KEY (403)"),
        (404, "does not know that model or address (404)"),
        (429, "too busy (429)"),
        (500, "failed (500)"),
        (503, "failed (503)"),
        (Refuses(400, "the context\x1b[31m is too\nlong"), "(400): the context is too long."),
        ("", "was empty"),
        (Says("", blank=True), "was empty"),
        (" \n ", "was empty"),
        (Says(GOOD[:12], finish="length"), "was cut off"),
        (Says(GOOD[:12], finish=None), "was cut off"),
        (Says(GOOD * 3, breaks=True), "was cut off"),
        (Says(" ".join(map(str, range(LONGEST_ANSWER)))), "was cut off"),
        (Raw(b"<html>It works!</html>", "text/html"), "is no LLM server"),
        (Raw(b"data: {not json\n\n", "text/event-stream"), "no proper answer"),
        (Raw(b'data: {"error": {"message": "out of memory"}}\n\n', "text/event-stream"), "memory"),
        (Raw(b'data: {"choices": [{"delta": null}]}\n\n', "text/event-stream"), "was empty"),
        (Raw(b'data: {"choices": [7]}\n\n', "text/event-stream"), "no proper"),
        (Raw(b'data: [1, 2]\n\n', "text/event-stream"), "no proper"),
    ],
    ids=str,
)  # fmt: skip
def test_every_failure_is_one_sentence(answer, sentence):
    with serving(answer) as server, pytest.raises(LlmError) as failed:
        ask(server)
    assert sentence in str(failed.value)
    assert str(failed.value).endswith(".")
    assert "\n" not in str(failed.value)


def test_a_busy_server_is_asked_once_more():
    with serving(503, GOOD) as server:
        assert ask(server).name == "red"
    with serving(429, 429, GOOD) as server, pytest.raises(LlmError, match="429"):
        ask(server)
    assert len(server.asked) == 2


@pytest.mark.parametrize("slow", [Says(GOOD, first=5), Says(GOOD, between=0.25)], ids=str)
def test_a_slow_answer_is_left_at_the_limit(slow):
    began = time.monotonic()
    with serving(slow) as server, pytest.raises(LlmError, match="within 0.4 seconds"):
        ask(server, timeout=0.4)
    assert time.monotonic() - began < 2


def test_an_answer_that_goes_round_in_circles_is_left():
    words = '{"name": "' + "blue, " * 2000
    with serving(Says(words, between=0.1)) as server, pytest.raises(LlmError, match="cut off"):
        ask(server, timeout=0.3)  # the whole would take longer
    steps = [{"step": "edit", "target_caption": f"a {i}", "numbers": []} for i in range(30)]
    with serving(json.dumps({"steps": steps})) as server:
        assert len(Server(server.url, "m").answer(ASKED, Reading).steps) == 30


def test_an_answer_that_is_slow_but_in_time_is_read():
    with serving(Says(GOOD, between=0.05)) as server:
        assert ask(server, timeout=5).name == "red"


def test_nobody_there_and_no_address():
    with socket.socket() as taken:  # bound and never listening: refused
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with pytest.raises(LlmError, match="No LLM answers at http://127.0.0.1"):
            Server(url, "m").answer(ASKED, Color)
    with pytest.raises(LlmError, match="No LLM answers at ftp:"):
        Server("ftp://there", "m").answer(ASKED, Color)
    with pytest.raises(LlmError, match="no address"):
        Server("http://a:b", "m")


def test_a_key_that_is_no_key_is_a_sentence(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "schlüssel\n")
    with serving(GOOD) as server, pytest.raises(LlmError):
        ask(server)


@pytest.mark.parametrize(
    ("words", "left_out"),
    [
        ("'response_format' of type 'json_schema' is not supported", "response_format"),
        ("Your organization must be verified to stream this model.", "stream"),
        ("Unknown parameter: 'stream_options'.", "stream_options"),
        ("this model does not support image input", None),
    ],
)
def test_what_a_server_refuses_is_left_out_from_then_on(words, left_out):
    with serving(Refuses(400, words), GOOD) as server:
        llm = Server(server.url, "m")
        assert llm.answer(SHOWN, Color).name == "red"
        assert llm.answer(SHOWN, Color).name == "red"
    assert len(server.asked) == 3, "the refusal is remembered"
    without = {"response_format", "stream", "stream_options", None} - {left_out}
    if left_out == "stream":
        without -= {"stream_options"}
    for asked in server.asked[1:]:
        assert left_out not in asked
        assert all(name in asked for name in without if name)
        assert ("image_url" in str(asked["messages"])) == (left_out is not None)
    if left_out == "response_format":
        assert "warm" in server.asked[1]["messages"][-1]["content"], "the schema in words instead"
    assert llm.sees == (None if left_out else False)


def test_a_refusal_without_reason_is_met_by_leaving_out_one_thing_after_the_other():
    with serving(*[Refuses(400, "bad"), Refuses(422, "bad")] * 2, GOOD) as server:
        assert ask(server, SHOWN).name == "red"
    assert set(server.asked[4]) == {"model", "messages"}
    with serving(Refuses(400, "bad")) as server, pytest.raises(LlmError, match="refused"):
        ask(server, SHOWN)
    assert len(server.asked) == 5


def test_pictures_are_sent_small():
    url = SHOWN[0]["content"][1]["image_url"]["url"]
    kind, data = url.split(",")
    assert kind == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as sent:
        assert max(sent.size) == 768


def test_an_answer_that_does_not_fit_is_asked_for_once_more_with_the_reason():
    with serving('{"colour": "red"}', GOOD) as server:
        llm = Server(server.url, "m")
        assert consult(llm, ASKED, Color, lambda c: c.name) == "red"
    first, again, wrong = server.asked[1]["messages"]
    assert first == ASKED[0]
    assert again == {"role": "assistant", "content": '{"colour": "red"}'}
    assert "name: Field required" in wrong["content"]
    with serving("red", "red!", GOOD) as server, pytest.raises(LlmError, match="twice"):
        consult(Server(server.url, "m"), ASKED, Color, lambda c: c.name)
    assert len(server.asked) == 2


def test_what_is_made_of_an_answer_counts_too():
    def make(color: Color) -> str:
        if not color.warm:
            raise Unusable("That is not warm.")
        return color.name

    with serving('{"name": "blue", "warm": false}', GOOD) as server:
        assert consult(Server(server.url, "m"), ASKED, Color, make) == "red"
    assert "That is not warm." in server.asked[1]["messages"][-1]["content"]
    assert "blue" in server.asked[1]["messages"][-2]["content"]


def test_words_from_outside_are_one_safe_line():
    wild = "a\x1b[31mred\x1b]0;title\x07 hat\r\n\tand\u202e \u200b\ud800\x9b more\x00"
    assert plain(wild, 100) == "a red hat and more"
    assert plain("one two three", 9) == "one two"
    assert plain("x" * 50, 9) == "x" * 9
    assert plain("\x1b" * 9999, 9) == ""


def test_half_a_plan_is_never_repaired_into_a_whole_one():
    half = '{"note": "", "steps": [{"step": "undo"}, '
    assert len(read(half, Reading).steps) == 1, "a mended answer, where the server calls it whole"
    with pytest.raises(Unusable):
        read(half, Reading, repair=False)


def test_the_schema_requires_everything_and_keeps_its_types():
    schema = strict_schema(Reading)
    step = schema["$defs"]["LlmStep"]
    assert step["required"] == list(step["properties"])
    assert step["additionalProperties"] is False
    fields = [*schema["properties"].values(), *step["properties"].values()]
    assert not any({"default", "title"} & field.keys() for field in fields)
    assert (
        Reading.model_validate({"steps": [{"step": "undo", "numbers": None}]}).steps[0].numbers
        == []
    )
