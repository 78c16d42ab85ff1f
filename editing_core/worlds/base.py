"""What a world is to all other code: a closed set of pictures that captions can say all about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from PIL import Image

Attributes = Mapping[str, str]
"""Attribute to value, in the words that captions use."""


@dataclass(frozen=True)
class Schema:
    """What pictures of a world may show.

    Attributes:
        values: Every attribute and the values it may take.
        colors: Values of the attributes that name a colour.
        color_of: For an attribute that names a thing, the attribute that names its colour.
        removable: Attributes that a picture shows only if its caption names them.
    """

    values: Mapping[str, tuple[str, ...]]
    colors: tuple[str, ...]
    color_of: Mapping[str, str]
    removable: tuple[str, ...]


class World(Protocol):
    """A closed world of pictures: every caption is attributes, every attribute can be seen."""

    @property
    def name(self) -> str:
        """What it is called; the model that draws it has the same name."""
        ...

    @property
    def schema(self) -> Schema:
        """What its pictures may show."""
        ...

    def contains(self, caption: str) -> bool:
        """Say whether it can show all that a caption says, so that no word gets lost."""
        ...

    def parse(self, caption: str) -> dict[str, str]:
        """Return the attributes that a caption names."""
        ...

    def caption(self, attributes: Attributes) -> str:
        """Write the canonical caption of attributes."""
        ...

    def apply(self, before: Attributes, wanted: Attributes) -> dict[str, str]:
        """Change attributes by the world's rules (no colour without its thing ...)."""
        ...

    def kind(self, before: Attributes, changed: Attributes) -> str:
        """Name the kind of change, by which it is decided how to edit ("add", "color" ...)."""
        ...

    def instruction(self, source: str, target: str) -> str:
        """Put the difference of two captions into words; "" if they say the same."""
        ...

    def sample(self, seed: int = 7) -> tuple[Image.Image, str]:
        """Draw a picture to begin with, and caption it fully."""
        ...

    def draw(
        self, attributes: Attributes, *, seed: int = 7, side: int | None = None
    ) -> tuple[Image.Image, str]:
        """Draw a picture with some attributes of its own, and caption it fully.

        Args:
            attributes: What differs from the sample's.
            seed: Of what captions do not name.
            side: Of the picture, in pixels, if it is not to be what the model works at.
        """
        ...

    def judge(self, image: Image.Image, expected: Attributes | None = None) -> dict[str, str]:
        """Name the attributes that a picture shows; nothing for a picture of no such world.

        Args:
            image: Of any size.
            expected: What is to be taken where the picture leaves doubt.
        """
        ...

    def degraded(self, image: Image.Image) -> bool:
        """Say whether a picture of it is smeared, doubled or half there."""
        ...
