"""Vague wishes become concrete: "more festive" is a party hat, "surprise me" something new.

Which reading was taken is always said, so that the next message can correct it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from agent.captions import ABSENT, COLOR_OF, VALUES, attributes_of, changes
from agent.offline import lexicon
from agent.offline.portrait_words import PLAIN, Changes, PortraitContext, mentions
from agent.state import Ask, EditStep, Step, Turn

_TOO = re.compile(r"(?:.*\b)?too (?:much )?(?P<what>[\w -]+)$")
_TAKES_AWAY = re.compile(
    r"(?:remove|take|taking|delete|lose|drop|strip|ditch|erase|wipe|without|no|less|minus)\b.*"
    r"|get rid of|rid"
)
_PLAIN = PLAIN | frozenset(lexicon.load("wishes")["plain"]["words"].split())


@cache
def _wishes() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    rows = lexicon.load("wishes")["wish"]
    return [(re.compile(rf"(?<![\w-])(?:{said})(?![\w-])"), row) for said, row in rows.items()]


@cache
def _surprise() -> re.Pattern[str]:
    return re.compile("|".join(lexicon.load("wishes")["surprise"]["said"]))


def is_surprise(clause: str) -> bool:
    """Whether somebody wants to be surprised."""
    return _surprise().fullmatch(clause) is not None


def dislikes(clause: str) -> bool:
    """Whether a clause only says that something is disliked."""
    return any(re.search(said, clause) for said in lexicon.load("wishes")["disliked"]["said"])


def absent(clause: str, scene: PortraitContext) -> str:
    """Return the thing that is disliked though it is not there: "I don't like the hat"."""
    if not dislikes(clause) or re.search(r"\bwithout\b|\bno\b", clause):
        return ""
    found = [m for m in mentions(clause) if m.kind == "value" and m.attribute in ABSENT]
    gone = [m for m in found if scene.now.get(m.attribute) in ("none", None)]
    return gone[0].value if gone and gone == found else ""


def too(clause: str) -> str:
    """Return what there is too much of: "she looks too serious"; else an empty string."""
    match = _TOO.fullmatch(clause)
    return match["what"].strip() if match else ""


def _wish(clause: str) -> tuple[dict[str, Any] | None, str]:
    """Return the wish that a clause consists of, and its other words, which must say little."""
    for pattern, row in _wishes():
        match = pattern.search(clause)
        if match is None:
            continue
        rest = clause[: match.start()] + " " + clause[match.end() :]
        known = mentions(rest)
        left = [
            m[0]
            for m in re.finditer(r"[a-z'-]+", rest)
            if m[0] not in _PLAIN and not any(k.start <= m.start() < k.end for k in known)
        ]
        if not left:
            return row, rest
    return None, clause


def sums_up(clause: str, made: Changes) -> bool:
    """Whether a clause is a wish of which something was done: "summer vibes" after a beach."""
    row, _ = _wish(clause)
    return row is not None and any(
        made.items() >= wanted.items() for wanted in row.get("portraits", ())
    )


def one_wish(clause: str, following: str) -> bool:
    """Whether two clauses are one vague wish: "it's too dark, brighten it up"."""
    row, _ = _wish(clause)
    return row is not None and row is _wish(following)[0]


def for_portrait(clause: str, scene: PortraitContext) -> Changes:
    """Return the changes that a vague wish becomes over a portrait; none if it is no such wish."""
    row, rest = _wish(clause)
    known = [m for m in mentions(rest) if m.attribute != "gender"]
    gone = re.search(r"\bless\b", rest) or any(
        m.kind == "remove" and _TAKES_AWAY.fullmatch(rest[m.start : m.end]) for m in known
    )
    free = [m for m in known if m.kind in ("value", "color")]
    if row is None or gone or any(scene.now.get(m.attribute) != m.value for m in free):
        return {}  # "remove the jewelry" is no wish for any
    named = {m.attribute for m in known if m.attribute}
    about = {name for n in named for name in (n, COLOR_OF.get(n, n))}
    new = (c for c in row.get("portraits", ()) if any(scene.now.get(n) != v for n, v in c.items()))
    beards = scene.now.get("gender") != "woman"
    fitting = (
        c for c in new if (not named or about & set(c)) and (beards or "facial_hair" not in c)
    )
    return next(fitting, {})


def surprise(seed: int, made: Sequence[Turn]) -> Changes:
    """Return a change that this conversation has not seen, by the seed."""
    seen = {pair for turn in made for pair in attributes_of(turn.caption).items()}
    names = lexicon.load("wishes")["surprise"]["attributes"].split()
    options = [(n, v) for n in names for v in VALUES[n] if v not in ("none", "plain", "bald")
               and (n, v) not in seen]  # fmt: skip
    return dict([random.Random(seed).choice(options)]) if options else {}


def instead(clause: str, steps: Iterable[Step]) -> list[str]:
    """Say what a dislike was read as: something else in its place."""
    made = [changes(s.source_prompt, s.target_prompt) for s in steps if isinstance(s, EditStep)]
    said = re.sub(r"\bi\b", "I", clause)
    named = ", ".join(in_words(wanted) for wanted in made)
    return [f"I read “{said}” as: {named} instead."] if named else []


def in_words(wanted: Changes) -> str:
    """Name changes: "red fur hat", "snowy background"."""
    named = []
    for name, value in wanted.items():
        thing = name.removesuffix("_color")
        if name in ("background", "skin") or name == thing == "hair" or name == "pattern":
            named.append(f"{value} {'clothes' if name == 'pattern' else name}")
        elif name != thing and thing not in wanted:
            named.append(f"{value} {'clothes' if thing == 'clothing' else thing}")
        elif name == thing:
            hue = wanted.get(f"{name}_color")
            named.append(f"{hue} {value}" if hue else value)
    return ", ".join(named)


def question(clause: str) -> Ask | None:
    """Ask what a vague wish over any other caption means, with examples; None if it is no wish."""
    if is_surprise(clause):
        return Ask(question="What shall I change, for example?", options=_words("surprise"))
    if (other := _OTHER.fullmatch(clause)) is not None:
        what = re.sub(r"^colou?r of (?:the |her |his )?", "", next(filter(None, other.groups())))
        return Ask(question=f"Which {what} instead?", options=_words(what))
    row, rest = _wish(clause)
    if row is None or not _PLAIN.issuperset(re.findall(r"[a-z'-]+", rest)):
        return None
    return Ask(
        question=f"How do you mean “{clause}”? For example:", options=tuple(row.get("asked", ()))
    )


def _words(what: str) -> tuple[str, ...]:
    return tuple(lexicon.load("wishes")["asked"].get(what, ()))


_OTHER = re.compile(
    r"(?:i )?(?:don't|do not|didn't) (?:really )?(?:like|love|fancy)"
    r" (?:the|her|his|this|that|its) ([\w -]+)"
    r"|(?:(?:give|make|show|use|try|change)(?: me| it| her| him)?(?: to)? )?"
    r"(?:another|a different|a new|some other|different|other) ([\w -]+)"
    r"|change (?:the |its )?((?!.* (?:to|into) )[\w -]+(?:'s)?(?: colou?r)?)"
)
