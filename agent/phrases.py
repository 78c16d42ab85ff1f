"""One clause of a request, read as changes of attributes: "a red hat", "dye her hair pink"."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from agent.captions import ABSENT, COLOR_OF, COLORS, REMOVABLE, VALUES
from agent.scene import (
    USUAL,
    Changes,
    Scene,
    compared,
    different,
    strangers,
    unknown,
    where,
    which,
)
from agent.state import Ask
from agent.vocabulary import Mention, mentions

_HINGE = re.compile(r"\b(?:instead of|rather than|in place of)\b")
_SWAP = re.compile(
    r"\b(?:replace|swap|switch|exchange|trade|substitute|change|turn|convert|go)\b(?: out)?"
    r"(?P<old>.*?)\b(?:with|for|to|into|by)\b(?P<new>.*)"
)
_PLACED = re.compile(
    r"(?:put|place|move|take|send|show|set|bring) (?:her|him|them|it)"
    r" (?:in|at|to|into) (?:the |an? )?(?P<where>[\w ]+)"
)
_DEFINITE = re.compile(r"\b(?:the|her|his|their|my|that|this|whose)(?: [\w-]+)?\s$")
_TO = re.compile(r"\b(?:to|into|for|with)\b")
_THE = re.compile(r"\b(?:the|this|that|our|my|a portrait of)(?: [\w-]+)?\s$")
OPPOSITE = {
    ("age", "old"): "young",
    ("age", "young"): "old",
    ("expression", "sad"): "smiling",
    ("expression", "smiling"): "serious",
    ("expression", "serious"): "smiling",
    ("expression", "surprised"): "serious",
    ("expression", "angry"): "serious",
    ("expression", "winking"): "serious",
    ("gender", "man"): "woman",
    ("gender", "woman"): "man",
    ("hair", "long"): "short",
    ("hair", "short"): "long",
    ("hair", "bald"): "short",
    ("skin", "light"): "tan",
    ("skin", "tan"): "light",
    ("skin", "dark"): "brown",
    ("skin", "brown"): "tan",
    ("pattern", "plain"): "striped",
    ("pattern", "striped"): "plain",
    ("pattern", "dotted"): "plain",
}
"""What is wanted where a value is not."""

GROUPS = (
    {"gender", "age"},
    {"hair", "hair_color"},
    {"headwear", "headwear_color"},
    {"eyewear", "eyewear_color"},
    {"neckwear", "neckwear_color"},
    {"clothing", "clothing_color", "pattern"},
)
"""Attributes that one edit changes together when they are asked for together."""


_SWAPPED = ("headwear", "hair", "clothing", "eyewear", "neckwear", "expression")
"""Attributes of which "another one" may name the new value: "another hat"."""


@dataclass
class Reading:
    """What a clause asks for: changes in order, questions about the rest, and remarks."""

    changes: list[Changes] = field(default_factory=list)
    ask: Ask | None = None
    remark: str = ""
    understood: bool = True
    removing: bool = False

    def add(self, name: str, value: str, *, apart: bool = False) -> None:
        """Add one change, to the last edit if both belong to one thing."""
        last = self.changes[-1] if self.changes and not apart else None
        if last is not None and any({name, *last} <= group for group in GROUPS):
            last[name] = value
        else:
            self.changes.append({name: value})


def read_clause(clause: str, scene: Scene, *, removing: bool = False) -> Reading:
    """Read one clause.

    Args:
        clause: lower-case words without a full stop.
        scene: what it is read against.
        removing: whether the clause goes on with what an earlier one removes ("… and the hat").
    """
    if (ask := _stranger(clause, scene)) is not None:
        return Reading(ask=ask)
    wanted, unwanted = _halves(clause)
    things = [m for m in mentions(unwanted) if m.kind in ("value", "thing")]
    if things:  # "a blue one instead of the red hat"
        noun = unwanted[things[-1].start : things[-1].end]
        wanted = re.sub(r"\bones?\b", noun, wanted)
    reading = _read(wanted, scene, removing)
    if unwanted:
        given = {name for changes in reading.changes for name in changes}
        for mention in mentions(unwanted):
            name = mention.attribute
            if name in REMOVABLE and name not in given and scene.now.get(name, "none") != "none":
                reading.add(name, ABSENT[name], apart=True)
    return reading


def _stranger(clause: str, scene: Scene) -> Ask | None:
    """Ask back where a thing is wanted that cannot be drawn, known by name or only by its place."""
    for mention in mentions(clause):
        if mention.kind == "unknown":
            return unknown(clause[mention.start : mention.end], mention.attribute, scene)
    placed = _PLACED.fullmatch(clause)
    if placed and not mentions(placed["where"]) and strangers(placed["where"]):
        return unknown(placed["where"], "background", scene)
    swap = _SWAP.search(clause)
    if swap is None or mentions(swap["new"]) or swap[0].startswith("go"):
        return None
    old = next((m.attribute for m in mentions(swap["old"]) if m.kind in ("value", "thing")), "")
    new = re.sub(r"^(?:an?|the|some) ", "", swap["new"].strip())
    return unknown(new, old, scene) if old in VALUES and strangers(new) else None


def _halves(clause: str) -> tuple[str, str]:
    """Split "A instead of B" and "replace B with A" into what comes and what goes."""
    if (hinge := _HINGE.search(clause)) is not None:
        return clause[: hinge.start()], clause[hinge.end() :]
    if (swap := _SWAP.search(clause)) is not None:
        old, new = mentions(swap["old"]), mentions(swap["new"])
        goes = [m for m in old if m.kind == "value"]
        if goes and any(m.kind == "value" for m in new):
            return swap["new"], swap["old"]
    return clause, ""


def _read(clause: str, scene: Scene, removing: bool) -> Reading:
    items = _references(mentions(clause), clause, scene)
    ended = bool(items) and items[-1].end == len(clause)
    off = re.search(r"\w (?:off|away|gone)$", clause) is not None and not ended
    reading = Reading(removing=removing or off)
    meant = [m for m in items if m.kind not in ("to", "remove", "other", "change")]
    other = any(m.kind == "other" for m in items)
    if _colors_a_stranger(items, clause):
        return Reading(understood=False, removing=reading.removing)
    hues = _bind(items, clause, scene)
    open_end = any(m.kind == "change" for m in items) and not hues and not _TO.search(clause)
    for mention in items:
        if mention.kind == "remove":
            reading.removing = True
        elif mention.kind == "to" and mention.value in ("with", "for", "to", "into"):
            reading.removing = reading.removing and not reading.changes
        elif mention.kind == "value":
            if open_end and scene.now.get(mention.attribute) == mention.value:
                reading.ask = reading.ask or which(mention.attribute, scene)
            else:
                _value(mention, reading, scene, other and mention not in hues)
        if mention in hues:
            hue = hues[mention]
            negated = any(m.kind == "remove" and mention.end <= m.start < hue.start for m in items)
            if other and scene.now.get(color_place(mention, scene)) == hue.value:
                negated = True
            _hue(mention, hue, reading, scene, negated or reading.removing)
        elif mention.kind in ("thing", "it"):
            _thing(mention, reading, scene, other, meant)
    if _NOTHING in hues:
        left_out = clause[hues[_NOTHING].start : hues[_NOTHING].end]
        reading.remark = f"I left out “{left_out}”, which has no place there."
    loose = hues.get(_NOWHERE)
    if loose and reading.ask is None and not reading.changes:
        reading.ask = where(loose, scene)
    named = [m for m in meant if m.kind != "it"]
    reading.understood = bool(reading.changes or reading.ask or named)
    return reading


def _colors_a_stranger(items: list[Mention], clause: str) -> bool:
    """Whether the only things that a colour could be for are unknown: "purple elephants"."""
    kinds = {m.kind for m in items}
    colored = bool(kinds & {"color", "more"}) and not kinds & {"value", "thing", "it"}
    return colored and bool(strangers(clause))


_NOWHERE, _NOTHING = Mention("it", value="nowhere"), Mention("it", value="nothing")
"""What colours are bound to that could be for anything, or are for what has no colour here."""


def _references(items: list[Mention], clause: str, scene: Scene) -> list[Mention]:
    """Read "the man" as who is there, and "her shirt red" as whatever top she wears."""
    kept: list[Mention] = []
    for place, mention in enumerate(items):
        before, name = clause[: mention.start], mention.attribute
        if name == "gender" and mention.kind == "value" and _THE.search(before):
            continue
        long = name == "hair" and mention.value in ("long", "short")
        if long and clause[mention.end :].lstrip().startswith(("beard", "moustache", "sleeve")):
            continue
        if mention.value == "glasses" and any(m.value == "round glasses" for m in kept):
            continue
        worn = scene.now.get(name, "none") not in ("none", mention.value)
        near = items[max(place - 1, 0) : place + 3]
        colored = any(m.kind == "color" or m.attribute == "pattern" for m in near)
        if mention.kind == "value" and name in ("clothing", "headwear") and worn and colored:
            definite = _DEFINITE.search(before) and "give" not in clause and "back" not in clause
            mention = replace(mention, kind="thing") if definite else mention
        kept.append(mention)
    return kept


def _bind(items: list[Mention], clause: str, scene: Scene) -> dict[Mention, Mention]:
    """Give each colour, and each "darker", to the thing it belongs to; loose ones to `_NOWHERE`."""
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
            bound[cloth if cloth and clothed and not apart else _NOTHING] = hue
        elif right is not None and close and _colorable(right, scene):
            bound[right] = hue
        elif close and right is not None and right.kind == "value":
            bound[_NOTHING] = hue
        elif left is not None and _colorable(left, scene):
            bound[left] = hue
        elif right is not None and _colorable(right, scene):
            bound[right] = hue
        elif color_place(Mention("it"), scene):
            bound[Mention("it", start=hue.start, end=hue.start)] = hue
            items.append(next(m for m in bound if m.start == hue.start and m.kind == "it"))
        else:
            bound[_NOWHERE] = hue
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


def _value(mention: Mention, reading: Reading, scene: Scene, other: bool) -> None:
    name, value, now = mention.attribute, mention.value, scene.now.get(mention.attribute, "none")
    if reading.removing:
        if name in ABSENT:
            reading.add(name, ABSENT[name], apart=True)
        elif name == "background" and value not in COLORS:
            reading.add(name, "white")
        elif (name, value) in OPPOSITE:
            reading.add(name, OPPOSITE[name, value])
        else:
            reading.ask = reading.ask or which(name, scene)
    elif other and now != "none" and name in _SWAPPED:
        if now == value:
            reading.add(name, different(name, scene))
        else:
            reading.add(name, value)
    else:
        reading.add(name, value)


def _hue(mention: Mention, hue: Mention, reading: Reading, scene: Scene, removing: bool) -> None:
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
        reading.ask = reading.ask or which(place, scene)


_ALSO = {
    ("hair_color", "yellow"): "blonde",
    ("hair_color", "white"): "gray",
    ("hair_color", "orange"): "red",
    ("skin", "black"): "dark",
    ("skin", "white"): "light",
}
"""Colours that mean another one on a certain thing."""


def _thing(
    mention: Mention, reading: Reading, scene: Scene, other: bool, meant: list[Mention]
) -> None:
    """Read a thing, or "it", that comes without a value of its own."""
    name = mention.attribute if mention.kind == "thing" else ""
    if name == "color":
        name = color_place(mention, scene)
    hue = name.endswith("_color")
    if mention.kind == "it":
        values = [
            m for m in meant if m.kind in ("value", "thing", "color", "more") and m != mention
        ]
        name = "" if values else scene.last
    given = {n for changes in reading.changes for n in changes}
    told = any(m.kind == "value" and m.attribute in (name, f"{name}_color") for m in meant)
    if not name or name in given or told:
        return
    if reading.removing and name in ABSENT:
        reading.add(name, ABSENT[name], apart=True)
    elif reading.removing and name == "background":
        reading.add(name, "white")
    elif other and mention.kind == "thing" and (scene.now.get(name, "none") != "none" or hue):
        reading.add(name, different(name, scene))
    elif mention.kind == "thing" and not any(m.attribute == name for m in meant if m != mention):
        reading.ask = reading.ask or which(name, scene)
