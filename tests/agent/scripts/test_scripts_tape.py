"""An LLM's answers to a script, recorded and replayed."""

import json

from llm_server import serving
from script_files import script, told

import chat

READING = {"reply": "", "steps": [{"step": "edit", "wish": "warmer", "change": "add",
           "target_caption": "a portrait of a smiling young woman with a brown bob, light skin, "
           "a beanie, a blue t-shirt, green background"}]}  # fmt: skip


WARMER = "- say: dress her warmer\n  expect: {remembers: [beanie]}"


LLM = "defaults: {plan_only: true, llm: replay}\n"


def test_answers_are_recorded_and_replayed_without_a_server(tmp_path, monkeypatch, capsys):
    file = script(tmp_path, WARMER, LLM)
    assert "holds no" in told(file).broken or "no recorded answers" in told(file).broken
    with serving(json.dumps(READING)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
        assert chat.main(["test", str(file), "--llm", "record"]) == 0
        asked = len(server.asked)
        assert told(file).passed and len(server.asked) == asked
    tape = (tmp_path / "one.llm.yaml").read_text()
    assert "beanie" in tape and "secret" not in tape and server.url not in tape
    monkeypatch.delenv("OPENAI_BASE_URL")
    assert told(file).passed
    assert "No LLM is configured" not in told(file).broken
    monkeypatch.delenv("OPENAI_API_KEY")
    assert "No LLM is configured" in told(file, llm="live").broken


def test_answers_are_found_by_meaning_and_a_missing_one_is_told(tmp_path, monkeypatch):
    file = script(tmp_path, WARMER, LLM)
    with serving(json.dumps(READING)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        assert told(file, llm="record").passed
    file.write_text(file.read_text().replace("dress her warmer", "Dress her  warmer!"))
    assert told(file).passed
    file.write_text(file.read_text().replace("warmer", "cooler"))
    assert 'holds no answer to "dress her cooler"' in told(file).broken
    assert "palimpsest test --llm record" in told(file).broken
