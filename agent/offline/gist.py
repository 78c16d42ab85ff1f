"""The gist of a clause that fits no form: what it names of the caption, and what it wants of that.

Only what leaves little else unsaid is taken: a clause of which more is unknown is not guessed at.
"""

from __future__ import annotations

import re

from agent.offline import lexicon, objects, sentence, surroundings
from agent.offline.objects import Rewrite
from agent.offline.sentence import DETERMINERS, class_of, find
from agent.offline.spelling import is_english
from agent.offline.stage import Stage, words

_WORDS = lexicon.load("gist")
_FRAME = frozenset(_WORDS["frame"].split())
_GONE = re.compile(_WORDS["gone"])
_BAD = re.compile(_WORDS["bad"])
_MOST_LEFT = 1  # words of a clause that may stay unexplained
_PREP = lexicon.filled("forms", "{prep}")
_THING = re.compile(
    r"(?:^|\b(?:an?|some|two|three|four|five|several|many|another) )"
    r"(?P<what>[\w'-]+(?: [\w'-]+){0,3}?)"
    rf" (?P<prep>{_PREP}) (?P<where>(?:the|her|his|its|my|their) [\w-]+)"
)


def read_gist(clause: str, stage: Stage) -> bool:
    """Read a clause by its content words alone; return whether it was understood."""
    said = words(clause)
    place, noun = _named(said, stage)
    left = [w for w in said if w not in _FRAME and w not in DETERMINERS and w != noun]
    if place is not None and _GONE.search(_BAD.sub("", clause)):
        rest = [w for w in left if not _GONE.search(w)]
        return len(rest) <= _MOST_LEFT and stage.make(objects.removed(stage.caption, [noun]))
    wanted = [w for w in left if class_of(w)]
    if place is not None and wanted and len(left) - len(wanted) <= _MOST_LEFT:
        return stage.make(objects.described(stage.caption, place, wanted))
    scene = surroundings.mentioned(clause)
    if scene and place is None and len(left) <= 2 + len(scene):
        group, phrase, *_ = scene[-1]
        return stage.make(
            Rewrite("background", *surroundings.set_scene(stage.caption, group, phrase))
        )
    return _put(clause, stage)


def _named(said: list[str], stage: Stage) -> tuple[int | None, str]:
    """Return the part of the caption whose noun a clause has, and the word for it."""
    for word in reversed(said):
        if word in _FRAME or class_of(word):
            continue
        place = find(stage.parts, [word])
        if place is not None and sentence.same(stage.parts[place].head, word):
            return place, word
    return None, ""


def _put(clause: str, stage: Stage) -> bool:
    """Something new at a place: "dragon in the sky", "a couple of ducks on the water"."""
    match = _THING.search(clause)
    if match is None:
        return False
    thing = [w for w in words(match["what"]) if w not in _FRAME]
    outside = words(clause[: match.start()] + clause[match.end() :])
    unknown = [w for w in outside if w not in _FRAME and w not in DETERMINERS]
    if not thing or unknown or find(stage.parts, thing) is not None:
        return False
    if not all(is_english(w) for w in thing) or thing[0] in DETERMINERS:
        return False
    where = f"{match['prep']} {match['where']}"
    return stage.make(objects.added(stage.caption, thing, where=where))
