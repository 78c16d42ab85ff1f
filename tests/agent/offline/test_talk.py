"""What is said about the talk itself, and what is said honestly where nothing can be done."""

from __future__ import annotations

import pytest
from language import score
from language.score import named as said

from agent.offline.grammar import Context, understand_offline
from agent.offline.talk import chosen, drops
from agent.state import Ask


SUGGESTIONS = ("add a hat", "make her older", "change the background to blue")


def plan_of(message: str, beginning: str = "start"):
    return understand_offline(message, Context.of(score.conversation(beginning)))


def test_what_cannot_be_drawn_is_named_beside_what_is():
    plan = plan_of("add a hat and give her freckles")
    assert [said(step) for step in plan.steps] == [{"headwear": "hat"}]
    assert plan.note == "I cannot draw “freckles” in these portraits."


def test_what_can_be_drawn_instead_can_be_read():
    for message in (
        "give her freckles",
        "lipstick",
        "add a bracelet",
        "blue eyes",
        "make her taller",
    ):
        (ask,) = plan_of(message).steps
        assert 2 <= len(ask.options) <= 3, message
        for option in ask.options:
            assert plan_of(option).steps and "not" not in plan_of(option).note, option


def test_what_is_there_already_is_not_suggested():
    (ask,) = plan_of("add a dog", "hat").steps
    assert ask.options == ("change the background to blue", "add glasses", "wink")


def test_what_is_so_already_is_said_in_a_sentence():
    for message, beginning, reply in (
        ("make the background green", "start", "The background is already green."),
        ("put her on the beach", "scarf", "The background is already a beach."),
        ("make her young", "start", "She is already young."),
        ("brown hair", "start", "Her hair is already brown."),
        ("give her a bob", "start", "She already has a bob."),
        ("make the hat red", "long", "She already wears a red hat."),
        ("sunglasses", "long", "She already wears sunglasses."),
        ("striped", "scarf", "The t-shirt is already striped."),
        ("make her a woman", "start", "This is a woman already."),
    ):
        plan = plan_of(message, beginning)
        assert not plan.steps and plan.note.startswith(reply), (message, plan)


def test_a_dislike_says_what_is_made_of_it():
    plan = plan_of("I don't like the hat", "hat")
    assert plan.note == "I read “I don't like the hat” as: beanie instead."
    assert plan_of("I don't like the hat").note == "There is no hat here, so nothing was changed."


def test_a_question_how_to_do_something_is_answered_with_what_to_say():
    assert plan_of("how do I undo the hat?", "hat").note == "Just say “undo the hat”."
    assert plan_of("how do I frobnicate the zork?", "hat").note == ""
    assert [said(step) for step in plan_of("how to save it?").steps] == ["help"]


@pytest.mark.parametrize(
    ("answer", "option"),
    [
        ("2", "make her older"),
        ("3.", "change the background to blue"),
        ("option 1", "add a hat"),
        ("the second one", "make her older"),
        ("the last one", "change the background to blue"),
        ("Add a hat", "add a hat"),
        ("hat", "add a hat"),
        ("a hat please", "add a hat"),
        ("the blue one", "change the background to blue"),
        ("show me the first picture", None),
        ("the red hat", None),
        ("make her", None),
        ("change it", None),
        ("4", None),
        ("", None),
    ],
)
def test_an_answer_chooses_by_number_or_by_words_that_only_one_option_has(answer, option):
    assert chosen(answer, Ask(question="?", options=SUGGESTIONS)) == option


def test_an_exact_answer_goes_before_longer_options():
    question = Ask(question="?", options=("round glasses", "glasses", "sunglasses"))
    assert chosen("the glasses", question) == "glasses"
    assert chosen("round", question) == "round glasses"
    assert chosen("a hat", question) is None


@pytest.mark.parametrize(
    "answer",
    ["nevermind", "Never mind!", "cancel", "forget it", "no", "none", "nothing", "leave it",
     "skip", "no thanks", "none of them", "dont bother"],
)  # fmt: skip
def test_a_question_is_dropped(answer):
    assert drops(answer)


@pytest.mark.parametrize("answer", ["no hat", "never mind the hat", "nothing red", "undo that"])
def test_an_answer_with_something_to_say_drops_nothing(answer):
    assert not drops(answer)


def test_a_bare_no_may_be_an_answer_to_an_llm():
    assert not drops("no", plainly=False) and drops("cancel", plainly=False)
