"""Edits are told clean from degraded by exact drawings alone."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from editing_core.bench.sequences import SequenceTurn
from editing_core.portraits.classifier import targets
from editing_core.portraits.schema import Attributes, Identity, Portrait
from editing_core.worlds.portraits.drawing import FILLING, Place, draw
from editing_core.worlds.portraits.edited import CLEAN, DEGRADED, answers_by_drawings

WOMAN = Portrait(Attributes(), Identity())
OLDER = SequenceTurn(WOMAN, WOMAN.with_(age="old"))


@pytest.mark.parametrize("place", [FILLING, Place(0.6, 0.5, 0.2)])
def test_the_exact_drawing_is_clean_and_shows_what_was_asked_for(place: Place) -> None:
    right = answers_by_drawings(draw(OLDER.after, 256, place), OLDER, place)
    assert right == targets(OLDER.after.attributes.visible()) | {"clean": CLEAN}


def test_an_edit_that_did_nothing_is_clean_and_shows_what_was_before() -> None:
    right = answers_by_drawings(draw(WOMAN), OLDER, FILLING)
    assert right == targets(WOMAN.attributes.visible()) | {"clean": CLEAN}


def test_another_cut_of_new_hair_is_right_as_well() -> None:
    longer = SequenceTurn(WOMAN, WOMAN.with_(hair="long"))
    other = replace(longer.after, identity=replace(WOMAN.identity, cut=1))
    right = answers_by_drawings(draw(other), longer, FILLING)
    assert right is not None and right["clean"] == CLEAN


def test_a_smear_is_spoilt_and_half_an_edit_teaches_nothing() -> None:
    smear = Image.fromarray(np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8))
    assert answers_by_drawings(smear, OLDER, FILLING) == {"clean": DEGRADED}
    half = Image.blend(draw(WOMAN), draw(OLDER.after), 0.5)
    assert answers_by_drawings(half, OLDER, FILLING) is None
