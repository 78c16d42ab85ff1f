"""What cannot be done, said as it is: it is so already, or nothing here can show it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from agent.captions import attributes_of
from agent.offline import lexicon
from agent.offline.messages import is_english
from agent.offline.portrait_words import Changes, mentions, strangers
from agent.offline.sentence import main_noun
from agent.state import Ask
from editing_core.worlds.registry import world_of

CLEARER = "Say “more” to make it clearer."
MOST_SUGGESTED = 3
_TALK = lexicon.load("talk")
_WISH = re.compile(
    r"(?:give|add|put|draw|paint|have|get|(?:make|let|dress) (?:her|him|them|it|the \w+))\b.*"
)
_PLURAL = ("glasses", "sunglasses", "overalls", "earrings", "dreadlocks", "clothes")
_PRONOUNS = {"woman": ("She", "Her"), "man": ("He", "His")}
_KNOWN = (
    "add, remove, replace and recolour what is there, and change weather, time of day and style"
)
_KNOWN_OF_PORTRAITS = (
    "change portraits: age, hair, what is worn, expression, clothes, colours and background"
)


def already(wanted: Changes, now: Mapping[str, str]) -> str:
    """Say that what is wanted is so: "She already wears a hat".

    Args:
        wanted: attributes to the values they have already.
        now: all attributes of the picture.
    """
    forms: dict[str, str] = _TALK["already"]
    name, value = next(iter(wanted.items()))
    thing = "clothing" if name == "pattern" else name.removesuffix("_color")
    worn = now.get(thing, "clothes")
    who, whose = _PRONOUNS.get(now.get("gender", ""), ("The person", "The"))
    said = forms.get(value) or forms.get(name) or "{who} is already {value}."
    one = _one(f"{wanted.get(f'{name}_color', '')} {value}".strip())
    are = "are" if worn.endswith(_PLURAL) else "is"
    return said.format(who=who, whose=whose, value=value, one=one, worn=worn, are=are)


def _one(noun: str) -> str:
    article = "an" if noun[0] in "aeiou" else "a"
    return noun if noun.endswith(_PLURAL) else f"{article} {noun}"


def undrawn(part: str, said: str) -> str:
    """Return what a wish names that no portrait here can show, or an empty string.

    Args:
        part: the wish, with its typing errors mended.
        said: the message as it was typed: what a mended word meant is not certain.
    """
    for pattern in _TALK["undrawn"]:
        if (found := re.search(rf"\b(?:{pattern})\b", part)) is not None:
            return found[0]
    unknown = strangers(part) if _WISH.fullmatch(part) else []
    if not unknown or not all(is_english(word) and word in said for word in unknown):
        return ""
    together = " ".join(unknown)
    return together if together in part else unknown[0]


def instead_of(thing: str, caption: str) -> Ask:
    """Say that something cannot be drawn, with what can be instead."""
    table: dict[str, list[str]] = _TALK["undrawn"]
    options = next((o for p, o in table.items() if re.fullmatch(p, thing)), _TALK["usual"]["said"])
    said = _new(options, attributes_of(caption))
    return Ask(
        question=f"I cannot draw “{thing}” in these portraits. I can, for example: "
        f"{'; '.join(said)}. What shall I do?",
        options=said,
    )


def lost(caption: str) -> Ask:
    """Say that nothing was understood, what can be, and what would change this picture."""
    known = _KNOWN_OF_PORTRAITS if world_of(caption) else _KNOWN
    question = f"I did not understand that. I can {known}. What shall I do?"
    return Ask(question=question, options=suggestions(caption))


def suggestions(caption: str) -> tuple[str, ...]:
    """Return some requests that would change this picture."""
    if world_of(caption):
        return _new(_TALK["usual"]["said"], attributes_of(caption))
    noun = main_noun(caption)
    wishes = {f"make the {noun} red": "red", "add a hat": "hat", "make it winter": "winter"}
    wishes |= {"make it night": "night", "make it a watercolor": "watercolor"}
    fresh = [wish for wish, word in wishes.items() if word not in caption.lower().split()]
    return tuple(fresh[:MOST_SUGGESTED])


def _new(options: Iterable[str], now: Mapping[str, str]) -> tuple[str, ...]:
    """Return the first requests that would change a portrait, said of her or of him."""
    her, his = ("him", "his") if now.get("gender") == "man" else ("her", "her")
    fresh = [option.format(her=her, his=his) for option in options
             if all(now.get(m.attribute) != m.value for m in mentions(option) if m.value)]  # fmt: skip
    return tuple(fresh[:MOST_SUGGESTED])
