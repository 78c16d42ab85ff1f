"""Captions as attributes: what a request changes becomes a source and a target prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from agent.state import Adjust, Change, EditStep
from editing_core.prompt_diff import edit_words, transfer
from editing_core.worlds.registry import shipped_world, world_of

WORLD = shipped_world()
"""The world whose words captions are read with, whatever a picture shows."""

VALUES, COLORS = WORLD.schema.values, WORLD.schema.colors
COLOR_OF, REMOVABLE = WORLD.schema.color_of, WORLD.schema.removable
caption, parse = WORLD.caption, WORLD.parse

ABSENT = dict.fromkeys(REMOVABLE, "none") | {"pattern": "plain"}
"""Attributes to the value they have where a caption does not name them."""

_TINTED = ("headwear", "eyewear", "neckwear")
"""Things with a colour of their own, which is gone when they are."""


def attributes_of(text: str) -> dict[str, str]:
    """Return the attributes a caption names, and what is absent since it would name it."""
    return ABSENT | parse(text)


def changes(before: str, after: str) -> dict[str, str]:
    """Return the attributes that differ between two captions, with their new values."""
    old, new = attributes_of(before), attributes_of(after)
    for thing in _TINTED:
        if new.get(thing) == "none":
            new.pop(COLOR_OF[thing], None)
    return {name: value for name, value in new.items() if old.get(name) != value}


def edit_step(text: str, wanted: Mapping[str, str], request: str = "") -> EditStep | None:
    """Write the edit that gives the person of a caption the wanted attributes.

    Args:
        text: the caption of the picture at the head.
        wanted: attribute to value; what follows from it by the world's rules is added.
        request: the words that asked for it.

    Returns:
        The step, or None if the caption says all of it already.
    """
    old = parse(text)
    new = WORLD.apply(old, wanted)
    if wanted.get("age") and "age" not in old:  # an edit is ignored unless the source names it
        old["age"] = next(age for age in VALUES["age"] if age != wanted["age"])
    source, target = caption(old), caption(new)
    if source == target:
        return None
    return EditStep(
        change=cast("Change", WORLD.kind(attributes_of(source), changes(source, target))),
        source_prompt=source,
        target_prompt=target,
        edit_words=edit_words(source, target),
        request=request,
    )


def replay(step: EditStep | Adjust, text: str, *, shown: str = "") -> EditStep | Adjust | None:
    """Write an earlier step anew for another caption.

    Args:
        step: the edit or plain operation.
        text: the caption of the picture that it is to be made of now.
        shown: that of the picture it was made of, which the source prompt may name more than;
            empty if that is not known.

    Returns:
        The step, or None if it changes nothing there.
    """
    if isinstance(step, Adjust):
        return step
    wanted = changes(step.source_prompt, step.target_prompt)
    if wanted and world_of(text):
        again = edit_step(text, wanted, step.request)
        kept = {"strength": step.strength, "region": step.region}
        return again and again.model_copy(update=kept)
    source = text
    target = transfer(text, step.source_prompt, step.target_prompt)
    if target == text and shown and step.source_prompt != shown:  # no caption named what vanished
        source = transfer(text, step.target_prompt, step.source_prompt)
    if target == source:
        return None
    update = {
        "source_prompt": source,
        "target_prompt": target,
        "edit_words": edit_words(source, target),
    }
    return step.model_copy(update=update)


__all__ = ["ABSENT", "COLORS", "COLOR_OF", "REMOVABLE", "VALUES", "attributes_of", "caption",
           "changes", "edit_step", "parse", "replay"]  # fmt: skip
