"""One clause of a request, read as changes of a portrait: "a red hat", "dye her hair pink"."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from agent.captions import ABSENT, COLOR_OF, COLORS, REMOVABLE, VALUES
from agent.offline import lexicon
from agent.offline.portrait_words import (
    USUAL,
    Changes,
    Mention,
    PortraitContext,
    mentions,
    strangers,
)
from agent.state import Ask

OPPOSITE: dict[str, dict[str, str]] = lexicon.load("portraits")["opposite"]
"""Attribute and value to what is wanted where that value is not."""
GROUPS = (
    {"gender", "age"},
    {"hair", "hair_color"},
    {"headwear", "headwear_color"},
    {"eyewear", "eyewear_color"},
    {"neckwear", "neckwear_color"},
    {"clothing", "clothing_color", "pattern"},
)
"""Attributes that one edit changes together when they are asked for together."""
_HINGE = re.compile(r"\b(?:instead of|rather than|in place of)\b")
_SWAP = re.compile(
    r"\b(?:replace|swap|switch|exchange|trade|substitute|change|turn|convert|go)\b(?: out)?"
    r"(?P<old>.*?)\b(?:with|for|to|into|by)\b(?P<new>.*)"
)
_MADE = re.compile(
    r"(?:make|turn|set) (?:the|her|his) (?P<old>[\w ]+?) (?:(?:look )?(?:like|into) )?(?:an?|some) "
    r"(?P<new>[\w ]+)"
)
_DEFINITE = re.compile(r"\b(?:the|her|his|their|my|that|this|whose)(?: [\w-]+)?\s$")
_WHO = re.compile(r"\b(?:the|this|that|our|my|a portrait of)(?: (?!an?\s)[\w-]+)?\s$")
_OFF = re.compile(r"\w (?:off|away|gone|disappear|vanish)$")
_SWAPPED = ("headwear", "hair", "clothing", "eyewear", "neckwear", "expression")
"""Attributes of which "another one" may name the new value: "another hat"."""
GENERIC = ("hat", "glasses", "scarf", "beard")
"""Values by whose name people also call others of the attribute: "take off the hat"."""
_UNPATTERNED = {"headwear", "neckwear", "eyewear", "background"}
"""Things that are never striped or dotted here."""
_OF_PERSONS = {"hair", "age", "expression"}
"""Attributes whose adjectives say nothing here before a thing: "a long scarf", "an old hat"."""
_QUALITIES = {*_OF_PERSONS, "pattern", "skin", "hair_color"}
_HAVING = {*_OF_PERSONS, "gender", "skin"}
"""Attributes whose nouns have qualities: "an old man", "a sad face"."""
_BEGINS = re.compile(r"(?:^|\b(?:an?|her|his|some|add|with|and|wear|have) )$")
_APART = re.compile(r"[,;]|\b(?:and|or|with|in|on|to|into|for|by|of|at|is|her|his|the|an?)\b")
_UNSUITED = re.compile(
    r"(?:do|does|did)(?:n't| not) (?:(?:really|quite) )?(?:suit|fit|look|work|go|match|flatter)\b"
)
_NOWHERE, _NOTHING = Mention("it", value="nowhere"), Mention("it", value="nothing")
"""What colours are bound to that could be for anything, or are for what has no colour here."""
_ALSO = {("hair_color", "yellow"): "blonde", ("hair_color", "white"): "gray",
         ("hair_color", "orange"): "red", ("skin", "black"): "dark",
         ("skin", "white"): "light"}  # fmt: skip
"""Colours that mean another one on a certain thing."""


@dataclass
class ClauseReading:
    """What a clause asks for: changes in order, a question about the rest, and a remark.

    ``asking`` is the attribute that the question is about.
    """

    changes: list[Changes] = field(default_factory=list)
    ask: Ask | None = None
    asking: str = ""
    remark: str = ""
    understood: bool = True
    removing: bool = False

    @property
    def given(self) -> set[str]:
        """The attributes that are changed."""
        return {name for changes in self.changes for name in changes}

    def add(self, name: str, value: str, *, apart: bool = False) -> None:
        """Add one change, to the last edit if both belong to one thing."""
        last = self.changes[-1] if self.changes and not apart else {}
        if last and any({name, *last} <= group for group in GROUPS):
            if name == "hair" and last.get(name, value) != value:
                one = f"Hair is one of these here: I took {value} and left {last[name]} out."
                self.remark = one
            last[name] = value
        else:
            self.changes.append({name: value})

    def choose(self, name: str, at: PortraitContext) -> None:
        """Ask which value of an attribute is meant; where only one is left, that one is."""
        values = [v for v in VALUES[name] if v not in ("none", at.now.get(name))]
        if len(values) == 1:
            self.add(name, values[0])
        else:
            self.asking = self.asking if self.ask else name
            self.ask = self.ask or at.which(name)

    def lose(self, name: str) -> None:
        """Take off what is worn, or what is behind somebody."""
        self.add(name, ABSENT.get(name, "white"), apart=name in ABSENT)


def read_portrait_clause(
    clause: str, at: PortraitContext, *, removing: bool = False
) -> ClauseReading:
    """Read one clause.

    Args:
        clause: lower-case words without a full stop.
        at: what it is read against.
        removing: whether the clause goes on with what an earlier one removes ("… and the hat").
    """
    if (ask := _undrawable(clause, at)) is not None:
        return ClauseReading(ask=ask)
    wanted, unwanted = _halves(clause)
    gone = mentions(unwanted)
    things = [m for m in gone if m.kind in ("value", "thing")]
    if things:  # "a blue one instead of the red hat"
        wanted = re.sub(r"\bones?\b", unwanted[things[-1].start : things[-1].end], wanted)
    reading = _read(wanted, at, removing)
    for name in {m.attribute for m in gone if m.attribute in REMOVABLE} - reading.given:
        if at.now.get(name, "none") != "none":
            reading.lose(name)
    return reading


def _undrawable(clause: str, at: PortraitContext) -> Ask | None:
    """Ask back where a thing is wanted that cannot be drawn, known by name or only by its place."""
    for mention in mentions(clause):
        if mention.kind == "unknown":
            return at.unknown(clause[mention.start : mention.end], mention.attribute)
    swap = _MADE.fullmatch(clause) or _SWAP.search(clause)
    if swap is None or mentions(swap["new"]) or swap[0].startswith("go"):
        return None
    old = next((m.attribute for m in mentions(swap["old"]) if m.kind in ("value", "thing")), "")
    new = re.sub(r"^(?:an?|the|some) ", "", swap["new"].strip())
    return at.unknown(new, old) if old in VALUES and strangers(new) else None


def _halves(clause: str) -> tuple[str, str]:
    """Split "A instead of B" and "replace B with A" into what comes and what goes."""
    if (hinge := _HINGE.search(clause)) is not None:
        return clause[: hinge.start()], clause[hinge.end() :]
    swap = _SWAP.search(clause)
    if swap and all(any(m.kind == "value" for m in mentions(swap[k])) for k in ("old", "new")):
        return swap["new"], swap["old"]
    return clause, ""


def _read(clause: str, at: PortraitContext, removing: bool) -> ClauseReading:
    items = _references(mentions(clause), clause, at)
    ended = bool(items) and items[-1].end == len(clause)
    off = bool(_OFF.search(clause)) and not ended or bool(_UNSUITED.search(clause))
    reading = ClauseReading(removing=removing or off)
    items = _one_background(_placed(items, clause, reading), clause, reading)
    meant = [m for m in items if m.kind not in ("to", "remove", "other", "change")]
    kinds = {m.kind for m in items}
    if kinds & {"color", "more"} and not kinds & {"value", "thing", "it"} and strangers(clause):
        reading.understood = False  # "purple elephants"
        return reading
    hues = _bind(items, clause, at)
    open_end = "change" in kinds and not hues and not re.search(r"\b(?:to|into|for|with)\b", clause)
    for mention in items:
        if mention.kind == "remove":
            reading.removing = True
        elif mention.kind == "to" and mention.value in ("with", "for", "to", "into"):
            reading.removing = reading.removing and not reading.changes
        elif mention.kind == "value" and at.now.get(mention.attribute) == mention.value and \
                (open_end or clause[: mention.start].endswith("less ")):  # fmt: skip
            reading.choose(mention.attribute, at)
        elif mention.kind == "value":
            _value(mention, reading, at, "other" in kinds and mention not in hues)
        if mention in hues:
            hue = hues[mention]
            off = any(m.kind == "remove" and mention.end <= m.start < hue.start for m in items)
            name, before = mention.attribute, clause[: mention.start]
            if mention.kind == "value" and name in REMOVABLE and _DEFINITE.search(before) and \
                    at.now.get(name) == "none" and not (off or reading.removing):  # fmt: skip
                some = ("were", "them") if mention.value.endswith("s") else ("was", "one")
                reading.remark = f"There {some[0]} no {mention.value}, so I added {some[1]}."
            off = off or "other" in kinds and at.now.get(color_place(mention, at)) == hue.value
            _recolor(mention, hue, reading, at, off or reading.removing)
        elif mention.kind in ("thing", "it"):
            _thing(mention, reading, at, "other" in kinds, [m for m in meant if m != mention])
    if _NOTHING in hues:
        left_out = clause[hues[_NOTHING].start : hues[_NOTHING].end]
        reading.remark = f"I left out “{left_out}”, which has no place there."
    if _NOWHERE in hues and not reading.changes:
        reading.ask = reading.ask or at.where(hues[_NOWHERE].value)
    named = any(m.kind != "it" for m in meant)
    reading.understood = bool(reading.changes or reading.ask or named)
    reading.remark = reading.remark if reading.understood else ""
    return reading


def _placed(items: list[Mention], clause: str, reading: ClauseReading) -> list[Mention]:
    """Leave out qualities of what has none here, and say so: "a long scarf", "a striped hat"."""
    named, kept = {m.attribute for m in items}, []
    unpatterned = "clothing" not in named and bool(named & _UNPATTERNED)
    for place, mention in enumerate(items):
        said = clause[mention.start : mention.end]
        if mention.attribute == "pattern" and unpatterned:
            if mention.value not in ("", "plain"):
                reading.remark = f"Only clothes are {mention.value} here."
        elif mention.kind == "value" and mention.attribute in _OF_PERSONS and " " not in said \
                and _belongs_to_a_thing(mention, items[place + 1 :], clause):  # fmt: skip
            reading.remark = f"I left out “{said}”, which has no place there."
        else:
            kept.append(mention)
    return kept


def _one_background(items: list[Mention], clause: str, reading: ClauseReading) -> list[Mention]:
    """Keep one of several backgrounds, and say so: "a city at night", "a snowy forest"."""
    places = [m for m in items if m.kind == "value" and m.attribute == "background"]
    if len({m.value for m in places}) < 2 or {m.kind for m in items} & {"remove", "other"}:
        return items
    first, last = places[0], places[-1]
    if re.search(r"\b(?:to|into|for|with|and|then)\b", clause[first.end : last.start]):
        return items
    kept = first if re.search(r"\b(?:at|in|by|on)\b", clause[first.end : last.end]) else last
    left = " and ".join(dict.fromkeys(m.value for m in places if m.value != kept.value))
    reading.remark = f"There is one background: I took {kept.value} and left {left} out."
    return [m for m in items if m not in places or m is kept]


def _belongs_to_a_thing(mention: Mention, later: list[Mention], clause: str) -> bool:
    """Whether a quality of persons or hair stands before a thing: "an old hat", "long nails"."""
    for noun in later:
        if noun.kind == "thing" or noun.kind == "value" and noun.attribute not in _QUALITIES:
            between = clause[mention.end : noun.end]
            return noun.attribute not in _HAVING and not _APART.search(between)
    long = mention.value in ("long", "short") and not later
    if not long or not _BEGINS.search(clause[: mention.start]):
        return False
    after = clause[mention.end :].split()
    return bool(after) and after[0] in strangers(clause)


def _references(items: list[Mention], clause: str, at: PortraitContext) -> list[Mention]:
    """Read "the man" as who is there, and "her shirt red" as whatever top she wears."""
    kept: list[Mention] = []
    for place, mention in enumerate(items):
        before, name, now = (
            clause[: mention.start],
            mention.attribute,
            at.now.get(mention.attribute),
        )
        if name == "gender" and mention.kind == "value":
            if mention.value == now and len(items) > 1:
                continue
            if _WHO.search(before):
                continue
        if mention.value == "glasses" and any(m.value == "round glasses" for m in kept):
            continue
        near = items[max(place - 1, 0) : place + 3]
        colored = any(m.kind == "color" or m.attribute == "pattern" for m in near)
        worn = name in ("clothing", "headwear") and now not in (None, "none", mention.value)
        if mention.kind == "value" and worn and colored and _DEFINITE.search(before):
            back = re.search(r"\b(?:give|back|again)\b", clause) or at.knew(name, mention.value)
            mention = mention if back else replace(mention, kind="thing")
        kept.append(mention)
    return kept


def _value(mention: Mention, reading: ClauseReading, at: PortraitContext, other: bool) -> None:
    name, value, now = mention.attribute, mention.value, at.now.get(mention.attribute, "none")
    if not reading.removing:
        swapped = other and now == value and now != "none" and name in _SWAPPED
        reading.add(name, at.different(name) if swapped else value)
    elif name in REMOVABLE and now not in ("none", value) and value not in (*GENERIC, "none"):
        reading.remark = f"There is no {value} to remove."
    elif name in ABSENT or name == "background" and value not in COLORS:
        reading.lose(name)
    elif value in OPPOSITE.get(name, ()):
        reading.add(name, OPPOSITE[name][value])
    else:
        reading.choose(name, at)


def _thing(
    mention: Mention, reading: ClauseReading, at: PortraitContext, other: bool, rest: list[Mention]
) -> None:
    """Read a thing, or "it", that comes without a value of its own."""
    name = color_place(mention, at) if mention.attribute == "color" else mention.attribute
    if mention.kind == "it":
        named = any(m.kind in ("value", "thing", "color", "more") for m in rest)
        name = "" if named else at.last
    about = (name, f"{name}_color", "pattern" if name == "clothing" else name)
    told = any(m.kind == "value" and m.attribute in about for m in rest)
    if not name or name in reading.given or told:
        return
    worn = at.now.get(name, "none") != "none" or name.endswith("_color")
    if reading.removing and (name in ABSENT or name == "background"):
        reading.lose(name)
    elif other and mention.kind == "thing" and worn:
        reading.add(name, at.different(name))
    elif mention.kind == "thing" and all(m.attribute != name for m in rest):
        reading.choose(name, at)


def _bind(items: list[Mention], clause: str, at: PortraitContext) -> dict[Mention, Mention]:
    """Give each colour, and each "darker", to the thing it belongs to; loose ones to `_NOWHERE`."""
    bound: dict[Mention, Mention] = {}
    things = [m for m in items if m.kind in ("value", "thing", "it")]
    for hue in [m for m in items if m.kind in ("color", "more")]:
        right = next((m for m in things if m.start >= hue.end), None)
        left = next((m for m in reversed(things) if m.end <= hue.start), None)
        between = clause[hue.end : right.start] if right else ","
        close = not re.search(r"\b(?:and|to|in|into|with|on|for|be|is)\b|,", between)
        it = Mention("it", start=hue.start, end=hue.start)
        if right and close and right.attribute == "pattern":  # "a red striped shirt"
            cloth = next((m for m in things if m.start >= right.end), None)
            apart = cloth and re.search(r"\b(?:on|to|for|with)\b", clause[right.end : cloth.start])
            bound[cloth if cloth and cloth.attribute == "clothing" and not apart else _NOTHING] = (
                hue
            )
        elif right and close and _colorable(right, at):
            bound[right] = hue
        elif right and close and right.kind == "value":
            bound[_NOTHING] = hue
        elif left and _colorable(left, at):
            bound[left] = hue
        elif right and _colorable(right, at):
            bound[right] = hue
        elif color_place(it, at):
            bound[it] = hue
            items.append(it)
        else:
            bound[_NOWHERE] = hue
    return bound


def color_place(mention: Mention, at: PortraitContext) -> str:
    """Return the attribute that holds the colour of what is mentioned, or an empty string."""
    name = at.last if mention.kind == "it" or mention.attribute == "color" else mention.attribute
    name = "clothing" if name == "pattern" else name
    return name if name.endswith("_color") else COLOR_OF.get(name, "")


def _colorable(mention: Mention, at: PortraitContext) -> bool:
    return bool(color_place(mention, at)) and mention.value not in ("bald", "none", "necklace")


def _recolor(
    mention: Mention, hue: Mention, reading: ClauseReading, at: PortraitContext, off: bool
) -> None:
    """Change the colour of what is mentioned."""
    place = color_place(mention, at)
    thing = place.removesuffix("_color")
    if off and hue.kind == "color":
        gone = mention.kind == "value" or reading.removing and mention.attribute in REMOVABLE
        if not gone and at.now.get(place) == hue.value:
            reading.add(place, at.different(place))
        return
    value = hue.value if hue.kind == "color" else at.compared(place, hue.value)
    value = _ALSO.get((place, value), value)
    worn = at.now.get(thing, "none") != "none" or thing in reading.given
    if thing in USUAL and mention.kind in ("thing", "it") and not worn:
        reading.add(thing, USUAL[thing])
    if mention.attribute == "facial_hair":
        if at.now.get(place) != value:
            both = f"say “{value} hair” for both"
            reading.remark = f"A beard has the colour of the hair here; {both}."
    elif value in VALUES[place]:
        reading.add(place, value)
    elif hue.kind == "more":
        reading.ask = reading.ask or at.where(value)
    else:
        reading.choose(place, at)
