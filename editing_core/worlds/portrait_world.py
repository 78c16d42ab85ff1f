"""The worlds of drawn portraits, as all other code sees them: one vocabulary, two editions."""

from __future__ import annotations

import random
import re
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING

from editing_core.portraits import captions, instructions, schema
from editing_core.portraits.likeness import alike
from editing_core.portraits.schema import Portrait
from editing_core.prompt_diff import words_of
from editing_core.worlds.base import Attributes, Schema
from editing_core.worlds.portraits import drawing
from editing_core.worlds.portraits.likeness import placed

if TYPE_CHECKING:
    from PIL import Image

    from editing_core.portraits.classifier import ClassifierOutput

TINTED = ("headwear", "eyewear", "neckwear")
"""Things with a colour of their own, which is gone when they are."""
LOOKED_AT = 256  # pixels of the shorter side of a picture, at least, that are enough to name it
PORTRAIT = 0.75  # probability from which a picture is one
CLEAN = 0.5  # probability from which it is not smeared
SURE = 20  # times as probable as what was expected something must be, to be seen in its place
FRAME = frozenset("a an the of with and in on at no portrait drawing picture wearing".split())
"""Words of captions that name nothing."""


class PortraitWorld:
    """Drawn people whose every attribute is known, at any size and shape. See ``World``."""

    name = "portraits"

    @cached_property
    def schema(self) -> Schema:
        """What portraits may show."""
        return Schema(schema.VALUES, schema.COLORS, captions.COLOR_OF, captions.REMOVABLE)

    def contains(self, caption: str) -> bool:
        """Say whether portraits can show all that a caption says, so that no word gets lost."""
        found, words = captions.parse(caption), words_of(caption)
        if "gender" not in found and not {"person", "portrait"} & set(words):
            return False
        known = FRAME | set(words_of(captions.caption(found)))
        return all(
            word in known
            or captions.parse(re.sub(rf"\b{re.escape(word)}\b", "", caption.lower())) != found
            for word in words
        )

    def parse(self, caption: str) -> dict[str, str]:
        """Return the attributes that a caption names."""
        return captions.parse(caption)

    def caption(self, attributes: Attributes) -> str:
        """Write the canonical caption of attributes."""
        return captions.caption(attributes)

    def apply(self, before: Attributes, wanted: Attributes) -> dict[str, str]:
        """Change attributes: no colour without its thing, gray hair in old age."""
        new = {**before, **wanted}
        for thing in TINTED:
            if new.get(thing, "none") in ("none", "necklace"):
                new.pop(captions.COLOR_OF[thing], None)
        if wanted.get("age") == "old" or (new.get("age") == "old" and "hair_color" in wanted):
            new["hair_color"] = "gray"
        if new.get("background") not in schema.VALUES["background"]:
            new.pop("background", None)
        return new

    def kind(self, before: Attributes, changed: Attributes) -> str:
        """Name the kind of change, by which it is decided how to edit."""
        return captions.kind_of(before, changed)

    def instruction(self, source: str, target: str) -> str:
        """Put the difference of two captions into words; "" if they say the same."""
        return instructions.wish(source, target)

    def sample(self, seed: int = 7) -> tuple[Image.Image, str]:
        """Draw the young woman a chat begins with when no picture is given, and caption her."""
        return self.draw({}, seed=seed)

    def draw(
        self, attributes: Attributes, *, seed: int = 7, side: int | None = None
    ) -> tuple[Image.Image, str]:
        """Draw somebody with some attributes of their own, and caption them fully."""
        person = schema.sample(random.Random(seed)).identity
        portrait = schema.Portrait(schema.Attributes(), person).with_(**attributes)
        return self._drawn(portrait, side), captions.caption(asdict(portrait.attributes))

    def judge(self, image: Image.Image, expected: Attributes | None = None) -> dict[str, str]:
        """Name the attributes that a portrait shows; nothing for any other picture."""
        from editing_core.worlds.portraits.classifier import load_classifier  # torch comes with it

        image = _reduced(image)
        output = load_classifier().output(image)
        if output.prediction.portrait < PORTRAIT or not placed(image, output.prediction.attributes):
            return {}
        return _with_doubt(output, expected or {})

    def degraded(self, image: Image.Image) -> bool:
        """Say whether a portrait is smeared, doubled or half there."""
        from editing_core.worlds.portraits.classifier import load_classifier

        return load_classifier().clean(_reduced(image)) < CLEAN

    def _drawn(self, portrait: Portrait, side: int | None) -> Image.Image:
        return drawing.draw(portrait, side or drawing.SIZE)


class FirstPortraitWorld(PortraitWorld):
    """The same people as the first edition drew them, at 128 x 128, filling the picture."""

    name = "portraits-128"

    def judge(self, image: Image.Image, expected: Attributes | None = None) -> dict[str, str]:
        """Name the attributes that a portrait shows; nothing for any other picture."""
        from editing_core.portraits.classifier import load_classifier  # torch comes with it

        image = _reduced(image)
        output = load_classifier().output(image)
        if not output.prediction.is_portrait:
            return {}
        again, _ = self.draw(output.prediction.attributes, side=LOOKED_AT)
        return _with_doubt(output, expected or {}) if alike(image, again) else {}

    def degraded(self, image: Image.Image) -> bool:
        """Cannot tell: this edition's classifier did not learn it."""
        return False

    def _drawn(self, portrait: Portrait, side: int | None) -> Image.Image:
        return schema.draw(portrait, side or schema.SIZE)


def _with_doubt(output: ClassifierOutput, expected: Attributes) -> dict[str, str]:
    """Return what is seen, but what was expected unless something else is far more probable."""
    taken = {
        name: value
        for name, value in expected.items()
        if output.probability(name, value) * SURE >= output.prediction.confidence[name]
    }
    return output.prediction.attributes | taken


def _reduced(image: Image.Image) -> Image.Image:
    """Return a large picture smaller; its pixels as numbers would take gigabytes."""
    factor = min(image.size) // LOOKED_AT
    return image.convert("RGB").reduce(factor) if factor > 1 else image
