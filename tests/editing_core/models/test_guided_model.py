"""Classifier-free guidance beside hooks: they heed the prompt's call, not the empty prompt's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tiny_flux2 import tiny_flux2
from tiny_qwen import tiny_qwen
from tiny_sd3 import tiny_sd3
from tiny_z_image import tiny_z

from editing_core.attention_guidance import AttentionControl
from editing_core.editor import draw_noise
from editing_core.feature_injection import FeatureInjection
from editing_core.settings import EditSettings
from editing_core.token_alignment import columns_of

SHORT, LONG = "a red hat", "a young woman with a brown bob, a red hat"
every_model = pytest.mark.parametrize("make", [tiny_flux2, tiny_qwen, tiny_z, tiny_sd3])
Make = Callable[[], Any]


def velocity(model: Any, said: str, guidance: float) -> torch.Tensor:
    canvas = model.canvas(48, 80)
    noise = draw_noise(0, canvas, model.channels)
    text = model.encode_text(said)
    found: torch.Tensor = model.velocity(noise, 0.7, text, guidance=guidance, canvas=canvas)
    return found


@every_model
def test_guidance_leads_away_from_the_empty_prompt(make: Make) -> None:
    model = make()
    weak, strong = velocity(model, LONG, 1.0), velocity(model, LONG, 4.0)
    assert (strong - weak).abs().max() > 1e-4
    before = model.forwards
    velocity(model, LONG, 1.0)
    assert model.forwards == before + 1
    velocity(model, LONG, 4.0)
    assert model.forwards == before + 3


@every_model
@torch.no_grad()
def test_words_are_looked_for_under_the_prompt_alone(make: Make) -> None:
    """Whether guidance is on makes no difference to where the words look."""
    model = make()
    text, canvas = model.encode_text(LONG), model.canvas(48, 80)
    seen = []
    for guidance in (1.0, 4.0):
        settings = EditSettings(steps=8, guide_from=1)
        control = AttentionControl(model, settings, text, columns_of(text, ["hat"]), canvas)
        with control:
            velocity(model, LONG, guidance)
        seen.append(control.maps)
    plain, guided = seen
    assert plain and plain.keys() == guided.keys()
    for index, maps in plain.items():
        torch.testing.assert_close(guided[index], maps, atol=1e-6, rtol=0)


@every_model
@torch.no_grad()
def test_features_are_those_of_the_prompt(make: Make) -> None:
    model = make()
    layer = model.attention()[1].index
    sharing = FeatureInjection(model.attention(), {layer: ("value",)}, text=True)
    with sharing:
        recorded = []
        for guidance in (1.0, 4.0):
            with sharing.record() as features:
                velocity(model, LONG, guidance)
            recorded.append(features[layer, "value"])
    plain, guided = recorded
    torch.testing.assert_close(guided, plain, atol=1e-6, rtol=0)


@torch.no_grad()
def test_texts_of_another_length_are_not_lent() -> None:
    """The image's features alone are then: nothing is padded, so no text fits another's place."""
    model = tiny_qwen()
    layer = model.attention()[1].index
    drawn = []
    for text in (True, False):
        sharing = FeatureInjection(model.attention(), {layer: ("value",)}, text=text)
        with sharing:
            with sharing.record() as features:
                velocity(model, SHORT, 1.0)
            with sharing.lend(features):
                drawn.append(velocity(model, LONG, 4.0))
    assert (drawn[0] - velocity(model, LONG, 4.0)).abs().max() > 1e-6
    torch.testing.assert_close(drawn[0], drawn[1], atol=1e-6, rtol=0)
