"""The offline reader on written requests: prints its accuracy by kind (pytest -s)."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from langgraph.checkpoint.memory import InMemorySaver
from studio_fakes import CAPTION, fake_studio

from agent.captions import changes
from agent.grammar import Context, understand_offline
from agent.graph import Chat
from agent.state import Conversation, Step

CASES = Path(__file__).parent / "language" / "portraits.yaml"
BEGINNINGS = {
    "start": (),
    "hat": ("make her older, now add a hat",),
    "long": ("make her older", "add a red hat", "give her sunglasses", "a yellow hoodie"),
    "undone": ("make her older, now add a hat", "undo"),
}
ENOUGH = 0.95


@cache
def conversation_after(*messages: str) -> Conversation:
    studio, _, key = fake_studio(edit=None)
    chat = Chat(studio, InMemorySaver(), "language")
    chat.open(key, CAPTION)
    for message in messages:
        list(chat.say(message))
    return chat.conversation


def said(step: Step) -> Any:
    """A step as the cases write it."""
    if step.step == "edit":
        return changes(step.source_prompt, step.target_prompt)
    values = [] if step.step == "ask" else [v for k, v in step.model_dump().items() if k != "step"]
    return " ".join([step.step, *(str(v) for v in values if v not in (None, ""))])


def as_meant(found: list[Any], means: list[Any]) -> bool:
    for place, wanted in enumerate(means):
        if isinstance(wanted, dict) and wanted.get("age") == "old":
            means = [*means[:place], {"hair_color": "gray", **wanted}, *means[place + 1 :]]
    return found == means


def test_requests_are_read_as_meant():
    right, count, wrong = defaultdict(int), defaultdict(int), []
    for group in yaml.safe_load(CASES.read_text(encoding="utf-8")):
        for case in group["cases"]:
            conversation = conversation_after(*BEGINNINGS[case.get("in", group["in"])])
            plan = understand_offline(case["say"], Context.of(conversation))
            found = [said(step) for step in plan.steps]
            count[group["kind"]] += 1
            if as_meant(found, case["means"]):
                right[group["kind"]] += 1
            else:
                wrong.append(f"{case['say']!r}: {found}, not {case['means']}")
    for kind in count:
        print(f"{kind:>10} {right[kind]:3} of {count[kind]:3}")
    print("\n".join(wrong))
    assert sum(count.values()) >= 120
    assert sum(right.values()) >= ENOUGH * sum(count.values()), wrong


COLORED = {"hair_color": "hair", "headwear_color": "hat", "eyewear_color": "glasses",
           "neckwear_color": "scarf", "clothing_color": "t-shirt"}  # fmt: skip


def test_every_value_of_the_world_can_be_asked_for():
    from tools.look import VALUES

    start = conversation_after()
    for name, values in VALUES.items():
        thing = COLORED.get(name, name.replace("_", " "))
        for value in values:
            words = f"{value} {thing}"
            plan = understand_offline(f"give her {words}", Context.of(start))
            known = f"{value}" in CAPTION or value in ("none", "plain")
            got = {k: v for s in plan.steps if s.step == "edit" for k, v in said(s).items()}
            assert known or got.get(name) == value, (words, got)


def plan_of(message: str, beginning: str = "start"):
    return understand_offline(message, Context.of(conversation_after(*BEGINNINGS[beginning])))


def test_what_cannot_be_drawn_is_named_with_what_can():
    for message, beginning, words in (
        ("swap the hat for a helmet", "long", "do not know “helmet”. Headwear can be hat, beanie,"),
        ("swap the hat for a banana", "long", "do not know “banana”. Headwear can be hat"),
        ("give her a turban", "start", "Headwear can be hat, beanie, fur hat"),
        ("make her scared", "start", "Expression can be smiling, serious, sad, surprised"),
        ("purple elephants sing quantum soup", "start", "I did not understand"),
    ):
        (step,) = plan_of(message, beginning).steps
        assert step.step == "ask" and words in step.question, message


def test_a_self_correction_replaces_the_clause_before():
    for message, means in (
        ("put sunglasses on her, no wait, glasses", [{"eyewear": "glasses"}]),
        ("add a red hat, no, blue", [{"headwear": "hat", "headwear_color": "blue"}]),
        ("add a beard and a hat, I mean a beanie", [{"facial_hair": "beard"},
                                                    {"headwear": "beanie"}]),
        ("make her sad, actually surprised", [{"expression": "surprised"}]),
    ):  # fmt: skip
        assert [said(step) for step in plan_of(message).steps] == means, message


def test_blonde_hair_and_a_beanie_ask_nothing():
    steps = plan_of("give her blonde hair and a beanie").steps
    assert [said(step) for step in steps] == [{"hair_color": "blonde"}, {"headwear": "beanie"}]


def test_the_first_one_to_compare_with_is_the_original():
    (step,) = plan_of("compare with the first one", "long").steps
    assert (step.a, step.b) == (0, 4)
