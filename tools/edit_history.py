"""What a chat has shown so far: for methods that remember every turn, not only two of them."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from editing_core.worlds.registry import world_named
from tools import provenance
from tools.pictures import PictureStore
from tools.provenance import Recipe

if TYPE_CHECKING:
    from editing_core.editor import Picture
    from editing_core.methods.base import MethodSpec

KEPT = 256  # pictures; the portraits' are 64 KB with their latents


def recalled(
    store: PictureStore, original: str, head: str, method: MethodSpec
) -> tuple[tuple[Picture, str], ...]:
    """Return the pictures from the original to the head, each with the wish that made it.

    All of it lies in the store: latents beside every picture, wishes in its recipe. So a session
    needs no other memory, whichever method made its turns, and no branch of it has to be kept.
    Where it is not known how a picture came to be, it stands there without a wish.
    """
    later: dict[str, tuple[Picture, str]] = {}
    name: str | None = head
    while name is not None and name != original and name not in later:
        picture, made = _made(store, name)
        later[name] = (picture, _asked(made, method))
        name = made["parent"] if made else None
    return ((store.get(original), ""), *reversed(later.values()))


@lru_cache(KEPT)
def _made(store: PictureStore, name: str) -> tuple[Picture, Recipe | None]:
    """A picture, and how it was made, as far as that is known; no latents of a close-up."""
    recipe = provenance.read(store.path(name)) if store.has_latents(name) else None
    picture = store.get(name)
    return replace(picture, latents=None) if recipe and recipe.get("crop") else picture, recipe


def _asked(recipe: Recipe | None, method: MethodSpec) -> str:
    if recipe is None:
        return ""
    source, target = recipe["source_prompt"], recipe["target_prompt"]
    return instruction_of(method, source=source, target=target, request=recipe.get("request", ""))


def instruction_of(method: MethodSpec, *, source: str, target: str, request: str) -> str:
    """Return the instruction of an edit, in words that a method understands.

    Args:
        method: One that was trained on a world knows the words of that world only.
        source: Caption before.
        target: Caption after.
        request: What the person said.
    """
    world = world_named(method.world)
    return world.instruction(source, target) if world else request


def steps_before(store: PictureStore, original: str, head: str) -> list[Recipe]:
    """Return how a picture and its original came to be, from the first edit on, each step once.

    What an edit made counts only with its latents, and what a plain operation made always does:
    of any other picture the pixels alone are taken. An operation is done to a picture and to its
    original, so the steps of a picture make its original, too, unless that was made otherwise.
    """
    steps = _steps_to(store, head)
    made = {step["original"] for step in steps.values() if "operation" in step}
    if original not in made | steps.keys():
        steps = _steps_to(store, original) | steps
    return list(steps.values())


def _steps_to(store: PictureStore, name: str) -> dict[str, Recipe]:
    recipe = provenance.read(store.path(name)) or {}
    if not ("operation" in recipe or (recipe and store.has_latents(name))):
        return {}
    own = {key: value for key, value in recipe.items() if key != "steps"}
    return {made["picture"]: made for made in [*recipe.get("steps", ()), own]}
