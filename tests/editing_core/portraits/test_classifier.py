"""The classifier: what it is taught, and what the shipped one sees."""

import random
from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image

from editing_core.portraits.augmentations import corrupted, distractor
from editing_core.portraits.classifier import (
    CHOICES,
    HIDDEN,
    SIDE,
    AttributeClassifier,
    load_classifier,
    targets,
)
from editing_core.portraits.schema import VALUES, Attributes, draw, draws, sample


def test_an_untrained_reader_answers_every_question() -> None:
    torch.manual_seed(0)
    seen = AttributeClassifier().classify(draw(sample(random.Random(1)), 200))
    assert seen.confidence.keys() == VALUES.keys()
    assert all(value in VALUES[name] for name, value in seen.attributes.items())
    assert all(0 <= sure <= 1 for sure in [*seen.confidence.values(), seen.portrait])


def test_answers_are_the_choices_of_what_shows() -> None:
    right = targets(Attributes(headwear="none", expression="angry").visible())
    named = {name: CHOICES[name][choice] for name, choice in right.items()}
    assert (named["expression"], named["headwear_color"], named["portrait"]) == (
        "angry",
        HIDDEN,
        "yes",
    )
    assert targets(None) == {"portrait": 0}


def test_damage_is_repeatable_and_leaves_the_rest_alone() -> None:
    pictures = torch.rand(6, 3, SIDE, SIDE) * 2 - 1
    assert torch.equal(corrupted(pictures, 3), corrupted(pictures, 3))
    assert torch.equal(corrupted(pictures, 3, share=0.0), pictures)
    assert not torch.equal(corrupted(pictures, 3, share=1.0), pictures)


def test_other_pictures_are_varied_and_the_same_every_time() -> None:
    pictures = [distractor(seed) for seed in range(6)]
    assert {picture.shape for picture in pictures} == {(SIDE, SIDE, 3)}
    assert len({picture.tobytes() for picture in pictures}) == 6
    assert np.array_equal(pictures[2], distractor(2))


@pytest.mark.weights
def test_the_shipped_reader_names_what_was_drawn() -> None:
    hits = []
    for portrait in islice(draws("eval", 9), 100):
        seen = load_classifier().classify(draw(portrait))
        assert seen.is_portrait
        truth = portrait.attributes.visible()
        hits += [seen.attributes.get(name) == truth.get(name) for name in VALUES]
    assert np.mean(hits) >= 0.985


@pytest.mark.weights
@pytest.mark.parametrize("color", ["red", "white", "black"])
def test_the_shipped_reader_sees_no_portrait_in_a_flat_picture(color: str) -> None:
    assert not load_classifier().classify(Image.new("RGB", (64, 64), color)).is_portrait


@pytest.mark.weights
def test_the_shipped_reader_sees_no_portrait_in_other_styles() -> None:
    seen = [load_classifier().classify(Image.fromarray(distractor(10_000 + i))) for i in range(30)]
    assert np.mean([s.is_portrait for s in seen]) <= 0.1
