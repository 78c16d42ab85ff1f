"""One clause of a request, read as changes of attributes: "a red hat", "dye her hair pink"."""

from __future__ import annotations

import re
from dataclasses import replace

from agent.captions import ABSENT, COLORS, REMOVABLE, VALUES
from agent.offline.asked import OPPOSITE, Reading
from agent.offline.coloring import (
    NOTHING,
    NOWHERE,
    bind,
    change_color,
    color_place,
    colors_a_stranger,
)
from agent.offline.scene import Scene, different, strangers, unknown, where
from agent.offline.vocabulary import Mention, mentions
from agent.state import Ask

_HINGE = re.compile(r"\b(?:instead of|rather than|in place of)\b")
_SWAP = re.compile(
    r"\b(?:replace|swap|switch|exchange|trade|substitute|change|turn|convert|go)\b(?: out)?"
    r"(?P<old>.*?)\b(?:with|for|to|into|by)\b(?P<new>.*)"
)
_PLACED = re.compile(
    r"(?:put|place|move|take|send|show|set|bring) (?:her|him|them|it)"
    r" (?:in|at|to|into) (?:the |an? )?(?P<where>[\w ]+)"
)
_MADE = re.compile(
    r"(?:make|turn|set) (?:the|her|his) (?P<old>[\w ]+?) (?:(?:look )?(?:like|into) )?(?:an?|some) "
    r"(?P<new>[\w ]+)"
)
_DEFINITE = re.compile(r"\b(?:the|her|his|their|my|that|this|whose)(?: [\w-]+)?\s$")
_TO = re.compile(r"\b(?:to|into|for|with)\b")
_THE = re.compile(r"\b(?:the|this|that|our|my|a portrait of)(?: (?!an?\s)[\w-]+)?\s$")
_SWAPPED = ("headwear", "hair", "clothing", "eyewear", "neckwear", "expression")
"""Attributes of which "another one" may name the new value: "another hat"."""


_GENERIC = ("hat", "glasses", "scarf", "beard")
"""Values by whose name people also call others of the attribute: "take off the hat"."""


_UNPATTERNED = ("headwear", "neckwear", "eyewear", "background")
"""Things that are never striped or dotted here."""


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
    swap = _MADE.fullmatch(clause) or _SWAP.search(clause)
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
    off = re.search(r"\w (?:off|away|gone|disappear|vanish)$", clause) is not None and not ended
    reading = Reading(removing=removing or off)
    items = _unpatterned(items, reading)
    meant = [m for m in items if m.kind not in ("to", "remove", "other", "change")]
    other = any(m.kind == "other" for m in items)
    if colors_a_stranger(items, clause):
        return Reading(understood=False, removing=reading.removing)
    hues = bind(items, clause, scene)
    open_end = any(m.kind == "change" for m in items) and not hues and not _TO.search(clause)
    for mention in items:
        if mention.kind == "remove":
            reading.removing = True
        elif mention.kind == "to" and mention.value in ("with", "for", "to", "into"):
            reading.removing = reading.removing and not reading.changes
        elif mention.kind == "value":
            if open_end and scene.now.get(mention.attribute) == mention.value:
                reading.choose(mention.attribute, scene)
            else:
                _value(mention, reading, scene, other and mention not in hues)
        if mention in hues:
            hue = hues[mention]
            negated = any(m.kind == "remove" and mention.end <= m.start < hue.start for m in items)
            if other and scene.now.get(color_place(mention, scene)) == hue.value:
                negated = True
            change_color(mention, hue, reading, scene, negated or reading.removing)
        elif mention.kind in ("thing", "it"):
            _thing(mention, reading, scene, other, meant)
    if NOTHING in hues:
        left_out = clause[hues[NOTHING].start : hues[NOTHING].end]
        reading.remark = f"I left out “{left_out}”, which has no place there."
    loose = hues.get(NOWHERE)
    if loose and reading.ask is None and not reading.changes:
        reading.ask = where(loose, scene)
    named = [m for m in meant if m.kind != "it"]
    reading.understood = bool(reading.changes or reading.ask or named)
    return reading


def _unpatterned(items: list[Mention], reading: Reading) -> list[Mention]:
    """Leave a pattern out that is meant for anything but clothes, and say so."""
    named = {m.attribute for m in items}
    if "clothing" in named or not named & set(_UNPATTERNED):
        return items
    for mention in items:
        if mention.attribute == "pattern" and mention.value not in ("", "plain"):
            reading.remark = f"Only clothes are {mention.value} here."
    return [m for m in items if m.attribute != "pattern"]


def _references(items: list[Mention], clause: str, scene: Scene) -> list[Mention]:
    """Read "the man" as who is there, and "her shirt red" as whatever top she wears."""
    kept: list[Mention] = []
    for place, mention in enumerate(items):
        before, name = clause[: mention.start], mention.attribute
        if name == "gender" and mention.kind == "value" and _THE.search(before):
            continue
        if name == "gender" and mention.value == scene.now.get(name) and len(items) > 1:
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


def _value(mention: Mention, reading: Reading, scene: Scene, other: bool) -> None:
    name, value, now = mention.attribute, mention.value, scene.now.get(mention.attribute, "none")
    if reading.removing:
        if name in REMOVABLE and now not in ("none", value) and value not in _GENERIC:
            reading.remark = f"There is no {value} to remove."
        elif name in ABSENT:
            reading.add(name, ABSENT[name], apart=True)
        elif name == "background" and value not in COLORS:
            reading.add(name, "white")
        elif (name, value) in OPPOSITE:
            reading.add(name, OPPOSITE[name, value])
        else:
            reading.choose(name, scene)
    elif other and now != "none" and name in _SWAPPED:
        if now == value:
            reading.add(name, different(name, scene))
        else:
            reading.add(name, value)
    else:
        reading.add(name, value)


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
    about = (name, f"{name}_color", "pattern" if name == "clothing" else name)
    told = any(m.kind == "value" and m.attribute in about for m in meant)
    if not name or name in given or told:
        return
    if reading.removing and name in ABSENT:
        reading.add(name, ABSENT[name], apart=True)
    elif reading.removing and name == "background":
        reading.add(name, "white")
    elif other and mention.kind == "thing" and (scene.now.get(name, "none") != "none" or hue):
        reading.add(name, different(name, scene))
    elif mention.kind == "thing" and not any(m.attribute == name for m in meant if m != mention):
        reading.choose(name, scene)
