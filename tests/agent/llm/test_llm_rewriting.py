"""Captions that an LLM rewrote: source and target stay the same caption, but for the change."""

from __future__ import annotations

import pytest
from studio_fakes import CAPTION

from agent.llm.caption_edit import Written, edit_of, lost, mended
from agent.llm.structured_output import Unusable

PHOTO = "a man in a red coat on a wooden bench, snow on the ground, bare trees behind him"


def prompts(target, change=None, source="", caption=PHOTO, *, words=(), world=False):
    step, _ = edit_of(caption, Written(source, target, change, words), world=world)
    return step.change, step.source_prompt, step.target_prompt, step.edit_words


def test_a_change_of_one_word():
    target = PHOTO.replace("red", "blue")
    assert prompts(target, "color") == ("color", PHOTO, target, ("blue",))


@pytest.mark.parametrize(
    ("target", "kind"),
    [(f"{PHOTO}, a small dog", "add"), (PHOTO.replace("wooden ", ""), "remove"),
     (PHOTO.replace("man", "robot"), "replace")],
)  # fmt: skip
def test_a_kind_that_was_not_named_is_found(target, kind):
    assert prompts(target)[0] == kind


def test_what_an_addition_left_out_is_put_back():
    target = "a man in a red coat on a wooden bench with a dog, bare trees"
    assert prompts(target, "add")[2] == PHOTO.replace("bench", "bench with a dog")
    assert mended("a, b, c", "a, c, d") == "a, b, c, d"


def test_a_removal_takes_words_away_and_names_what_vanishes():
    target = "a man in a red coat, snow on the ground, bare trees behind him"
    assert prompts(target, "remove")[3] == ("wooden", "bench")


def test_the_source_names_what_is_to_change():
    source = PHOTO.replace("a man", "a man with brown hair")
    target = source.replace("brown", "green")
    assert prompts(target, "color", source)[1:] == (source, target, ("green",))
    poorer = "a man with brown hair"
    assert prompts(target, "color", poorer)[1] == PHOTO, "a source that forgets things is not used"


@pytest.mark.parametrize(
    ("target", "change"),
    [("", "add"), (PHOTO, "color"), (f" {PHOTO.upper()}. ", "color"), ("a blue coat", "color"),
     (PHOTO.replace("a man", "the man"), "attribute"),
     ("a bench with five tiny green monkeys reading old newspapers and eating bananas", "remove"),
     (f"{PHOTO}, a dog", "remove"),
     ("a painting", "style")],
)  # fmt: skip
def test_what_changes_nothing_or_everything_is_refused(target, change):
    with pytest.raises(Unusable):
        prompts(target, change)


def test_a_background_may_take_most_words_away():
    assert prompts("a man in a coat on a sunny beach", "background")[0] == "background"


def test_what_the_caption_does_not_name_is_removed():
    source = PHOTO.replace("a man", "a man with a lamp")
    assert prompts(PHOTO, "remove", source) == ("remove", source, PHOTO, ("lamp",))


@pytest.mark.parametrize(
    ("caption", "target", "change"),
    [("a dog", "a cat", "replace"), ("three people", "three penguins", "replace"),
     ("an old brown dog", "a cat", "replace"), ("a photo", "an oil painting", "style"),
     ("a crowd on a square", "an empty square, cobblestones and shop windows behind", "remove")],
)  # fmt: skip
def test_a_right_plan_is_not_refused(caption, target, change):
    assert prompts(target, change, caption=caption)[:3] == (change, caption, target)


def test_the_words_of_the_llm_name_the_change():
    target = PHOTO.replace("a man", "a happy man")
    assert prompts(target, "attribute", words=["happy man", "Smile"])[3] == ("happy man",)
    assert prompts(target, "attribute", words=["bench"])[3] == ("happy",), "they do not name it"
    assert prompts(target, "attribute", words=["appy", ""])[3] == ("happy",), "they stand nowhere"
    bare = PHOTO.replace("wooden ", "")
    assert prompts(bare, "remove", words=["wooden"])[3] == ("wooden",), "in the source"


def left_out(target, change="color"):
    return edit_of(CAPTION, Written("", target, change), world=True)[1]


def test_what_no_portrait_can_show_is_said():
    hoodie = CAPTION.replace("blue t-shirt", "orange hoodie")
    assert left_out(hoodie, "replace") == (
        "No portrait here can show “orange”, so that was left out."
    )
    assert left_out(CAPTION.replace("young", "elderly"), "attribute") == ""
    with pytest.raises(Unusable, match="“orange” cannot be drawn"):
        left_out(CAPTION.replace("blue", "orange"))
    both = CAPTION.replace("blue", "red") + ", glasses"
    assert left_out(both, "add") == "As before: clothing color."


def test_what_the_world_of_portraits_can_draw_is_written_in_its_words():
    target = "portrait: an old woman, smiling, brown bob, with a red beanie"
    change, source, written, words = prompts(target, "attribute", caption=CAPTION, world=True)
    assert source == CAPTION
    assert "a red beanie, a blue t-shirt, green background" in written, "what was left out stays"
    assert "old" in written
    assert "beanie" in words


def test_an_addition_changes_nothing_that_was_there():
    target = CAPTION.replace("young", "old").replace("blue", "red") + ", glasses"
    written = prompts(target, "add", caption=CAPTION, world=True)[2]
    assert "glasses" in written and "young" in written and "blue t-shirt" in written
    hatted = CAPTION.replace("light skin", "light skin, a red hat")
    assert (
        "a blue hat" in prompts(hatted.replace("red", "blue"), "add", caption=hatted, world=True)[2]
    )


def test_a_hat_goes_only_if_that_was_asked_for():
    caption = CAPTION.replace("light skin", "light skin, a red hat")
    older = CAPTION.replace("young", "old")
    assert "hat" in prompts(older, "attribute", caption=caption, world=True)[2]
    assert "hat" not in prompts(CAPTION, "remove", caption=caption, world=True)[2]


@pytest.mark.parametrize("target", ["a dog on the moon", f"{CAPTION}, a dog"])
def test_what_cannot_be_drawn_is_refused(target):
    with pytest.raises(Unusable, match="drawn"):
        prompts(target, "add", caption=CAPTION, world=True)


def test_lost_words_are_counted():
    assert lost("a red hat, a red coat", "the red coat") == ["red", "hat"]
