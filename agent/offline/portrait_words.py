"""What the words of a request mean for portraits, and what a request is read against."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from agent import turn_tree
from agent.captions import ABSENT, COLOR_OF, COLORS, VALUES, attributes_of, changes
from agent.offline import lexicon
from agent.state import Ask, Conversation

Changes = dict[str, str]
Kind = Literal["value", "color", "thing", "it", "other", "change", "more", "remove", "to",
               "unknown"]  # fmt: skip


@dataclass(frozen=True)
class Mention:
    """A word or phrase of a request that means something.

    Attributes:
        kind: a value of an attribute, a colour, a thing without a value ("hair", "the hat" as a
            place), "it", a wish for another value ("different"), "change", a wish for a higher one
            ("darker"), the start of what goes ("remove"), the hinge of "from A to B", or something
            of the attribute that cannot be drawn ("a helmet" for the headwear).
        attribute: which attribute, where the words say.
        value: which value or colour, where the words say.
        start: first character in the clause.
        end: one past the last.
    """

    kind: Kind
    attribute: str = ""
    value: str = ""
    start: int = 0
    end: int = 0


COMPARED = {
    "skin": {"darker": 1, "lighter": -1, "browner": 1, "fairer": -1, "more tanned": 1},
    "hair_color": {"darker": -1, "lighter": 1, "fairer": 1, "dark": -1, "light": 1},
}
LADDERS = {"skin": VALUES["skin"], "hair_color": ("black", "brown", "blonde")}
"""The values that "darker" and "lighter" climb."""
USUAL = {"headwear": "hat", "eyewear": "glasses", "neckwear": "scarf"}
"""What is put on when only the place and a colour are said: "something purple on her head"."""
PLAIN = frozenset(" ".join(lexicon.load("portraits")["plain"]["words"]).split())
"""Words of requests that carry no meaning of their own."""
_SHARED = frozenset({*COLORS, "light", "dark", "gray", "brown", "blonde", "none"})
"""Values whose bare word names no attribute: the thing beside it does."""

_COUNTED = {"headwear", "eyewear", "facial_hair", "neckwear", "earrings", "clothing"}
"""Attributes whose values are things, of which there may be several: "hats"."""


def _meanings() -> Iterator[tuple[str, Mention]]:
    """Yield every pattern with what it means."""
    words = lexicon.load("portraits")
    for name, values in VALUES.items():
        for value in values:
            own = [] if value in _SHARED else [value]
            for pattern in own + lexicon.patterns(words["said"].get(name, {}).get(value, [])):
                many = "(?:e?s)?" if name in _COUNTED and "(?!" not in pattern else ""
                yield f"(?:{pattern}){many}", Mention("value", name, value)
    for table in ("things", "unknown", "shades", "roles"):
        for name, entry in words[table].items():
            for pattern in [*([name] if table == "shades" else []), *lexicon.patterns(entry)]:
                yield (
                    pattern,
                    {
                        "things": Mention("thing", name),
                        "unknown": Mention("unknown", name),
                        "shades": Mention("color", value=name),
                        "roles": Mention(name, value=pattern),
                    }[table],
                )


_PATTERNS = [(re.compile(rf"(?<![\w@-])(?:{p})(?![\w-])"), meant) for p, meant in _meanings()]
_FAMILY = [
    (re.compile(rf"\b{p}\b"), meant) for meant, p in lexicon.load("portraits")["family"].items()
]


def family(clause: str) -> str:
    """Write several words for one: "grandma" is an old woman, "jewellery" two things."""
    for pattern, meant in _FAMILY:
        clause = pattern.sub(meant, clause)
    return clause


def mentions(clause: str) -> list[Mention]:
    """Find what a clause mentions, in the order of its words; longer phrases win."""
    found = [
        replace(mention, start=match.start(), end=match.end())
        for pattern, mention in _PATTERNS
        for match in pattern.finditer(clause)
    ]
    kept: list[Mention] = []
    for mention in sorted(found, key=lambda m: m.start - m.end):
        if all(mention.end <= other.start or other.end <= mention.start for other in kept):
            kept.append(mention)
    return sorted(kept, key=lambda mention: mention.start)


def strangers(clause: str) -> list[str]:
    """Return the words of a clause that mean nothing here."""
    known = mentions(clause)
    return [
        match[0]
        for match in re.finditer(r"[a-z][a-z'-]*", clause)
        if match[0] not in PLAIN
        and not any(m.start <= match.start() and match.end() <= m.end for m in known)
    ]


@dataclass(frozen=True)
class PortraitContext:
    """What a clause over a portrait is read against.

    Attributes:
        now: the attributes of the picture at this point of the plan.
        last: the attribute that was edited last, which "it" means.
        captions: those of all pictures of the conversation.
    """

    now: Mapping[str, str]
    last: str = ""
    captions: frozenset[str] = frozenset()

    @classmethod
    def of(cls, conversation: Conversation, head: int) -> PortraitContext:
        """Return what a request is read against when it starts from a turn."""
        line = turn_tree.path(conversation, head)
        made = (changes(t.step.source_prompt, t.step.target_prompt) for t in line[::-1] if t.step)
        last = next((_about(one) for one in made if one), "")
        captions = frozenset(turn.caption for turn in conversation.turns)
        return cls(attributes_of(line[-1].caption), last, captions)

    def after(self, made: Changes) -> PortraitContext:
        """Return the context once some changes are made."""
        return replace(self, now={**self.now, **made}, last=_about(made))

    def knew(self, name: str, value: str) -> bool:
        """Whether some picture of the conversation shows that."""
        return any(attributes_of(caption).get(name) == value for caption in self.captions)

    def compared(self, place: str, word: str) -> str:
        """Return the value that "darker" or "lighter" leads to from the one there is."""
        if word in VALUES[place] or place not in LADDERS:
            return word
        ladder, now = LADDERS[place], self.now.get(place, "")
        at = ladder.index(now) if now in ladder else len(ladder) // 2
        return ladder[min(max(at + COMPARED[place].get(word, 0), 0), len(ladder) - 1)]

    def different(self, name: str) -> str:
        """Return the next value of an attribute after the one it has."""
        values, now = [v for v in VALUES[name] if v != ABSENT.get(name)], self.now.get(name, "")
        return values[(values.index(now) + 1) % len(values) if now in values else 0]

    def which(self, name: str) -> Ask:
        """Ask which value of an attribute is meant; the options are whole requests."""
        called = name.replace("_color", "").replace("_", " ")
        values = [v for v in VALUES[name] if v not in ("none", self.now.get(name))]
        worn = self.now.get(name.removesuffix("_color"), "none")
        usual = USUAL.get(called, "clothes" if called == "clothing" else called)
        noun = usual if worn == "none" or called in ("hair", "background", "skin") else worn
        colored = name.endswith("_color") or name in ("background", "skin")
        options = tuple(f"{value} {noun}" if colored else _request(name, value) for value in values)
        question = f"Which one: {called} can be {_listed(values)}?"
        return Ask(question=question, options=options, default=options[0])

    def unknown(self, words: str, name: str) -> Ask:
        """Say that something is not known here, and name what is."""
        called = name.replace("_", " ").capitalize()
        values = [v for v in VALUES[name] if v != "none"]
        known = f"{called} can be {_listed(values)}; which one?"
        options = tuple(_request(name, v) for v in values if v != self.now.get(name))
        return Ask(question=f"I do not know “{words}”. {known}", options=options)

    def where(self, color: str) -> Ask:
        """Ask what a colour is for, or what should be "darker"."""
        things = {"clothing_color": self.now.get("clothing", "clothes"),
                  "background": "background", "hair_color": "hair", "skin": "skin"}  # fmt: skip
        options = tuple(f"{color} {thing}" for name, thing in things.items()
                        if color in VALUES[name] or color in COMPARED.get(name, ()))  # fmt: skip
        color = {"dark": "darker", "light": "lighter"}.get(color, color)
        if color in ("darker", "lighter"):
            options = (f"make the picture {color}", *options)
        return Ask(
            question=f"What should be {color}?", options=options, default="".join(options[:1])
        )

    def named_ones(self, clause: str) -> str:
        """Write the thing for "ones" where its name makes a value: "round ones" are glasses."""
        known = [m for m in mentions(clause) if m.kind in ("value", "thing")]
        last = (known[0].attribute if known else self.last).removesuffix("_color")
        for noun in (self.now.get(last, ""), USUAL.get(last, ""), last):
            named = re.sub(r"(?<=\w )ones?\b", noun, clause)
            values = {m.value for m in mentions(named) if m.attribute == last and m.kind == "value"}
            if values - {m.value for m in known} - {noun}:
                return named
        return clause

    def same_color(self, text: str) -> str:
        """Write the colour itself for "the same colour as the hat".

        Raises:
            LookupError: there is no hat, or one without a colour of its own.
        """
        match = _SAME.search(text)
        what = match["a"] or match["b"] or match["c"] if match else ""
        known = [m.attribute for m in mentions(what)]
        hues = [self.now.get(name if name in ("background", "skin") else f"{name}_color")
                for name in known]  # fmt: skip
        hue = next(filter(None, hues), None)
        if any(known) and hue is None:
            raise LookupError(what)
        return text[: match.start()] + hue + text[match.end() :] if match and hue else text


_SAME = re.compile(
    r"(?:in )?(?:the )?same colou?r as (?:the|her|his) (?P<a>[\w -]+)"
    r"|in the colou?r of (?:the|her|his) (?P<c>[\w -]+)"
    r"|(?:match(?:es|ing)?|to match) (?:the |her |his )(?P<b>[\w -]+)$"
)


def _about(made: Changes) -> str:
    things = [n for n in ("age", *COLOR_OF, "earrings", "pattern") if n in made]
    return things[0] if things else next(iter(made))


def _listed(values: Sequence[str]) -> str:
    return ", ".join(values[:-1]) + " or " + values[-1]


def _request(name: str, value: str) -> str:
    if name == "hair":
        return f"{value} hair" if value in ("short", "long", "curly", "wavy") else value
    return f"{value} background" if name == "background" else value
