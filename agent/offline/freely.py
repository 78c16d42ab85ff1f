"""One clause of a request over any caption: "make the sofa red", "replace the cat with a dog"."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from agent.offline import additions, lexicon, objects, sentence, surroundings
from agent.offline.gist import read_gist
from agent.offline.messages import has_verb
from agent.offline.objects import Rewrite
from agent.offline.sentence import class_of, find
from agent.offline.spelling import is_english
from agent.offline.stage import Stage, content, form, qualities, words


def read_freely(clause: str, stage: Stage) -> bool:
    """Read one clause; return whether it was understood. Changes are added to the stage."""
    clause = _in_order(clause)
    if not words(clause) or form("question", clause):
        return False
    readers: tuple[Callable[[str, Stage], bool], ...] = (
        _mention, _style, _removal, _scene, _background, _replacement,
        additions.gift, additions.deed, _quality,
        additions.move, additions.addition, additions.bare, read_gist,
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
    whole = form("whole_style", clause) or surroundings.is_style(clause)
    if not style or not whole or re.match(r"add|put|in (?:the|a) (?!style)", clause):
        return False
    if stage.part(words(clause)[-1]) is not None and not style.startswith("in the"):
        return False
    return stage.make(Rewrite("style", *surroundings.set_style(stage.caption, style)))


def _removal(clause: str, stage: Stage) -> bool:
    match = form("remove", clause)
    short = len(words(clause)) <= 4 and not has_verb(clause)
    going_on = match is None and stage.mode == "remove" and short
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
    shorter = _NEAR.sub("", " ".join(said))
    if stage.part(" ".join(said)) is None and stage.part(shorter) is not None:
        said = words(shorter)
    known = said and len(said) <= 4 and all(is_english(w) for w in said)
    if not known or {"except", "but", "everything"} & set(said):
        return False
    return stage.make(objects.removed(stage.caption, said))


_NEAR = re.compile(rf" {lexicon.filled('forms', '{prep}')} .*$")


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
    match = form("background", clause)
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


def _quality(clause: str, stage: Stage) -> bool:
    """Qualities of a thing: "make the sofa red", "the cars should be red"."""
    make = form("make", clause)
    if make is not None:
        said = words(re.sub(r"\b(?:look|appear|seem|feel|become) (?!like)", "", make["rest"]))
        for cut in range(min(len(said) - 1, 4), 0, -1):
            how = re.sub(r"^to (?:be|look) ", "", " ".join(said[cut:]))
            if stage.describe(" ".join(said[:cut]), how, any_word=True):
                return True
    ought = form("ought", clause)
    known = ought is not None and ought["how"] not in _vague()
    if ought and known and stage.describe(ought["what"], ought["how"], any_word=True):
        return True
    for pattern in lexicon.compiled("forms", "form", "should"):
        match = pattern.fullmatch(clause)
        if match is not None and stage.describe(match["what"], match["how"]):
            return True
    return False


@cache
def _vague() -> frozenset[str]:
    return frozenset(lexicon.load("forms")["vague"]["words"].split())


_SAME = re.compile(r"(?:in )?(?:the )?same colou?r as (?P<what>(?:the|her|his) [\w-]+)")


def same_color_as(clause: str, caption: str) -> str:
    """Write the colour itself for "the same colour as the cushion"."""
    parts = sentence.chain(caption)

    def color(match: re.Match[str]) -> str:
        place = find(parts, words(match["what"]))
        hues = parts[place].content if place is not None else ()
        return next((w for w in hues if class_of(w) == "color"), match[0])

    return _SAME.sub(color, clause)
