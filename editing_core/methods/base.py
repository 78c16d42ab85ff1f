"""What a method says of itself: what it needs, what it reads, its own settings and its preset."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from editing_core.errors import EditError

if TYPE_CHECKING:
    from editing_core.methods.context import EditContext, EditOutput
    from editing_core.models.base import ModelSpec

Need = Literal["inversion", "attention", "instruction", "history", "references"]
"""What a method cannot do without: a flow that can be walked from picture to noise, attention
layers to look into, the person's own words, all pictures since the original, or other pictures that
the model looks at."""

Group = Literal["ours", "paper", "published", "baseline", "own weights"]
GROUPS: tuple[Group, ...] = ("ours", "paper", "published", "baseline", "own weights")

SAMPLING = ("steps", "guidance", "keep", "bounds", "draft")
INVERTING = (*SAMPLING, "invert_guidance", "inversion_prompt")
"""Names of ``EditSettings`` that methods read who sample, and who invert first."""


@dataclass(frozen=True)
class MethodSpec:
    """A method of editing. Each file of methods holds one or more of these.

    Attributes:
        name: What people call it by.
        edit: Makes an edit: ``edit(context)``, or ``edit(context, own)`` with other settings than
            the method's own.
        group: Where it comes from; lists are in this order.
        reads: Names of the ``EditSettings`` that it reads; its other numbers are its own.
        needs: What it cannot do without.
        presets: Names of the presets made for it; an edit by it begins from the first.
        own: Its own settings, a frozen dataclass; a recipe holds them.
        world: The world that weights of its own were trained on, if it has any: they know its
            latents and instructions only.
        said: One line for people; the first of its module if left out.
    """

    name: str
    edit: Callable[..., EditOutput]
    group: Group
    reads: tuple[str, ...]
    needs: frozenset[Need] = frozenset()
    presets: tuple[str, ...] = ("paper",)
    own: object | None = None
    world: str = ""
    said: str = ""

    @property
    def summary(self) -> str:
        """Say in one line what it is."""
        module = sys.modules[self.edit.__module__].__doc__ or ""
        return self.said or module.partition("\n")[0]

    def lacking(self, model: ModelSpec, *, attention: bool = True) -> str:
        """Say what of its needs a model does not offer; "" if it offers all.

        Args:
            model: What the model offers.
            attention: Whether its attention can be looked into, as it runs.
        """
        if self.world and model.latents != self.world:
            return f"it was trained with --model {self.world} alone"
        if "inversion" in self.needs and not model.invertible:
            return "it walks pictures back to noise, for which the model has too few steps"
        if "attention" in self.needs and not attention:
            return "it looks into attention, which several GPUs share"
        if "references" in self.needs and not model.references:
            return "it shows the model other pictures, at which this one cannot look"
        return ""

    def refuse(self, model: ModelSpec, *, attention: bool = True, others: str = "") -> None:
        """Refuse a model that lacks what the method needs.

        Args:
            model: What the model offers.
            attention: Whether its attention can be looked into, as it runs.
            others: Names of methods for which it would do.

        Raises:
            EditError: It lacks something; the sentence says what.
        """
        if lacking := self.lacking(model, attention=attention):
            instead = f"edit by {others}" if others else "choose another method"
            raise EditError(
                f"The method {self.name} is not for the model {model.name}: {lacking}; {instead}."
            )


Method = Callable[["EditContext"], "EditOutput"]
"""A function that makes an edit."""
