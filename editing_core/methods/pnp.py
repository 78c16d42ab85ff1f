"""PnP by Direct Inversion (Ju et al. 2024): beside the exact source, with its attention.

Made for U-Nets; here queries and keys of picture tokens in the second half of FLUX's blocks, and
the attention output of the first of these, stand in for Plug-and-Play's maps and features.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from torch import Tensor

from editing_core.feature_injection import Part, Sharing, later_blocks
from editing_core.methods.context import Outcome, Task, inverted_path
from editing_core.methods.paired_sampling import sample_beside


@dataclass(frozen=True)
class Numbers:
    """The own numbers of Plug-and-Play (Tumanyan et al. 2023), as Direct Inversion uses it.

    Attributes:
        features: Share of the steps, from the first, in which the output is lent.
        attention: The same for queries and keys.
        depth: Share of the blocks that keep their own (8 of 16 self-attentions).
    """

    features: float = 0.8
    attention: float = 0.5
    depth: float = 8 / 16


PUBLISHED = Numbers()


def edit(task: Task, numbers: Numbers = PUBLISHED) -> Outcome:
    """Invert, then walk back under both prompts, the source's walk corrected to the inversion."""
    return Outcome(source_and_target(task, numbers)[1:])


def source_and_target(task: Task, numbers: Numbers = PUBLISHED) -> Tensor:
    """Return the source made again and the edited picture. Shape: (2, L, 64)."""
    transformer, steps = task.flux.transformer, task.settings.steps
    first, *others = later_blocks(transformer, numbers.depth)

    def lent_in(step: int) -> Collection[Part]:
        features: list[Part] = ["output"] if step < int(numbers.features * steps) else []
        return [*features, "query", "key"] if step < int(numbers.attention * steps) else features

    parts: dict[int, tuple[Part, ...]] = dict.fromkeys(others, ("query", "key"))
    parts[first] = ("query", "key", "output")
    path = inverted_path(task)
    sharing = Sharing(transformer, parts, task.target.embeds.shape[1])
    return sample_beside(task, path[-1], sharing, lent_in, path)
