"""A picture from words alone: drawn from noise, looked at, and captioned by what it shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from agent.captions import attributes_of, caption, parse
from agent.chat import Chat
from agent.context import OnStep
from agent.state import EditStep
from editing_core.settings import OTHER_SEED
from editing_core.worlds.base import World
from editing_core.worlds.registry import world_named, world_of

STEPS = 16  # solver steps, as `python -m editing_core.bench text` draws captions
PUT = Callable[[Image.Image], str]


class Undrawable(ValueError):
    """The words cannot be drawn; the message is one sentence for the person."""


@dataclass(frozen=True)
class Drawn:
    """A picture from words."""

    picture: str
    caption: str
    """What it shows; of a portrait all of it, however little was said."""
    seed: int
    missing: tuple[str, ...] = ()
    """What was asked for and is not seen."""
    degraded: bool = False
    """Whether a part is seen to be smeared."""


def draw(chat: Chat, put: PUT, words: str, on_step: OnStep | None = None) -> Drawn:
    """Draw words with the model of a chat, anew with other seeds until all is seen, and cleanly.

    Args:
        chat: For its model, seed and eyes.
        put: Stores a picture and returns its hash.
        words: A caption; of a portrait a part of one is enough.
        on_step: Called after every solver step.

    Raises:
        Undrawable: The model has no picture for such words.
    """
    studio, settings = chat.studio, chat.settings
    if studio.edit is None:
        raise Undrawable("Nothing is drawn where edits are only planned.")
    world = world_named(settings.model)
    said = _caption(world, words) if world else words
    blank = put(Image.new("RGB", _size(chat), "gray"))
    seed = settings.seed + len(chat.conversation.turns)
    preset: Any = studio.presets[settings.preset]
    tries = []
    for attempt in range(settings.retries + 1):
        edited = studio.edit(
            head=blank,
            original=blank,
            step=EditStep(change="replace", source_prompt="", target_prompt=said),
            settings=replace(preset, steps=STEPS, keep="nothing"),
            seed=seed + attempt * OTHER_SEED,
            method="regenerate",
            on_step=on_step,
        )
        tries.append(_looked_at(chat, edited.picture, said, seed + attempt * OTHER_SEED))
        if not tries[-1].missing and not tries[-1].degraded:
            break
    return min(tries, key=lambda drawn: (len(drawn.missing), drawn.degraded))


def _caption(world: World, words: str) -> str:
    """Return the caption of a picture in the words that the model of a closed world has learnt."""
    named = world.parse(words)
    if not named:
        raise Undrawable(
            f"The model {world.name} draws people only; say what one looks like, "
            'such as "an old man with a beard".'
        )
    return world.caption(named)


def unheard(model: str, words: str) -> bool:
    """Whether words say more than the pictures of a model's closed world can show."""
    world = world_named(model)
    return world is not None and not world.contains(
        words if "portrait" in words else f"a portrait of {words}"
    )


def _size(chat: Chat) -> tuple[int, int]:
    """Return the size of a closed world's pictures, or that of the picture here."""
    if world := world_named(chat.settings.model):
        return world.sample()[0].size
    conversation = chat.conversation
    return chat.studio.pictures.size(conversation.turns[conversation.head].picture)


def _looked_at(chat: Chat, picture: str, said: str, seed: int) -> Drawn:
    """Caption a drawn portrait fully by what is seen in it; other pictures by their words."""
    eyes = chat.studio.eyes
    if eyes is None or not world_of(said):
        return Drawn(picture, said, seed)
    image = chat.studio.pictures.image(picture)
    seen = dict(eyes.attributes(image, attributes_of(said)))
    missing = tuple(value for name, value in parse(said).items() if seen.get(name) != value)
    degraded = eyes.degraded(image)
    return Drawn(picture, caption(seen) if seen else said, seed, missing, degraded)
