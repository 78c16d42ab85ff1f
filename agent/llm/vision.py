"""The eyes of an LLM that sees: they caption a photograph and say whether an edit happened."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from PIL import Image
from pydantic import BaseModel

import prompts
from agent.llm.prompt_builder import image_part, text_part
from agent.llm.structured_output import LlmError, Unusable, consult, plain

if TYPE_CHECKING:
    from agent.context import Eyes, Llm

Schema = TypeVar("Schema", bound=BaseModel)
Made = TypeVar("Made")
logger = logging.getLogger(__name__)
LONGEST_CAPTION = 500  # characters
LONGEST_REASON = 200
NOT_SEEN = "not seen"
_LEFT, _RIGHT = "yellow", "blue"  # of the picture that finds out whether a model sees


class Sides(BaseModel):
    """What the test picture looks like to a model."""

    left: str
    right: str


class Caption(BaseModel):
    """What a picture shows."""

    caption: str


class Sighting(BaseModel):
    """Whether one thing is in a picture; the reason comes first, so that it is thought of first."""

    name: str
    reason: str
    seen: bool


class Sightings(BaseModel):
    """One answer for each thing that was asked about."""

    answers: list[Sighting]


class Verdict(BaseModel):
    """Whether an edit happened."""

    reason: str
    happened: bool


def can_see(llm: Llm) -> bool:
    """Whether the model sees: found out once, with a picture that is half yellow and half blue.

    Some servers drop pictures without a word, and a blind model describes what it was not shown.

    Raises:
        LlmError: the server gives no answer at all.
    """
    if llm.sees is None:
        picture = Image.new("RGB", (128, 64), _LEFT)
        picture.paste(_RIGHT, (64, 0, 128, 64))
        content = [text_part(prompts.load("sight")), image_part(picture)]
        try:
            sides = llm.answer([{"role": "user", "content": content}], Sides)
        except Unusable:
            llm.sees = False
        else:
            llm.sees = _LEFT in sides.left.lower() and _RIGHT in sides.right.lower()
        logger.info("the LLM %s", "sees" if llm.sees else "is blind")
    return llm.sees


class LlmEyes:
    """Eyes for photographs. Where the LLM is blind or fails, they see nothing, and say so by None.

    What the model writes is data: a bounded caption, and yes or no.
    """

    def __init__(self, llm: Llm, drawn: Eyes | None = None, clip: Eyes | None = None) -> None:
        """See with an LLM; pictures of the drawn world are left to their own eyes.

        Where the LLM does not see, CLIP's eyes judge, if there are any.
        """
        self._llm = llm
        self._drawn = drawn
        self._clip = clip

    def describe(self, image: Image.Image) -> str | None:
        """Return a caption of the picture, or None if it cannot be told."""
        known = self._drawn.describe(image) if self._drawn else None
        return known or self._ask("describe", [image], Caption, _caption)

    def drawn(self, image: Image.Image) -> bool:
        """Say whether a picture is of the drawn world, if there is one."""
        return self._drawn is not None and self._drawn.drawn(image)

    def attributes(self, image: Image.Image, expected: Mapping[str, str]) -> dict[str, str]:
        """Return for each expected attribute its value if that is seen, else "not seen".

        What the model does not answer is left out; without any answer the result is empty.
        """
        if self._drawn is not None and (known := self._drawn.attributes(image, expected)):
            return dict(known)
        asked = "\n".join(f"- {name}: {plain(value, 100)}" for name, value in expected.items())

        def made(sightings: Sightings) -> dict[str, str]:
            seen = {answer.name: answer.seen for answer in sightings.answers}
            return {n: v if seen[n] else NOT_SEEN for n, v in expected.items() if n in seen}

        return self._ask("look", [image], Sightings, made, asked=asked) or {}

    def degraded(self, image: Image.Image) -> bool:
        """Say whether a picture of the drawn world is smeared, doubled or half there."""
        return self._drawn is not None and self._drawn.degraded(image)

    def happened(
        self, before: Image.Image, after: Image.Image, source: str, target: str
    ) -> tuple[bool, str] | None:
        """Say whether the change from one caption to the other is seen, and why; None if unknown.

        Pictures of the drawn world are left to the attributes that their own eyes name.

        Args:
            before: the picture at the head.
            after: what the edit made of it.
            source: the caption before, as the edit step has it.
            target: the caption that was aimed at.
        """
        if self._drawn is not None and self._drawn.attributes(after, {}):
            return None
        captions = {"source": plain(source, 600), "target": plain(target, 600)}
        verdict = self._ask("happened", [before, after], Verdict, _verdict, **captions)
        if verdict is None and self._clip is not None:
            return self._clip.happened(before, after, source, target)
        return verdict

    def _ask(
        self,
        prompt: str,
        images: list[Image.Image],
        schema: type[Schema],
        make: Callable[[Schema], Made],
        **values: str,
    ) -> Made | None:
        """Show pictures with a prompt; None if the LLM is blind or fails."""
        try:
            if not can_see(self._llm):
                return None
            content = [text_part(prompts.load(prompt, **values)), *map(image_part, images)]
            return consult(self._llm, [{"role": "user", "content": content}], schema, make)
        except LlmError as error:
            logger.info("nothing is seen: %s", error)
            return None


def _caption(answer: Caption) -> str:
    words = plain(answer.caption, LONGEST_CAPTION)
    if len(words) < 3:
        raise Unusable("The caption is empty.")
    return words


def _verdict(answer: Verdict) -> tuple[bool, str]:
    return answer.happened, plain(answer.reason, LONGEST_REASON)
