"""PnP by Direct Inversion (Ju et al. 2024): beside the exact source, with its attention.

Made for U-Nets; here queries and keys of picture tokens in the second half of the layers, and
the attention output of the first of these, stand in for Plug-and-Play's maps and features.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from editing_core.feature_injection import FeatureInjection, Part, later_layers
from editing_core.methods.base import INVERTING, MethodSpec
from editing_core.methods.context import EditContext, EditOutput, inverted_path
from editing_core.methods.paired_sampling import sample_beside

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class PnPConfig:
    """The own numbers of Plug-and-Play (Tumanyan et al. 2023), as Direct Inversion uses it.

    Attributes:
        features: Share of the steps, from the first, in which the output is lent.
        attention: The same for queries and keys.
        depth: Share of the layers that keep their own (8 of 16 self-attentions).
    """

    features: float = 0.8
    attention: float = 0.5
    depth: float = 8 / 16


PUBLISHED = PnPConfig()


def edit(context: EditContext, numbers: PnPConfig = PUBLISHED) -> EditOutput:
    """Invert, then walk back under both prompts, the source's walk corrected to the inversion."""
    return EditOutput(source_and_target(context, numbers)[1:])


def source_and_target(context: EditContext, numbers: PnPConfig = PUBLISHED) -> Tensor:
    """Return the source made again and the edited picture. Shape: (2, L, C)."""
    layers, steps = context.model.attention(), context.settings.steps
    first, *others = later_layers(layers, numbers.depth)

    def lent_in(step: int) -> Collection[Part]:
        features: list[Part] = ["output"] if step < int(numbers.features * steps) else []
        return [*features, "query", "key"] if step < int(numbers.attention * steps) else features

    parts: dict[int, tuple[Part, ...]] = dict.fromkeys(others, ("query", "key"))
    parts[first] = ("query", "key", "output")
    path = inverted_path(context)
    sharing = FeatureInjection(layers, parts)
    return sample_beside(context, path[-1], sharing, lent_in, path)


SPEC = MethodSpec(
    "pnp",
    edit,
    "published",
    INVERTING,
    needs=frozenset({"inversion", "attention"}),
    own=PUBLISHED,
)
