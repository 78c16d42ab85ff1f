"""The judge that is no network: exact drawings pass, what was there before does not."""

import pytest
from PIL import ImageFilter

from editing_core.bench.measured import like_truth
from editing_core.bench.sequences import SequenceTurn, sequences
from editing_core.portraits.schema import Portrait, draw

HATTED = Portrait().with_(headwear="hat", headwear_color="red")


def test_exact_drawings_are_like_the_truth_and_those_before_are_not() -> None:
    for turn in (turn for walk in sequences(4, 6, seed=11) for turn in walk):
        assert like_truth(draw(turn.after), turn)
        assert not like_truth(draw(turn.before), turn)


def test_a_blurred_drawing_is_and_one_of_another_color_is_not() -> None:
    blue = SequenceTurn(HATTED, HATTED.with_(headwear_color="blue"))
    assert like_truth(draw(blue.after).filter(ImageFilter.GaussianBlur(2)), blue)
    assert not like_truth(draw(HATTED.with_(headwear_color="purple")), blue)


@pytest.mark.parametrize("lost", [{"background": "beach"}, {"clothing_color": "pink"}])
def test_only_what_was_asked_for_is_judged(lost: dict[str, str]) -> None:
    blue = SequenceTurn(HATTED, HATTED.with_(headwear_color="blue"))
    assert like_truth(draw(blue.after.with_(**lost)), blue)
