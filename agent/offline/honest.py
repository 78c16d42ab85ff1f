"""What cannot be done, said as it is: it is so already, or no portrait here can show it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from agent.offline import lexicon
from agent.offline.portrait_words import Changes, mentions, strangers
from agent.offline.messages import is_english
from agent.state import Ask

CLEARER = "Say “more” to make it clearer."
MOST_SUGGESTED = 3
USUAL = ("add a hat", "make {her} older", "change the background to blue", "add glasses", "wink")
_WISH = re.compile(
    r"(?:give|add|put|draw|paint|have|get|(?:make|let|dress) (?:her|him|them|it|the \w+))\b.*"
)
_PLACES = ("beach", "city", "forest")
_PLURAL = ("glasses", "round glasses", "sunglasses", "overalls", "earrings", "dreadlocks")
_COUNTED = ("bob", "bun", "quiff", "afro", "beard", "moustache")
_WORN = ("headwear", "eyewear", "neckwear", "earrings", "clothing")
_PRONOUNS = {"woman": ("She", "Her"), "man": ("He", "His")}


def already(wanted: Changes, now: Mapping[str, str]) -> str:
    """Say that what is wanted is so: "She already wears a hat".

    Args:
        wanted: attributes to the values they have already.
        now: all attributes of the picture.
    """
    name, value = next(iter(wanted.items()))
    who, whose = _PRONOUNS.get(now.get("gender", ""), ("The person", "The"))
    thing = name.removesuffix("_color")
    if name == "gender":
        return f"This is a {value} already."
    if name == "background":
        return f"The background is already {_one(value) if value in _PLACES else value}."
    if name in _WORN:
        color = wanted.get(f"{name}_color", "")
        return f"{who} already wears {_one(f'{color} {value}'.strip())}."
    if value in (*_COUNTED, "dreadlocks"):
        return f"{who} already has {_one(value)}."
    if name in ("hair", "hair_color", "skin") and value != "bald":
        return f"{whose} {thing} is already {value}."
    if name == "pattern" or thing != name:
        worn = now.get("clothing" if name == "pattern" else thing, "clothes")
        return f"The {worn} {'are' if worn in (*_PLURAL, 'clothes') else 'is'} already {value}."
    return f"{who} is already {value}."


def _one(noun: str) -> str:
    if noun.endswith(_PLURAL):
        return noun
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def undrawn(part: str, said: str) -> str:
    """Return what a wish names that no portrait here can show, or an empty string.

    Args:
        part: the wish, with its typing errors mended.
        said: the message as it was typed: what a mended word meant is not certain.
    """
    for pattern in lexicon.load("talk")["undrawn"]:
        if (found := re.search(rf"\b(?:{pattern})\b", part)) is not None:
            return found[0]
    unknown = strangers(part) if _WISH.fullmatch(part) else []
    if not unknown or not all(is_english(word) and word in said for word in unknown):
        return ""
    together = " ".join(unknown)
    return together if together in part else unknown[0]


def suggested(thing: str, now: Mapping[str, str]) -> Ask:
    """Say that something cannot be drawn, with what can be instead."""
    table: dict[str, list[str]] = lexicon.load("talk")["undrawn"]
    options = next((o for p, o in table.items() if re.fullmatch(p, thing)), list(USUAL))
    her = "him" if now.get("gender") == "man" else "her"
    his = "his" if now.get("gender") == "man" else "her"
    said = tuple(
        option.replace("{her} ", f"{his if option.startswith('change') else her} ")
        for option in options
        if all(now.get(m.attribute) != m.value for m in mentions(option) if m.value)
    )[:MOST_SUGGESTED]
    return Ask(
        question=f"I cannot draw “{thing}” in these portraits. I can, for example: "
        f"{'; '.join(said)}. What shall I do?",
        options=said,
    )
