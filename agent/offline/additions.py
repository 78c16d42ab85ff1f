"""Additions to any caption: gifts, deeds, things put somewhere, things merely named."""

from __future__ import annotations

import re

from agent.offline import objects, people, sentence
from agent.offline.sentence import DETERMINERS, LOCATIVE, class_of, find
from agent.offline.spelling import is_english
from agent.offline.stage import Stage, base, content, form, qualities, words

_NUMBERS = frozenset(
    "one two three four five six seven eight nine ten many several some more fewer".split()
)
_DOING = {"fill": "full of", "cover": "covered in", "surround": "surrounded by", "as": "dressed as",
          "decorate": "decorated with"}  # fmt: skip


def gift(clause: str, stage: Stage) -> bool:
    """Things for somebody: "give the cat a hat", "she should wear jeans"."""
    match = form("give", clause)
    wears = match is None
    match = match or form("wear", clause)
    if match is None:
        return False
    said, who = words(match["what"]), stage.part(match["who"])
    if who is None and said and words(match["who"])[-1] in people.PERSONS and not wears:
        return stage.make(objects.of_one(stage.caption, words(match["who"]), said))
    if who is None or not said or wears and not (objects.is_own(said[-1]) or form("have", clause)):
        return False
    stage.mode, stage.who = "add", stage.parts[who].head
    return stage.make(objects.added(stage.caption, said, who=who))


def deed(clause: str, stage: Stage) -> bool:
    """What somebody does, or what something is full of: "have her hold a cup"."""
    match = form("do", clause) or form("fill", clause)
    if match is None:
        return False
    found = match.groupdict()
    place = stage.part(found.get("who") or found["what"])
    if place is None:
        return False
    thing = found["stuff"] if "stuff" in found else found["what"]
    verb = found.get("verb", "")
    link = _DOING[verb or found["how"]] if verb in ("", "as") else f"{verb.removesuffix('e')}ing"
    return stage.make(objects.joined(stage.caption, place, link.split(), words(thing)))


def move(clause: str, stage: Stage) -> bool:
    """Things put somewhere, and somebody moved: "put a ball next to the cat"."""
    match = form("put", clause)
    if match is None:
        return False
    link, where = match["prep"].split(), words(match["where"])
    place, goal, thing = stage.part(match["what"]), stage.part(match["where"]), words(match["what"])
    if place is not None and thing[0] not in ("a", "an", "some", "another") and goal is None:
        link = {"into": ["in"], "onto": ["on"]}.get(link[0], link)
        if link == ["to"]:
            link = [objects.preposition(where[-1]) or "in"]
        stage.mode = ""
        return stage.make(objects.moved(stage.caption, place, link, where))
    if not content(match["what"]) or place is not None or not where or not _is_thing(thing):
        return False
    stage.mode = "add"
    if goal is not None and objects.place_of(thing[-1]):
        return stage.make(objects.added(stage.caption, thing, who=goal))
    if goal is not None and where[0] in ("her", "him", "it", "them"):
        where = [stage.parts[goal].head]
    if where[0] not in ("her", "his", "their", "its", "top"):
        where = ["the", *[w for w in where if w not in ("the", "a", "an")]]
    seat = " ".join(where)
    link = ["on"] if link == ["to"] else link
    return stage.make(objects.added(stage.caption, thing, where=f"{' '.join(link)} {seat}"))


_NO_THING = frozenset(
    "i me you he she they we us that this there here were was is are be been should would could can"
    " make put give get let not don't what how who why version different again instead".split()
)


def _is_thing(said: list[str]) -> bool:
    """Whether words can name a thing: none of them belongs to a sentence of its own."""
    return not _NO_THING & set(said)


def addition(clause: str, stage: Stage) -> bool:
    """Things added to the picture: "add a dog"."""
    match = form("add", clause)
    said = words(match["what"]) if match else []
    if not said or not content(" ".join(said)) or len(said) > 7:
        return False
    if said[0] in ("it", "her", "him", "them") or not _is_thing(said):
        return False
    place = stage.part(said[-1])
    if said[0] in ("more", "fewer") and place is not None:
        return stage.make(objects.counted(stage.caption, place, said))
    stage.mode = "add"
    return stage.make(objects.added(stage.caption, [w for w in said if w not in ("also", "more")]))


def bare(clause: str, stage: Stage) -> bool:
    """A thing without a verb: "a green door", "two cats", "and a ball"."""
    said, meant = words(clause), content(clause)
    counted = said[0] in _NUMBERS
    if (counted or said[0] in ("a", "an")) and form("put", f"put {clause}"):
        return move(f"put {clause}", stage)
    at = re.fullmatch(r"(in|on|at|by|to) ((?:the|an?) [\w -]+)", clause)
    if at is not None and objects.preposition(said[-1]):  # "at the beach"
        subject, link = sentence.subject(stage.parts) or 0, ["at" if at[1] == "to" else at[1]]
        return stage.make(objects.moved(stage.caption, subject, link, words(at[2])))
    if not meant or len(said) > 5 or said[0] in LOCATIVE:
        return False
    if stage.mode == "describe" and qualities(clause):
        return stage.describe("it", clause)
    named = _thing_and_quality(said, stage)
    if named is not None:
        return stage.make(objects.described(stage.caption, *named))
    if len(said) == 2 and objects.is_own(said[0]) and class_of(said[1]) == "color":
        return stage.make(objects.added(stage.caption, said[::-1]))  # "boots green"
    place = stage.part(clause)
    if place is not None:
        known = said[0] in DETERMINERS or all(class_of(w) for w in meant[:-1])
        if counted:
            return stage.make(objects.counted(stage.caption, place, said))
        return (
            known
            and len(meant) > 1
            and stage.make(objects.described(stage.caption, place, [base(w) for w in meant[:-1]]))
        )
    return _new_thing(said, meant, stage)


def _new_thing(said: list[str], meant: list[str], stage: Stage) -> bool:
    known = said[0] in ("a", "an", "another") or said[0] in _NUMBERS or stage.mode == "add"
    known = known or objects.is_own(meant[-1])
    if (
        not known
        or said[0] in ("he", "she", "it", "they", "i", "you", "we")
        or not all(is_english(w) for w in meant)
    ):
        return False
    if not _is_thing(said):
        return False
    who = find(stage.parts, [stage.who]) if stage.who else None
    return stage.make(objects.added(stage.caption, said, who=who))


def _thing_and_quality(said: list[str], stage: Stage) -> tuple[int, list[str]] | None:
    """Read "the sofa white", a clause that goes on with what an earlier one makes."""
    for cut in range(len(said) - 1, 0, -1):
        place = stage.part(" ".join(said[:cut]))
        found = qualities(" ".join(said[cut:]))
        if place is not None and found:
            return place, found
    return None
