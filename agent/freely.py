"""One clause of a request over any caption: "make the sofa red", "replace the cat with a dog"."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from agent import lexicon, objects, sentence, surroundings
from agent.objects import Rewrite
from agent.sentence import DETERMINERS, LOCATIVE, class_of, find
from agent.spelling import is_english
from agent.stage import Stage, content, qualities, words

_NUMBERS = frozenset(
    "one two three four five six seven eight nine ten many several some more fewer".split()
)
_DOING = {"fill": "full of", "cover": "covered in", "surround": "surrounded by",
          "decorate": "decorated with"}  # fmt: skip


def _form(name: str, clause: str) -> re.Match[str] | None:
    return lexicon.match("forms", "form", name, clause)


def read_freely(clause: str, stage: Stage) -> bool:
    """Read one clause; return whether it was understood. Changes are added to the stage."""
    clause = _in_order(clause)
    if not words(clause) or _form("question", clause):
        return False
    readers: tuple[Callable[[str, Stage], bool], ...] = (
        _mention, _style, _removal, _scene, _background, _replacement, _gift, _deed, _quality,
        _move, _addition, _bare,
    )  # fmt: skip
    return any(read(clause, stage) for read in readers)


def _in_order(clause: str) -> str:
    """Write a clause in the usual order: "into a tram turn the train"."""
    for pattern, usual in lexicon.load("forms")["order"].items():
        clause = re.sub(rf"^{lexicon.filled('forms', pattern)}$", usual, clause)
    return clause


def _mention(clause: str, stage: Stage) -> bool:
    """A thing alone, with "the", says what comes next is about: "the door, paint it green"."""
    said = words(clause)
    if said[0] not in ("the", "her", "his", "that", "this") or len(said) > 3:
        return False
    place = stage.part(clause)
    if place is None or stage.mode or len(content(clause)) != 1:
        return False
    stage.about = stage.parts[place].head
    return True


def _style(clause: str, stage: Stage) -> bool:
    style = surroundings.style_of(clause)
    whole = _form("whole_style", clause) or surroundings.is_style(clause)
    if not style or not whole or re.match(r"add|put|in (?:the|a) (?!style)", clause):
        return False
    if stage.part(words(clause)[-1]) is not None and not style.startswith("in the"):
        return False
    return stage.make(Rewrite("style", *surroundings.set_style(stage.caption, style)))


def _removal(clause: str, stage: Stage) -> bool:
    match = _form("remove", clause)
    going_on = match is None and stage.mode == "remove" and len(words(clause)) <= 4
    what = match["what"] if match else clause if going_on else ""
    what = re.sub(r"^(?:any|all|the|her|his|its) ", "", what)
    if not what or re.match(r"(?:remove|delete)\b", what):
        return False
    stage.mode = "remove"
    for group, *_ in surroundings.mentioned(what)[:1]:
        bare = surroundings.unset(stage.caption, group)
        if bare != stage.caption:
            return stage.make(Rewrite("background", stage.caption, bare))
    said = words(what)
    if said in (["it"], ["that"], ["them"], ["this"]):
        said = words(stage.about)
    if said == ["background"]:
        return stage.make(objects.behind(stage.caption, ["plain", "white"]))
    known = said and len(said) <= 4 and all(is_english(w) for w in said)
    if not known or {"except", "but", "everything"} & set(said):
        return False
    return stage.make(objects.removed(stage.caption, said))


def _scene(clause: str, stage: Stage) -> bool:
    """Season, weather, time of day, when the rest of the clause names nothing else."""
    said = surroundings.mentioned(clause)
    if not said:
        return False
    rest = "".join(" " if any(s <= i < e for *_, s, e in said) else c for i, c in enumerate(clause))
    if not _scene_plain().issuperset(words(rest)):
        swap = re.fullmatch(r".*\b(?:to|into|want|with|for) (?:an? |the )?([\w -]+)", clause)
        if swap is None or [swap[1]] != [clause[s:e] for *_, s, e in said][-1:]:
            return False
        said = said[-1:]
    if (later := re.search(r"\binstead of\b", clause)) is not None:
        said = [row for row in said if row[2] < later.start()] or said
    elif len(said) > 1 and re.search(r"\b(?:to|into|with|for)\b", clause):
        said = said[-1:]
    for group, phrase, *_ in said:
        stage.make(Rewrite("background", *surroundings.set_scene(stage.caption, group, phrase)))
    return bool(stage.rewrites)


@cache
def _scene_plain() -> frozenset[str]:
    return frozenset(lexicon.load("forms")["scene"]["plain"].split())


def _background(clause: str, stage: Stage) -> bool:
    match = _form("background", clause)
    if match is None or not content(match["what"]) or " in the" in match["what"]:
        return False
    stage.mode = ""
    return stage.make(objects.behind(stage.caption, words(match["what"])))


def _replacement(clause: str, stage: Stage) -> bool:
    for pattern in lexicon.compiled("forms", "form", "replace"):
        match = pattern.fullmatch(clause)
        if match is None or not content(match["new"]):
            continue
        new = re.sub(r"^(?:make it|use|put|add|show|have|i want|give me) ", "", match["new"])
        place = stage.part(match["old"])
        if place is None:
            place = stage.part(new)
            only_count = not content(match["old"]) and place is not None
            return bool(only_count) and stage.make(
                objects.counted(stage.caption, place or 0, words(new))
            )
        stage.mode = ""
        adjectives = qualities(new)
        if adjectives:
            return stage.make(objects.described(stage.caption, place, adjectives))
        return stage.make(objects.replaced(stage.caption, place, words(new)))
    return False


def _gift(clause: str, stage: Stage) -> bool:
    """Things for somebody: "give the cat a hat", "she should wear jeans"."""
    match = _form("give", clause)
    wears = match is None
    match = match or _form("wear", clause)
    if match is None:
        return False
    said, who = words(match["what"]), stage.part(match["who"])
    if who is None or not said or wears and not objects.place_of(said[-1]):
        return False
    stage.mode, stage.who = "add", stage.parts[who].head
    return stage.make(objects.added(stage.caption, said, who=who))


def _deed(clause: str, stage: Stage) -> bool:
    """What somebody does, or what something is full of: "have her hold a cup"."""
    match = _form("do", clause) or _form("fill", clause)
    if match is None:
        return False
    found = match.groupdict()
    place = stage.part(found.get("who") or found["what"])
    if place is None:
        return False
    thing = found["stuff"] if "stuff" in found else found["what"]
    link = (
        [re.sub(r"e$", "", found["verb"]) + "ing"]
        if "verb" in found
        else _DOING[found["how"]].split()
    )
    return stage.make(objects.joined(stage.caption, place, link, words(thing)))


def _quality(clause: str, stage: Stage) -> bool:
    """Qualities of a thing: "make the sofa red", "the cars should be red"."""
    make = _form("make", clause)
    if make is not None:
        said = words(re.sub(r"\b(?:look|appear|seem|feel|become) (?!like)", "", make["rest"]))
        for cut in range(min(len(said) - 1, 4), 0, -1):
            how = re.sub(r"^to (?:be|look) ", "", " ".join(said[cut:]))
            if _describe(" ".join(said[:cut]), how, stage, any_word=True):
                return True
    for pattern in lexicon.compiled("forms", "form", "should"):
        match = pattern.fullmatch(clause)
        if match is not None and _describe(match["what"], match["how"], stage):
            return True
    return False


def _describe(what: str, how: str, stage: Stage, *, any_word: bool = False) -> bool:
    what = re.sub(r"^(?:i want|let|have|make) ", "", what)
    place = stage.part(what)
    found = qualities(how, any_word=any_word and what not in ("it", "this", "that"))
    if place is not None and re.match(r"an? ", how) and not class_of(words(how)[-1]):
        return stage.make(objects.replaced(stage.caption, place, words(how)))  # "a queen"
    if not found:
        return False
    stage.mode = "describe"
    if place is not None:
        return stage.make(objects.described(stage.caption, place, found))
    if not re.match(r"(?:the|her|his|its) ", what) or not all(class_of(w) for w in found):
        return False
    return stage.make(objects.unnamed(stage.caption, words(what)[1:], found))


def _move(clause: str, stage: Stage) -> bool:
    match = _form("put", clause)
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
    if not content(match["what"]) or place is not None or not where:
        return False
    stage.mode = "add"
    if goal is not None and objects.place_of(thing[-1]):
        return stage.make(objects.added(stage.caption, thing, who=goal))
    if goal is not None and where[0] in ("her", "him", "it", "them"):
        where = [stage.parts[goal].head]
    seat = " ".join(("the", *[w for w in where if w not in ("the", "a", "an")]))
    link = ["on"] if link == ["to"] else link
    return stage.make(objects.added(stage.caption, thing, where=f"{' '.join(link)} {seat}"))


def _addition(clause: str, stage: Stage) -> bool:
    match = _form("add", clause)
    said = words(match["what"]) if match else []
    if not said or not content(" ".join(said)) or len(said) > 7:
        return False
    if said[0] in ("it", "her", "him", "them"):
        return False
    place = stage.part(said[-1])
    if said[0] in ("more", "fewer") and place is not None:
        return stage.make(objects.counted(stage.caption, place, said))
    stage.mode = "add"
    return stage.make(objects.added(stage.caption, [w for w in said if w not in ("also", "more")]))


def _bare(clause: str, stage: Stage) -> bool:
    """A thing without a verb: "a green door", "two cats", "and a ball"."""
    said, meant = words(clause), content(clause)
    counted = said[0] in _NUMBERS
    if (counted or said[0] in ("a", "an")) and _form("put", f"put {clause}"):
        return _move(f"put {clause}", stage)
    if not meant or len(said) > 5 or said[0] in LOCATIVE:
        return False
    if stage.mode == "describe" and qualities(clause):
        return _describe("it", clause, stage)
    named = _thing_and_quality(said, stage)
    if named is not None:
        return stage.make(objects.described(stage.caption, *named))
    place = stage.part(clause)
    if place is not None:
        known = said[0] in DETERMINERS or all(class_of(w) for w in meant[:-1])
        if counted:
            return stage.make(objects.counted(stage.caption, place, said))
        return (
            known
            and len(meant) > 1
            and stage.make(objects.described(stage.caption, place, meant[:-1]))
        )
    return _new_thing(said, meant, stage)


def _new_thing(said: list[str], meant: list[str], stage: Stage) -> bool:
    known = said[0] in ("a", "an", "another") or said[0] in _NUMBERS or stage.mode == "add"
    known = known or bool(objects.place_of(meant[-1])) or objects.is_body(meant[-1])
    if not known or not all(is_english(w) for w in meant):
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


_SAME = re.compile(r"(?:in )?(?:the )?same colou?r as (?P<what>(?:the|her|his) [\w-]+)")


def same_color_as(clause: str, caption: str) -> str:
    """Write the colour itself for "the same colour as the cushion"."""
    parts = sentence.chain(caption)

    def color(match: re.Match[str]) -> str:
        place = find(parts, words(match["what"]))
        hues = parts[place].content if place is not None else ()
        return next((w for w in hues if class_of(w) == "color"), match[0])

    return _SAME.sub(color, clause)
