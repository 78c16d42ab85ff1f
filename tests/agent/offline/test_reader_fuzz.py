"""The offline reader takes any text: no traceback, no invalid plan, no lost turn."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from language import score
from language.score import conversation

from agent.captions import VALUES, parse
from agent.offline import lexicon
from agent.offline.captions import chain, text
from agent.offline.grammar import Context, understand_offline
from agent.state import Conversation, Plan
from editing_core.worlds.registry import world_of

NAMES = ("long", "scarf", "start", "trip", "kitchen", "fruit")
TUNED = [case for scope in score.SCOPES for case in score.cases(scope, "tuned")]
OWN_WORDS = sorted({word for case in TUNED for word in case.say.split()})
sayings = st.one_of(
    st.text(max_size=200),
    st.lists(st.sampled_from(OWN_WORDS), max_size=12).map(" ".join),
    st.lists(st.sampled_from([*OWN_WORDS, "@99", "-1", "🎩", "\x00", "ﬁ", "ß", "İ"]), max_size=9)
    .map("  ,; ".join),
)  # fmt: skip


def check(plan: Plan, talk: Conversation) -> None:
    """Every step can be carried out, and every caption of a portrait stays one."""
    assert plan.steps or plan.note
    for step in plan.steps:
        match step.step:
            case "edit":
                assert step.source_prompt != step.target_prompt
                assert step.source_prompt.strip() and step.target_prompt.strip()
                if world_of(step.source_prompt):
                    assert world_of(step.target_prompt)
                    named = parse(step.target_prompt)
                    assert all(value in (*VALUES[name], "none") for name, value in named.items())
            case "goto" | "revert":
                assert 0 <= step.turn < len(talk.turns)
            case "compare":
                assert max(step.a, step.b) < len(talk.turns)
            case "ask":
                assert step.question and (not step.default or step.default in step.options)
    assert sum(step.step == "ask" for step in plan.steps) <= 1


@given(sayings, st.sampled_from(NAMES))
@example("AT", "trip")
def test_any_text_makes_a_plan_that_can_be_carried_out(said, name):
    talk = conversation(name)
    before = talk.model_dump()
    check(understand_offline(said, Context.of(talk)), talk)
    assert talk.model_dump() == before


@settings(max_examples=25)
@given(st.lists(sayings, min_size=1, max_size=4))
def test_a_chat_survives_any_messages_and_loses_no_turn(messages):
    start = score.conversation_after("make her older, now add a hat")
    talk = score.conversation_after("make her older, now add a hat", *messages)
    assert talk.turns[: len(start.turns)] == start.turns
    assert 0 <= talk.head < len(talk.turns) and talk.messages[-1].reply


@given(st.text("abc ,", max_size=60))
def test_a_caption_that_nothing_is_done_to_stays_as_it_is(caption):
    written = text(chain(caption))
    assert text(chain(written)) == written


LEXICON = [file.stem for file in Path(lexicon.__file__).parent.glob("*.toml")]


@pytest.mark.parametrize("name", LEXICON)
def test_every_form_of_the_lexicon_is_a_pattern(name):
    assert lexicon.load(name)
    for table, entries in lexicon.load(name).items():
        for entry, patterns in entries.items() if isinstance(entries, dict) else ():
            if table == "form":
                assert isinstance(patterns, list) and lexicon.compiled(name, table, entry)
