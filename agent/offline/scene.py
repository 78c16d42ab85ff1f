"""What a request is read against, and choosing a value that it leaves open."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from agent import turn_tree
from agent.captions import ABSENT, COLOR_OF, COLORS, VALUES, attributes_of, changes
from agent.offline import lexicon
from agent.offline.vocabulary import COMPARED, LADDERS, Mention, mentions
from agent.state import Ask, Conversation

Changes = dict[str, str]


USUAL = {"headwear": "hat", "eyewear": "glasses", "neckwear": "scarf"}
"""What is put on when only the place and a colour are said: "something purple on her head"."""


@dataclass(frozen=True)
class Scene:
    """What a clause is read against.

    Attributes:
        now: the attributes of the picture at this point of the plan.
        last: the attribute that was edited last, which "it" means.
        used: the values each attribute had on the way here, so that "different" is different.
    """

    now: Mapping[str, str]
    last: str = ""
    used: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def after(self, made: Changes) -> Scene:
        """Return the scene once some changes are made."""
        things = [n for n in ("age", *COLOR_OF, "earrings", "pattern") if n in made]
        last = things[0] if things else next(iter(made))
        return replace(self, now={**self.now, **made}, last=last)


def compared(place: str, word: str, scene: Scene) -> str:
    """Return the value that "darker" or "lighter" leads to from the one there is."""
    if word in VALUES[place]:
        return word
    if place not in LADDERS:
        return word
    ladder, step = LADDERS[place], COMPARED[place].get(word, 0)
    if word in ("dark", "light"):
        return ladder[0] if step < 0 else ladder[-1]
    now = scene.now.get(place, "")
    at = ladder.index(now) if now in ladder else len(ladder) // 2
    return ladder[min(max(at + step, 0), len(ladder) - 1)]


def different(name: str, scene: Scene) -> str:
    """Return the next value that the attribute has not had yet, or the next one at all."""
    now = scene.now.get(name, "")
    values = [v for v in VALUES[name] if v != ABSENT.get(name)]
    at = values.index(now) + 1 if now in values else 0
    round_ = [v for v in values[at:] + values[:at] if v != now]
    return next((v for v in round_ if v not in scene.used.get(name, ())), round_[0])


def which(name: str, scene: Scene) -> Ask:
    """Ask which value of an attribute is meant; the options are whole requests."""
    called = name.replace("_color", "").replace("_", " ")
    now = scene.now.get(name)
    values = [v for v in VALUES[name] if v not in ("none", now)]
    noun = scene.now.get("clothing", "clothes") if name == "clothing_color" else called
    for thing, usual in USUAL.items():
        worn = scene.now.get(thing, "none")
        noun = noun if name != COLOR_OF[thing] else worn if worn != "none" else usual
    colored = name.endswith("_color") or name in ("background", "skin")
    options = tuple(f"{value} {noun}" if colored else _request(name, value) for value in values)
    listed = ", ".join(values[:-1]) + " or " + values[-1]
    return Ask(
        question=f"Which one: {called} can be {listed}?", options=options, default=options[0]
    )


def unknown(words: str, name: str, scene: Scene) -> Ask:
    """Say that something is not known here, and name what is."""
    called = name.replace("_", " ")
    values = [v for v in VALUES[name] if v != "none"]
    known = ", ".join(values[:-1]) + " or " + values[-1]
    known = f"{called[:1].upper()}{called[1:]} can be {known}; which one?"
    return Ask(
        question=f"I do not know “{words}”. {known}",
        options=tuple(_request(name, v) for v in values if v != scene.now.get(name)),
    )


PLAIN = frozenset(" ".join(lexicon.load("portraits")["plain"]["words"]).split())
"""Words of requests that carry no meaning of their own."""


def strangers(clause: str) -> list[str]:
    """Return the words of a clause that mean nothing here."""
    known = mentions(clause)
    return [
        match[0]
        for match in re.finditer(r"[a-z][a-z'-]*", clause)
        if match[0] not in PLAIN
        and not any(m.start <= match.start() and match.end() <= m.end for m in known)
    ]


def _request(name: str, value: str) -> str:
    if name == "hair":
        return f"{value} hair" if value in ("short", "long", "curly", "wavy") else value
    if name == "background":
        return f"{value} background"
    return value


def where(hue: Mention, scene: Scene) -> Ask:
    """Ask what a colour is for."""
    color = hue.value
    worn = scene.now.get("clothing", "clothes")
    options = [f"{color} {worn}"] if color in COLORS else []
    options += [f"{color} background"] if color in VALUES["background"] else []
    options += [f"{color} hair"] if color in VALUES["hair_color"] else []
    default = options[0] if options else ""
    return Ask(question=f"What should be {color}?", options=tuple(options), default=default)


def scene_of(conversation: Conversation, head: int) -> Scene:
    """Return what a request is read against when it starts from a turn."""
    line = turn_tree.path(conversation, head)
    now = attributes_of(line[-1].caption)
    used: dict[str, list[str]] = {}
    for t in line:
        for name, value in attributes_of(t.caption).items():
            used.setdefault(name, []).append(value)
    scene = Scene(now=now, used=used)
    for t in reversed(line):
        changed = changes(t.step.source_prompt, t.step.target_prompt) if t.step else {}
        if changed:
            scene = scene.after(changed)
            break
    return Scene(now=now, last=scene.last, used=used)


_ONES = re.compile(r"(?<=\w )ones?\b")


def named_ones(clause: str, scene: Scene) -> str:
    """Write the thing itself for "ones" where its name makes a value: "round ones" are glasses."""
    known = [m for m in mentions(clause) if m.kind in ("value", "thing")]
    last = (known[0].attribute if known else scene.last).removesuffix("_color")
    said = {m.value for m in known}
    for noun in (scene.now.get(last, ""), USUAL.get(last, ""), last):
        named = _ONES.sub(noun, clause)
        values = {m.value for m in mentions(named) if m.attribute == last and m.kind == "value"}
        if values - said - {noun}:
            return named
    return clause


_SAME = re.compile(
    r"(?:in )?(?:the )?same colou?r as (?:the|her|his) (?P<a>[\w -]+)"
    r"|in the colou?r of (?:the|her|his) (?P<c>[\w -]+)"
    r"|(?:match(?:es|ing)?|to match) (?:the |her |his )(?P<b>[\w -]+)$"
)


def same_color(text: str, scene: Scene) -> str:
    """Write the colour itself for "the same colour as the hat".

    Raises:
        LookupError: there is no hat, or one without a colour of its own.
    """

    def color(match: re.Match[str]) -> str:
        name = ""
        for mention in mentions(match["a"] or match["b"] or match["c"]):
            name = mention.attribute
            place = name if name in ("background", "skin") else f"{name}_color"
            if (found := scene.now.get(place)) is not None:
                return found
        if name:
            raise LookupError(match["a"] or match["b"] or match["c"])
        return match[0]

    return _SAME.sub(color, text)
