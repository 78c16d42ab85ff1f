"""The portraits' world: drawing, captions, reading, splits."""

import random
from itertools import islice

import numpy as np
import pytest

from editing_core.portraits.analysis_by_synthesis import read
from editing_core.portraits.captions import caption, parse
from editing_core.portraits.schema import (
    VALUES,
    Attributes,
    Portrait,
    change_mask,
    draw,
    draws,
    held_out,
    sample,
)


def test_a_portrait_is_always_drawn_the_same() -> None:
    portrait = sample(random.Random(5))
    assert np.array_equal(draw(portrait), draw(portrait))
    assert draw(portrait, 96).size == (96, 96)


@pytest.mark.parametrize("name", VALUES)
def test_every_visible_value_looks_different(name: str) -> None:
    worn = {"headwear_color": "hat", "eyewear_color": "glasses", "neckwear_color": "scarf"}
    wearing = {name.removesuffix("_color"): worn[name]} if name in worn else {}
    start = Portrait(Attributes(gender="man", **wearing))
    drawings = {draw(start.with_(**{name: value})).tobytes() for value in VALUES[name]}
    assert len(drawings) == len(VALUES[name])


def test_old_people_have_gray_hair() -> None:
    assert Attributes(age="old", hair_color="red").hair_color == "gray"


def test_a_value_the_world_lacks_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match="headwear cannot be 'helmet'; choose one of none, hat"):
        Attributes(headwear="helmet")


def test_an_edit_changes_nothing_outside_its_mask() -> None:
    before = sample(random.Random(3)).with_(eyewear="none", headwear="none")
    after = before.with_(eyewear="sunglasses")
    mask = change_mask(before, after)
    assert 0.005 < mask.mean() < 0.1
    outside = np.abs(np.asarray(draw(before), int) - np.asarray(draw(after), int))[~mask]
    assert outside.max() <= 8


def test_captions_say_what_is_there_and_never_who_it_is() -> None:
    rng = random.Random(1)
    for portrait in islice(draws("train"), 300):
        visible = portrait.attributes.visible()
        assert parse(caption(visible)) == {
            n: v for n, v in visible.items() if v not in ("none", "plain")
        }
        said = caption(visible, rng, naming=0.5)
        assert parse(said).items() <= visible.items(), said


def test_canonical_caption() -> None:
    attributes = Attributes(headwear="hat", eyewear="glasses").visible()
    assert caption(attributes) == (
        "a portrait of a smiling young woman with a brown bob, light skin, a red hat, "
        "black glasses, "
        "a blue t-shirt, green background"
    )


def test_splits_share_no_combination_and_no_portrait() -> None:
    train, evaluation = (list(islice(draws(split), 300)) for split in ("train", "eval"))
    assert not any(held_out(p.attributes) for p in train)
    assert all(held_out(p.attributes) for p in evaluation)
    with pytest.raises(ValueError, match="'train' or 'eval'"):
        next(draws("test"))


def test_reading_with_an_expectation_sees_what_differs_from_it() -> None:
    portrait = next(draws("eval", 4)).with_(eyewear="none", expression="smiling")
    picture = draw(portrait.with_(eyewear="sunglasses", expression="sad"))
    seen = read(picture, expected=portrait).attributes
    assert (seen["eyewear"], seen["expression"]) == ("sunglasses", "sad")
