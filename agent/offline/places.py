"""Where a message lets an edit act: "only the sky", "the man on the left", "her left hand"."""

from __future__ import annotations

import re
from collections.abc import Callable

from agent.offline.messages import LONGEST
from agent.state import Ask, EditStep, Plan, Step
from editing_core.word_regions import without
from editing_core.worlds.registry import world_of
from tools.find_region import named
from tools.regions import is_region

_WHOSE = r"(?:the|her|his|its|their|my)"
_PLACE = r"(?:very |far )?(?:left|right|top|bottom|middle|centre|center)"
_OF_PICTURE = r"(?: (?:side|half|part|corner))?(?: (?:of|in) the (?:picture|image|photo))?"
_LIMIT = r"(?:only|just|nothing but)"
_LAST = re.compile(
    rf"(?P<rest>.*\w)[,;.]* (?:and |but |please )*{_LIMIT} (?:please )?"
    rf"(?:(?:on|in|at|for|to|with|around|inside) )?"
    rf"(?P<where>{_WHOSE} [\w' -]{{2,60}}?)(?:,? please)?[ .!]*",
    re.IGNORECASE,
)
_FIRST = re.compile(
    r"(?P<rest>(?:.*[ ,])?(?:make|turn|paint|colou?r|dye|change|recolou?r|tint|let|give) )"
    rf"{_LIMIT} "
    rf"(?P<where>{_WHOSE} [\w'-]+(?: [\w'-]+)*)(?P<more>.*)",
    re.IGNORECASE,
)
_SIDE = re.compile(
    rf"(?P<where>{_WHOSE} [\w'-]+(?: [\w'-]+)?"
    rf"(?P<place> (?:on|at|in) the {_PLACE}{_OF_PICTURE}))\b",
    re.IGNORECASE,
)
_BODY = re.compile(
    r"\b(?P<where>(?:the|her|his|their|my) (?P<place>(?:left|right) )(?:hand|arm|eye|ear|leg|foot"
    r"|shoulder|cheek|knee|elbow|brow|eyebrow|sleeve|shoe|glove))\b",
    re.IGNORECASE,
)
_MOVES = re.compile(r"\b(?:move|put|place|shift|push|hang|look|turn) (?:it|the|her|his)\b")
_KEEPS = re.compile(r"\b(?:keep|leave|want|need|show|have|with|is|it's|remove|undo)$")
_LONGEST = 3  # words of a thing, beside its article


def within_place(message: str, caption: str, read: Callable[[str], Plan]) -> Plan | None:
    """Read a message that limits its edit to a place; None for any other message.

    Args:
        message: What the person said.
        caption: Of the picture; of drawn portraits only what it names is a place.
        read: Reads a message without its place.
    """
    rest, where = _split(" ".join(message.split())[:LONGEST], caption)
    if not where or not is_region(where):
        return None
    plan = read(rest)
    if not any(isinstance(step, EditStep | Ask) for step in plan.steps):
        return None
    steps = tuple(_in(step, where.lower()) for step in plan.steps)
    side = named(where)
    note = plan.note
    if side.own:
        seen = f"I took {where} to be the one on the {side.side} of the picture."
        note = f"{note} {seen}".strip()
    return plan.model_copy(update={"steps": steps, "note": note})


def _in(step: Step, where: str) -> Step:
    if isinstance(step, EditStep):
        return step.model_copy(update={"region": where})
    if isinstance(step, Ask):
        options = tuple(f"{option}, only {where}" for option in step.options)
        default = step.default and f"{step.default}, only {where}"
        return step.model_copy(update={"options": options, "default": default})
    return step


def _split(message: str, caption: str) -> tuple[str, str]:
    """Return a message without its place, and the place in words; "" where it names none."""
    if (found := _FIRST.fullmatch(message)) is not None:
        where = _thing(found["where"], caption)
        rest = f"{found['rest']}{found['where']}{found['more']}"
        if where and _is_place(where, caption) and len(where) < len(found["where"] + found["more"]):
            return rest, where
    if (found := _LAST.fullmatch(message)) is not None and not _KEEPS.search(found["rest"]):
        where = found["where"]
        if len(where.split()) <= _LONGEST + 1 or named(where).side:
            return (found["rest"], where) if _is_place(where, caption) else ("", "")
    for pattern in (_SIDE, _BODY):
        found = pattern.search(message)
        if found is None or _MOVES.search(message) or not _is_place(found["where"], caption):
            continue
        known = found["place"].strip().lower() in caption.lower()
        rest = message if known else message[: found.start("place")] + message[found.end("place") :]
        return rest, found["where"]
    return "", ""


def _thing(words: str, caption: str) -> str:
    """Return of "the left hat red" what names a thing: up to a word of the caption, or one word."""
    said = words.split()
    for count in range(2, min(len(said), _LONGEST + 1) + 1):
        if without(caption, said[count - 1]) is not None:
            return " ".join(said[:count])
    count = 3 if len(said) > 2 and said[1].lower() in ("left", "right", "upper", "lower") else 2
    return " ".join(said[:count])


def _is_place(where: str, caption: str) -> bool:
    thing = named(where).thing
    if world_of(caption) is None:
        return True
    return not thing or without(caption, thing) is not None
