import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.captions import edit_step, replay
from editing_core.prompt_diff import edit_words, transfer, words_of

CAPTION = "a smiling young woman with a brown bob, light skin, a blue t-shirt, green background"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (CAPTION.replace("young", "old").replace("brown", "gray"), ("old", "gray")),
        (CAPTION.replace("a blue", "a hat, a blue"), ("hat",)),
        (CAPTION.replace("a blue", "a red hat, a blue"), ("red", "hat")),
        (CAPTION.replace("a blue", "a blue hat, a blue"), ("blue hat", "hat")),
        (CAPTION.replace("green", "blue"), ("blue background",)),
        (CAPTION.replace("a blue t-shirt, ", ""), ("blue", "t-shirt")),
        (CAPTION, ()),
    ],
)
def test_edit_words_name_the_change(target, words):
    assert edit_words(CAPTION, target) == words


FAMILY = "a father in a blue shirt, a mother in a green dress, a boy in a red shirt"
FUNCTION_WORDS = {"a", "an", "the", "of", "with", "and", "in", "on"}


def test_a_repeated_word_before_a_comma_is_given_with_its_left_neighbour():
    assert edit_words(FAMILY, FAMILY.replace("dress", "shirt")) == ("green shirt",)


phrases = st.lists(
    st.sampled_from("a the with in red blue green hat shirt t-shirt naïve dog's dog".split()),
    min_size=1,
    max_size=5,
).map(" ".join)
captions = st.lists(phrases, min_size=1, max_size=4).map(", ".join)


@given(captions, captions)
def test_edit_words_stand_in_a_prompt_name_something_and_cross_no_comma(source, target):
    for words in edit_words(source, target):
        assert "," not in words
        assert set(words.split()) - FUNCTION_WORDS
        assert any(
            re.search(rf"(?<!\w){re.escape(words)}(?!\w)", prompt) for prompt in (source, target)
        )


def test_a_removal_is_named_by_the_words_that_vanish():
    assert edit_words("a man with a red hat", "a man") == ("red", "hat")


@given(st.text("ab ,", max_size=30), st.text("ab ,", max_size=30))
def test_edit_words_are_always_words_of_one_prompt(source, target):
    for phrase in edit_words(source, target):
        words = phrase.split()
        assert set(words) <= set(words_of(target)) or set(words) <= set(words_of(source))


def test_a_change_moves_to_another_caption():
    hat = edit_step(CAPTION, {"headwear": "hat"})
    older = edit_step(CAPTION, {"age": "old"})
    assert hat
    assert older
    again = replay(hat, older.target_prompt)
    assert again
    assert again.source_prompt == older.target_prompt
    assert again.target_prompt == older.target_prompt.replace("a blue", "a hat, a blue")


def test_a_change_moves_between_captions_that_are_no_portraits():
    assert transfer("a cat, at night", "a cat on a sofa", "a dog on a sofa") == "a dog, at night"
    assert transfer("a cat", "a dog", "a dog, wearing a hat") == "a cat, wearing a hat"
