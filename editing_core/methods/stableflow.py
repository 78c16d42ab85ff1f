"""StableFlow (Avrahami et al. 2024): vital layers attend to the keys and values of the picture."""

from __future__ import annotations

from dataclasses import dataclass

from editing_core.feature_injection import FeatureInjection, layers_like
from editing_core.methods.base import INVERTING, MethodSpec
from editing_core.methods.context import EditContext, EditOutput, inverted_path
from editing_core.methods.paired_sampling import sample_beside


@dataclass(frozen=True)
class StableFlowConfig:
    """StableFlow's own numbers, as in its official release.

    Attributes:
        double: Vital joint layers of FLUX.1, without which its pictures change most.
        single: Vital single layers.
        nudge: Factor on the picture's latents before they are inverted, so that they can be; as
            in the release it is not taken back, so that contrast grows from turn to turn.
    """

    double: tuple[int, ...] = (0, 1, 17, 18)
    single: tuple[int, ...] = (6, 9, 34, 35, 37)
    nudge: float = 1.15


PUBLISHED = StableFlowConfig()


def edit(context: EditContext, numbers: StableFlowConfig = PUBLISHED) -> EditOutput:
    """Invert, then walk back beside the inversion's own states."""
    layers = context.model.attention()
    path = inverted_path(context, numbers.nudge)
    vital = layers_like(layers, numbers.double, numbers.single)
    sharing = FeatureInjection(layers, dict.fromkeys(vital, ("key", "value")))
    both = sample_beside(context, path[-1], sharing, lambda step: ("key", "value"), path)
    return EditOutput(both[1:])


SPEC = MethodSpec(
    "stableflow",
    edit,
    "published",
    INVERTING,
    needs=frozenset({"inversion", "attention"}),
    own=PUBLISHED,
)
