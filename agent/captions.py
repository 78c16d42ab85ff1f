"""Captions as attributes: what a request changes becomes a source and a target prompt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import cast

from agent.state import Change, EditStep
from editing_core.prompt_diff import edit_words, transfer, words_of
from tools.inspection import COLOR_OF, COLORS, REMOVABLE, VALUES, caption, kind_of, parse

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


@cache
def is_portrait(text: str) -> bool:
    """Whether the world of portraits can say all that a caption says, so that no word gets lost."""
    found, words = parse(text), words_of(text)
    if "gender" not in found and not {"person", "portrait"} & set(words):
        return False
    known = _FRAME | set(words_of(caption(found)))
    return all(word in known or parse(re.sub(rf"\b{re.escape(word)}\b", "", text.lower())) != found
               for word in words)  # fmt: skip


_FRAME = frozenset("a an the of with and in on at no portrait drawing picture wearing".split())


def edit_step(text: str, wanted: Mapping[str, str], request: str = "") -> EditStep | None:
    """Write the edit that gives the person of a caption the wanted attributes.

    Args:
        text: the caption of the picture at the head.
        wanted: attribute to value; old age brings gray hair, as in the world of portraits.
        request: the words that asked for it.

    Returns:
        The step, or None if the caption says all of it already.
    """
    old = parse(text)
    new = _settled(old | dict(wanted), wanted)
    if wanted.get("age") and "age" not in old:  # an edit is ignored unless the source names it
        old["age"] = next(age for age in VALUES["age"] if age != wanted["age"])
    source, target = caption(old), caption(new)
    if source == target:
        return None
    return EditStep(
        change=cast("Change", kind_of(attributes_of(source), changes(source, target))),
        source_prompt=source,
        target_prompt=target,
        edit_words=edit_words(source, target),
        request=request,
    )


def replay(step: EditStep, text: str) -> EditStep | None:
    """Write an earlier edit anew for another caption; None if it changes nothing there."""
    wanted = changes(step.source_prompt, step.target_prompt)
    if wanted and is_portrait(text):
        again = edit_step(text, wanted, step.request)
        return again and again.model_copy(update={"strength": step.strength})
    target = transfer(text, step.source_prompt, step.target_prompt)
    if target == text:
        return None
    update = {
        "source_prompt": text,
        "target_prompt": target,
        "edit_words": edit_words(text, target),
    }
    return step.model_copy(update=update)


def _settled(new: dict[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Follow the world's rules: no colour without its thing, gray hair in old age."""
    for thing in _TINTED:
        if new.get(thing, "none") in ("none", "necklace"):
            new.pop(COLOR_OF[thing], None)
    if wanted.get("age") == "old" or (new.get("age") == "old" and "hair_color" in wanted):
        new["hair_color"] = "gray"
    if new.get("background") not in VALUES["background"]:
        new.pop("background", None)
    return new


__all__ = ["ABSENT", "COLORS", "COLOR_OF", "REMOVABLE", "VALUES", "attributes_of", "caption",
           "changes", "edit_step", "is_portrait", "parse", "replay"]  # fmt: skip
