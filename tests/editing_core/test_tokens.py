import pytest
from tiny_flux import tiny_flux

from editing_core.errors import EditError
from editing_core.models.base import TextEmbedding
from editing_core.token_alignment import columns_of, prompt_columns


def pieces(text, columns):
    flux = tiny_flux()
    ids = flux.tokenizer_2(text.prompt).input_ids
    return flux.tokenizer_2.convert_ids_to_tokens([ids[i] for i in columns])


def test_a_known_word_is_one_token():
    text = tiny_flux().encode_text("a woman with a red hat")
    assert columns_of(text, ["hat"]) == (5,)
    assert pieces(text, (5,)) == ["▁hat"]


def test_an_unknown_word_is_all_its_pieces():
    text = tiny_flux().encode_text("a woman with zebra hat")
    columns = columns_of(text, ["zebra"])
    assert "".join(pieces(text, columns)).strip("▁") == "zebra"
    assert len(columns) > 1
    assert columns == tuple(range(columns[0], columns[-1] + 1))


def test_offsets_that_include_the_space():
    offsets = ((0, 1), (1, 5), (5, 6), (6, 9), (0, 0))
    text = TextEmbedding("a red hat", None, offsets)
    assert columns_of(text, ["red"]) == (1,)
    assert columns_of(text, ["hat"]) == (3,)


def test_words_stand_whole():
    text = tiny_flux().encode_text("a young hatter with a hat")
    assert pieces(text, columns_of(text, ["hat"])) == ["▁hat"]


def test_phrases_and_case():
    text = tiny_flux().encode_text("a red  hat, a red portrait")
    assert pieces(text, columns_of(text, ["Red hat"])) == ["▁red", "▁hat"]
    assert columns_of(text, ["red portrait", "portrait"]) == columns_of(text, ["red portrait"])


def test_the_new_place_is_preferred():
    text = tiny_flux().encode_text("a red hat, a red portrait")
    everywhere = columns_of(text, ["red"])
    assert len(everywhere) == 2
    assert columns_of(text, ["red"], source_prompt="a red portrait") == everywhere[:1]
    assert columns_of(text, ["red"], source_prompt="a red hat") == everywhere[1:]


def test_a_removed_word_has_no_tokens():
    text = tiny_flux().encode_text("a woman")
    assert columns_of(text, ["hat"], source_prompt="a woman with a hat") == ()


def test_a_word_of_neither_prompt_is_refused():
    with pytest.raises(EditError, match="'glasses' is not in the prompt"):
        columns_of(tiny_flux().encode_text("a woman"), ["glasses"], source_prompt="a woman")


def test_a_word_cut_off_is_refused():
    text = tiny_flux().encode_text("a woman with " * 20 + "hat")
    with pytest.raises(EditError, match="beyond the 48 tokens"):
        columns_of(text, ["hat"])


def test_prompt_columns_leave_out_end_and_padding():
    assert prompt_columns(tiny_flux().encode_text("a red hat")) == (0, 1, 2)
