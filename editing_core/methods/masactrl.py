"""MasaCtrl (Cao et al. 2023): after some steps, later layers attend to the source's features.

Made for U-Nets; here the keys and values of picture tokens in the same part of FLUX's depth come
from a walk under the source prompt, for queries of text and picture alike.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from editing_core.feature_injection import FeatureInjection, Part, later_layers
from editing_core.methods.base import INVERTING, MethodSpec
from editing_core.methods.context import EditContext, EditOutput, inverted_path
from editing_core.methods.paired_sampling import sample_beside


@dataclass(frozen=True)
class MasaCtrlConfig:
    """MasaCtrl's own numbers, as published for Stable Diffusion 1.

    Attributes:
        begin: Share of the steps before features are lent (4 of 50).
        depth: Share of the layers that keep their own (10 of 16 self-attentions).
    """

    begin: float = 4 / 50
    depth: float = 10 / 16


PUBLISHED = MasaCtrlConfig()


def edit(context: EditContext, numbers: MasaCtrlConfig = PUBLISHED) -> EditOutput:
    """Invert, then walk back under both prompts from the same noise."""
    layers = context.model.attention()
    begin = round(numbers.begin * context.settings.steps)

    def lent_in(step: int) -> Collection[Part]:
        return ("key", "value") if step >= begin else ()

    later = later_layers(layers, numbers.depth)
    sharing = FeatureInjection(layers, dict.fromkeys(later, ("key", "value")))
    return EditOutput(sample_beside(context, inverted_path(context)[-1], sharing, lent_in)[1:])


SPEC = MethodSpec(
    "masactrl",
    edit,
    "published",
    INVERTING,
    needs=frozenset({"inversion", "attention"}),
    own=PUBLISHED,
)
