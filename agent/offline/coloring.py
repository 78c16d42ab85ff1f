"""Which thing of a portrait a colour of a request belongs to, and what it makes of it."""

from __future__ import annotations

import re

from agent.captions import COLOR_OF, REMOVABLE, VALUES
from agent.offline.asked import Reading
from agent.offline.scene import USUAL, Scene, compared, different, strangers
from agent.offline.vocabulary import Mention


def colors_a_stranger(items: list[Mention], clause: str) -> bool:
    """Whether the only things that a colour could be for are unknown: "purple elephants"."""
    kinds = {m.kind for m in items}
    colored = bool(kinds & {"color", "more"}) and not kinds & {"value", "thing", "it"}
    return colored and bool(strangers(clause))


NOWHERE, NOTHING = Mention("it", value="nowhere"), Mention("it", value="nothing")
"""What colours are bound to that could be for anything, or are for what has no colour here."""


def bind(items: list[Mention], clause: str, scene: Scene) -> dict[Mention, Mention]:
    """Give each colour, and each "darker", to the thing it belongs to; loose ones to `NOWHERE`."""
    bound: dict[Mention, Mention] = {}
    things = [m for m in items if m.kind in ("value", "thing", "it")]
    for hue in (m for m in items if m.kind in ("color", "more")):
        right = next((m for m in things if m.start >= hue.end), None)
        left = next((m for m in reversed(things) if m.end <= hue.start), None)
        close = right is not None and not re.search(
            r"\b(?:and|to|in|into|with|on|for|be|is)\b|,", clause[hue.end : right.start]
        )
        cloth = next((m for m in things if right and m.start >= right.end), None)
        if right is not None and close and right.attribute == "pattern":
            clothed = cloth is not None and cloth.attribute == "clothing"
            apart = cloth is None or re.search(
                r"\b(?:on|to|for|with)\b", clause[right.end : cloth.start]
            )
            bound[cloth if cloth and clothed and not apart else NOTHING] = hue
        elif right is not None and close and _colorable(right, scene):
            bound[right] = hue
        elif close and right is not None and right.kind == "value":
            bound[NOTHING] = hue
        elif left is not None and _colorable(left, scene):
            bound[left] = hue
        elif right is not None and _colorable(right, scene):
            bound[right] = hue
        elif color_place(Mention("it"), scene):
            bound[Mention("it", start=hue.start, end=hue.start)] = hue
            items.append(next(m for m in bound if m.start == hue.start and m.kind == "it"))
        else:
            bound[NOWHERE] = hue
    return bound


def color_place(mention: Mention, scene: Scene) -> str:
    """Return the attribute that holds the colour of what is mentioned, or an empty string."""
    name = mention.attribute
    if mention.kind == "it" or name == "color":
        name = scene.last
    name = "clothing" if name == "pattern" else name
    return name if name.endswith("_color") else COLOR_OF.get(name, "")


def _colorable(mention: Mention, scene: Scene) -> bool:
    return bool(color_place(mention, scene)) and mention.value not in ("bald", "none", "necklace")


def change_color(
    mention: Mention, hue: Mention, reading: Reading, scene: Scene, removing: bool
) -> None:
    """Change the colour of what is mentioned."""
    place = color_place(mention, scene)
    if removing and hue.kind == "color":
        if mention.kind == "value" or reading.removing and mention.attribute in REMOVABLE:
            return
        if scene.now.get(place) == hue.value:
            reading.add(place, different(place, scene))
        return
    value = hue.value if hue.kind == "color" else compared(place, hue.value, scene)
    value = _ALSO.get((place, value), value)
    thing = place.removesuffix("_color")
    if thing in USUAL and mention.kind in ("thing", "it"):
        worn = scene.now.get(thing, "none") != "none"
        if not worn and not any(thing in changes for changes in reading.changes):
            reading.add(thing, USUAL[thing])
    if value in VALUES[place]:
        reading.add(place, value)
    else:
        reading.choose(place, scene)


_ALSO = {
    ("hair_color", "yellow"): "blonde",
    ("hair_color", "white"): "gray",
    ("hair_color", "orange"): "red",
    ("skin", "black"): "dark",
    ("skin", "white"): "light",
}
"""Colours that mean another one on a certain thing."""
