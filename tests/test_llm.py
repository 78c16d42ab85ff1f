"""The LLM reader: plans are checked, failures are one sentence and the offline reader serves."""

from __future__ import annotations

import json

import httpx2
import pytest
from openai import DefaultHttpxClient, OpenAI
from studio_fakes import CAPTION, fake_studio
from test_language import conversation_after

import prompts
from agent.llm import LlmError, Server
from agent.understand import Reading, understand

OLDER = CAPTION.replace("young", "old")
PLAN = {"note": "", "steps": [{"step": "edit", "change": "attribute", "target_caption": OLDER}]}


def server(*answers) -> tuple[Server, list]:
    """A server that gives these answers in turn: a text, a status code or an exception."""
    asked = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        asked.append(json.loads(request.content))
        answer = answers[min(len(asked), len(answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, int):
            return httpx2.Response(answer, json={"error": {"message": "no"}})
        message = {"role": "assistant", "content": answer}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return httpx2.Response(200, json={"id": "1", "object": "chat.completion", "created": 0,
                                          "model": "m", "choices": [choice]})  # fmt: skip

    http = DefaultHttpxClient(transport=httpx2.MockTransport(handle))
    client = OpenAI(base_url="http://llm/v1", api_key="k", http_client=http, max_retries=0)
    return Server(None, "m", client=client), asked


def read(llm, message="make her older", conversation=None):
    studio, _, _ = fake_studio(llm=llm)
    return understand(message, conversation or conversation_after(), studio)


def test_a_plan_becomes_ours():
    llm, asked = server(json.dumps(PLAN))
    (step,) = read(llm).steps
    assert step.target_prompt == OLDER.replace("brown", "gray")
    assert step.edit_words == ("old", "gray")
    assert CAPTION in asked[0]["messages"][1]["content"]
    assert asked[0]["response_format"]["type"] == "json_schema"


def test_fenced_json_is_read_and_broken_json_asked_for_again():
    llm, asked = server(f"```json\n{json.dumps(PLAN)}\n```")
    assert len(read(llm).steps) == 1
    assert len(asked) == 1
    llm, asked = server("Sure! Older she is.", json.dumps(PLAN))
    assert len(read(llm).steps) == 1
    assert "not valid" in asked[1]["messages"][-1]["content"]


FAILURES = [401, 404, 429, 500, "", "nonsense", httpx2.ConnectError("x"), httpx2.ReadTimeout("x"),
            '{"note": "", "steps": []}']  # fmt: skip


@pytest.mark.parametrize("answer", FAILURES, ids=str)
def test_every_failure_is_a_sentence_and_the_offline_reader_serves(answer):
    llm, _ = server(answer)
    plan = read(llm)
    assert len(plan.steps) == 1
    assert plan.note.endswith("The offline reader took over.")


@pytest.mark.parametrize("step", [{"step": "goto", "number": 9}, {"step": "revert", "number": 0},
                                  {"step": "edit"}, {"step": "goto", "number": -1}])  # fmt: skip
def test_a_plan_about_nothing_is_refused(step):
    llm, _ = server(json.dumps({"note": "", "steps": [step]}))
    assert "offline reader" in read(llm).note


def test_moves_and_captions_follow_each_other():
    steps = [{"step": "goto", "number": 1}, {"step": "edit", "target_caption": OLDER + ", a hat"}]
    llm, _ = server(json.dumps({"note": "", "steps": steps}))
    goto, edit = read(llm, "x", conversation_after("make her older, now add a hat")).steps
    assert goto.turn == 1
    assert edit.source_prompt == OLDER.replace("brown", "gray")


def test_an_answer_twice_wrong_is_an_error():
    llm, asked = server("no", "never")
    with pytest.raises(LlmError, match="twice"):
        llm.answer([{"role": "user", "content": "x"}], Reading)
    assert len(asked) == 2


def test_prompts_refuse_missing_and_unused_values(tmp_path):
    assert "target_caption" in prompts.load("understand")
    with pytest.raises(KeyError):
        prompts.load("understand", extra="x")
    with pytest.raises(FileNotFoundError):
        prompts.load("nothing")
