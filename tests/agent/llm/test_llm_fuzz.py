"""Whatever an LLM writes: never a traceback, never an invalid state, never a lost turn."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from soundness import sound
from studio_fakes import CAPTION, fake_studio

from agent.chat import Chat
from agent.llm.json_answer import read
from agent.llm.plan_schema import Reading
from agent.llm.structured_output import LlmError, Unusable, plain
from agent.sessions.records import serializer
from agent.settings import AppSettings
from agent.state import Usage

PHOTO = "a man in a red coat on a bench, a snowy park"


class Scripted:
    """An LLM whose answers are texts; they are read as a server's are."""

    sees: bool | None = False
    used = Usage()

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)

    def answer(self, messages, schema, /):
        json.dumps(messages)
        if not self.texts:
            raise LlmError("The LLM failed.")
        return read(self.texts.pop(0), schema)


def mostly(likely, other):
    """One in ten is something else."""
    return st.integers(0, 9).flatmap(lambda n: likely if n else other)


said = st.sampled_from(
    [CAPTION, PHOTO, f"{PHOTO}, a dog", CAPTION.replace("young", "old"), "\x1b[31m", "\ud800", "@3",
     "remove the hat", "a hat"]
)  # fmt: skip
wild = mostly(said, st.text(max_size=40))
whole = mostly(st.integers(0, 4), st.integers() | st.just(10**400))
loose = st.recursive(
    st.none() | st.booleans() | whole | st.floats() | wild,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(wild, inner, max_size=3),
    max_leaves=8,
)


def fields(schema):
    """Objects in the schema's form, where now and then a field holds anything."""
    likely = {
        name: st.sampled_from(part["enum"]) if "enum" in part
        else st.lists(whole, max_size=3) if name == "numbers"
        else st.lists(wild, max_size=3) if part["type"] == "array" else wild
        for name, part in schema["properties"].items()
    }  # fmt: skip
    return st.fixed_dictionaries(
        {"step": likely.pop("step")},
        optional={name: mostly(held, loose) for name, held in likely.items()},
    )


steps = fields(Reading.model_json_schema()["$defs"]["LlmStep"])
readings = st.fixed_dictionaries({"reply": wild, "steps": st.lists(steps, max_size=10)})
answers = mostly(readings.map(json.dumps), loose.map(json.dumps) | st.text(max_size=80))


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.lists(answers, min_size=1, max_size=8), st.booleans())
@example(['{"steps": [{"step": "undo", "numbers": [99999999999999999999999]}]}'], True)
@example(['{"note": "' + "[" * 900], False)
def test_a_chat_survives_whatever_is_answered(texts, world):
    model = "portraits" if world else "flux-dev"
    given = {"llm": Scripted(*texts), "settings": AppSettings(model=model), "eyes": None}
    studio, editor, key = fake_studio(**given)
    chat = Chat(studio, InMemorySaver(serde=serializer()), "s")
    chat.open(key, CAPTION if world else PHOTO)
    known = chat.conversation.turns
    for message in ("make her older", "undo the hat", "save it as x.png", "surprise me"):
        events = list(chat.say(message))
        for event in events:
            event.line().encode("utf-8")
        assert [e.event for e in events].count("reply") == 1
        now = chat.conversation
        assert now.turns[: len(known)] == known, "no turn is ever lost"
        sound(now)
        known = now.turns
        assert all(event["path"] in ("", "x.png") for event in events if event.event == "save")


@given(st.text(), st.integers(1, 60))
def test_plain_words_are_safe_and_short(text, most):
    words = plain(text, most)
    assert len(words) <= most
    assert words.isprintable()
    assert plain(words, most) == words


@given(answers)
def test_reading_gives_a_reading_or_a_reason(text):
    try:
        read(text, Reading)
    except Unusable as error:
        assert 0 < len(str(error)) <= 300
