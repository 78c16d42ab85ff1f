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


def test_a_condition_is_refused_in_one_sentence_and_never_dropped():
    """Once "undo the undo of the hat unless it is red" took the hat back without a word."""
    (ask,) = plan_of("undo the undo of the hat unless it is red", "hat").steps
    assert ask.step == "ask" and "“unless it is red”" in ask.question
    assert ask.options == ("undo the undo of the hat",)
    assert [said(step) for step in plan_of("undo the undo of the hat", "undone").steps] == [
        "redo 1"
    ]


def test_only_what_would_change_this_picture_is_offered():
    for beginning in ("start", "hat", "long", "cat", "house"):
        (ask,) = plan_of("flurbish the zork", beginning).steps
        assert ask.question.startswith("I did not understand") and len(ask.options) == 3
        for option in ask.options:
            made = plan_of(option, beginning).steps
            assert [step.step for step in made] == ["edit"], (beginning, option)
    assert "add a hat" not in plan_of("flurbish the zork", "hat").steps[0].options
    assert "add a hat" not in plan_of("hello", "hat").note


def test_a_bit_less_after_a_wish_that_was_not_done_is_asked():
    talk = score.conversation_after("add a red hat", "give her freckles")
    (ask,) = understand_offline("a bit less", Context.of(talk)).steps
    assert ask.step == "ask" and "“give her freckles” was not done" in ask.question
    (option,) = ask.options
    again = understand_offline(option, Context.of(talk)).steps
    assert [said(step) for step in again] == ["goto 1", "retry weaker"]
    talk = score.conversation_after("add a red hat", "what do you see?")
    assert [said(s) for s in understand_offline("less", Context.of(talk)).steps] == ["retry weaker"]


def test_a_thing_that_is_not_there_is_not_added_silently():
    plan = plan_of("make the hat blue")
    assert [said(step) for step in plan.steps] == [{"headwear": "hat", "headwear_color": "blue"}]
    assert plan.note == "There was no hat, so I added one."
    assert not plan_of("make the hat blue", "hat").note and not plan_of("add a blue hat").note
    assert [step.step for step in plan_of("make the hat blue", "dog").steps] == ["ask"]


def test_him_over_a_woman_is_said():
    plan = plan_of("make him older")
    assert said(plan.steps[0])["age"] == "old"
    assert plan.note == "I took “him” to mean the woman in the picture."
    for message in ("make her older", "make them older", "turn her into a man and make him old"):
        assert "to mean" not in plan_of(message).note, message


def test_her_is_the_woman_of_a_caption_and_nobody_else():
    talk = score.conversation_after(caption="a man and a woman on a bench")
    (step,) = understand_offline("make her older", Context.of(talk)).steps
    assert step.target_prompt == "a man and an old woman on a bench"
    for message in ("make him older", "give him a hat", "add a dog next to him"):
        assert [step.step for step in plan_of(message, "kitchen").steps] == ["ask"], message
