"""What the LLM is told is what is checked: rules, numbers, fields and examples."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import get_args

import prompts
from agent.llm import caption_edit
from agent.llm.json_answer import read
from agent.llm.plan_schema import Changed, Kind, LlmStep, Reading, plan_of
from agent.offline.grammar import Context
from agent.state import Conversation, EditStep, Revert, Turn

RULES = prompts.load("understand")
SAID = {3: "three", 8: "eight", 0.6: "three\nfifths"}


def examples():
    """Yield each example's caption, if it names one, its message and its answer."""
    for text in RULES.split("Example: ")[1:]:
        situation, _, answer = text.partition("\n{")
        words = re.findall(r'"([^"]+)"', situation.replace("\n", " "))
        yield words[0], words[-1], "{" + answer


def test_the_numbers_of_the_rules_are_those_that_are_checked():
    few, share = SAID[caption_edit.FEW_LOST], SAID[caption_edit.MOST_LOST]
    assert f"more than {few} words, and more than {share} of them, are gone" in RULES
    assert f"up to {SAID[caption_edit.MOST_BEHIND]} new words may say what is seen" in RULES


def test_every_kind_of_change_and_step_is_defined():
    steps, _, changes = RULES.partition("Kinds of change:")
    for kind in filter(None, get_args(Changed)):
        assert re.search(rf"^- {kind}: ", changes, re.MULTILINE)
    for kind in get_args(Kind):
        assert re.search(rf"(^- |\. ){kind}: ", steps, re.MULTILINE)
    for field in set(LlmStep.model_fields) - {"step", "numbers"}:
        assert f"`{field}`" in steps


def test_the_examples_are_plans_that_are_taken():
    plans = []
    for caption, message, answer in examples():
        reading = read(answer, Reading, repair=False)
        for step in reading.steps:
            assert step.model_fields_set == set(LlmStep.model_fields), "whole, as the schema wants"
        hatted = caption.startswith("add a hat")
        plans.append(plan_of(reading, message, _context(caption, edits=2 * hatted), world=False))
    edits, revert, talk = plans
    assert [step.edit_words for step in edits.steps] == [("dog",), ("red coat",)]
    assert [step.change for step in edits.steps] == ["remove", "color"]
    assert revert.steps == (Revert(turn=1),)
    assert talk.steps == () and "lamp" in talk.reply
    assert all(plan.reply and not plan.note for plan in plans)


def _context(caption, edits):
    """A conversation about a picture, with so many edits in a line."""
    step = EditStep(change="add", source_prompt="a", target_prompt="a hat", edit_words=("hat",))
    turns = [Turn(id=0, parent=None, message=0, request="", step=None, caption=caption, picture="",
                  original="")]  # fmt: skip
    for number in range(1, edits + 1):
        given = {"id": number, "parent": number - 1, "message": number, "step": step}
        turns.append(turns[0].model_copy(update=given))
    context = Context.of(Conversation(turns=turns, head=edits))
    return replace(context, caption=caption)
