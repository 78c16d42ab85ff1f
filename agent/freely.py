"""One clause of a request over any caption: "make the sofa red", "replace the cat with a dog"."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from agent import lexicon, objects, sentence, surroundings
from agent.objects import Rewrite, is_person
from agent.sentence import DETERMINERS, LOCATIVE, class_of, find
from agent.spelling import is_english

_PREPOSITION = r"(?:next to|in front of|on top of|close to|inside|outside|on|in|at|under|near|behind" \
    r"|beside|by|above|over|between|against|around|into|onto|to)"  # fmt: skip
_FROM = (
    r"(?: (?:from|out of|off|in|on) (?:it|here|there|(?:the|this) (?:picture|image|photo|scene)))?"
)
_SHALL = r"(?:should|must|could|would|ought to|needs to|has to|may|might|shall|can)"


def _full(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


_REMOVE = _full(
    r"(?:remove|delete|erase|get rid of|take (?:away|out|off)|lose|drop|hide|clear|eliminate|no more"
    r"|no|without|minus|shave(?: off)?|there should(?:n't| not) be|there (?:should be|is|are) no"
    r"|(?:\w+ )?(?:should have|has|have|wants?) no"
    r"|(?:i )?(?:don't|do not) (?:want|need)(?: to see)?"
    rf"|(?:[\w ]+ )?(?:should not|shouldn't|must not|doesn't|don't) (?:have|wear|need))"
    rf" (?:any |all )?(?P<what>.+?)(?: any ?more)?{_FROM}"
)
_TAKE = _full(r"(?:take|cut) (?P<what>.+?) (?:away|off|out|down)(?: of .+)?")
_REPLACE = (
    _full(r"(?:replace|swap|exchange|substitute|trade|switch)(?: out)? (?P<old>.+?)"
          r" (?:with|for|by|to|against) (?P<new>.+)"),
    _full(r"(?P<new>.+?) (?:instead of|rather than|in place of) (?P<old>.+)"),
    _full(r"(?:change|turn|transform|convert|morph|make) (?P<old>.+?) (?:in ?to|to) (?P<new>.+)"),
)  # fmt: skip
_GIVE = _full(
    r"give (?P<who>her|him|it|them|(?:the|an?|each|both) [\w-]+(?: [\w-]+(?= (?:an?|some|\w+s)\b))?)"
    r" (?P<what>.+)"
)
_WEAR = _full(r"(?:(?:dress|put|show) )?(?P<who>her|him|it|them|she|he|they|the [\w-]+)"
              rf"(?: {_SHALL}(?: be)?)?(?: (?:in|wear|wears|wearing|have|has|with)){{1,2}} (?P<what>.+)")  # fmt: skip
_PUT = _full(
    rf"(?:put|place|move|set|stand|sit|bring|add|show|draw) (?P<what>.+?) (?P<prep>{_PREPOSITION})"
    r" (?P<where>.+)"
)
_ADD = _full(
    r"(?:add|include|insert|put|place|draw|show|bring in|paint|have|there (?:should|could) be"
    r"|there (?:is|are)|let there be|put in|i want|give me|with|some more|more)(?: in| also)?"
    r" (?P<what>.+?)(?: (?:to|in|into) (?:it|here|there|(?:the|this) (?:picture|image|photo|scene)))?"
)
_MAKE = _full(r"(?:make|paint|colou?r|dye|turn|render|have|let|change|get|i want|recolou?r)"
              r" (?P<rest>.+?)(?: again)?")  # fmt: skip
_SHOULD = (
    _full(rf"(?P<what>.+?) {_SHALL} (?:be|look|become|get|appear)(?: more)? (?P<how>.+)"),
    _full(r"(?P<what>.+?) (?:is|are|looks?)(?: more)? (?P<how>.+)"),
    _full(rf"(?P<how>[\w-]+) {_SHALL} (?P<what>.+?) (?:be|look|become)"),
    _full(r"(?P<what>.+?) to (?:be|look|become) (?P<how>.+)"),
    _full(rf"(?P<what>.+?) {_SHALL} (?P<how>[\w-]+)"),
    _full(r"(?P<how>[\w-]+) (?:is|are) (?:how|what) .*?(?P<what>(?:the|her|his|it)\b(?: [\w-]+)?)"
          r"(?: (?:should|must|to) .*)?"),
)  # fmt: skip
_BACKGROUND = (
    _full(r"(?:(?:change|set|make|turn|switch|replace) )?(?:the )?(?:background|backdrop)"
          r" (?:(?:should|must|could) be |to be |to |into |with |be )?(?P<what>.+)"),
    _full(r"(?:(?:put|add|use|give (?:it|her|him|them)|with|in front of|make it) )?"
          r"(?P<what>(?:an? )?[\w -]+?) (?:as (?:the |a )?)?(?:background|backdrop)"),
    _full(r"(?:put|place|set)? ?(?:it|her|him|them) in front of (?P<what>.+)"),
)  # fmt: skip
_QUESTION = _full(r"(?:why|what|how|who|when|where|which|is|are|does|do|did|can|will) .*")
_ALIASES = {"bigger": "big", "larger": "large", "redder": "red"}
_SOFT = frozenset("a an more very much really so quite too little bit slightly lot again"
                  " look looks be being to as like of".split())  # fmt: skip


@dataclass
class Stage:
    """What a clause is read against, and what earlier clauses of the message leave open.

    Attributes:
        caption: the caption so far.
        about: the noun that "it" means.
        mode: "remove" or "add", which a clause without a verb goes on with.
        who: whom things are being given to.
    """

    caption: str
    about: str = ""
    mode: str = ""
    who: str = ""
    rewrites: list[Rewrite] = field(default_factory=list)

    def make(self, rewrite: Rewrite | None) -> bool:
        """Take up a change; return whether there was one."""
        if rewrite is None or rewrite.source == rewrite.target:
            return False
        self.rewrites.append(rewrite)
        self.caption, self.about = rewrite.target, rewrite.about or self.about
        return True


def read_freely(clause: str, stage: Stage) -> bool:
    """Read one clause; return whether it was understood. Changes are added to the stage."""
    clause = _turned(clause)
    if _QUESTION.fullmatch(clause) and not sentence.chain(clause)[0].link:
        return False
    readers: tuple[Callable[[str, Stage], bool], ...] = (
        _mention,
        _style,
        _removal,
        _scene,
        _background,
        _replacement,
        _gift,
        _quality,
        _move,
        _addition,
        _bare,
    )
    return any(read(clause, stage) for read in readers)


def _turned(clause: str) -> str:
    """Write a clause in the usual order: "into a tram turn the train"."""
    clause = re.sub(r"^into (.+?) (turn|change|make|transform) (.+)$", r"\2 \3 into \1", clause)
    clause = re.sub(r"^instead of (.+?),? (?:i want|show|use|put|have|make it|give me|add) (.+)$",
                    r"\2 instead of \1", clause)  # fmt: skip
    clause = re.sub(
        rf"^({_PREPOSITION} .+?),? (put|place|add|draw|i want) (.+)$", r"\2 \3 \1", clause
    )
    return clause


def _words(phrase: str) -> list[str]:
    return re.findall(r"[\w'&-]+", phrase)


def _content(phrase: str) -> list[str]:
    return [w for w in _words(phrase) if w not in DETERMINERS and w not in _SOFT]


def _part(phrase: str, stage: Stage) -> int | None:
    """Return the part of the caption that a phrase or pronoun means."""
    parts = sentence.chain(stage.caption)
    words = _words(phrase)
    if words and all(w in ("her", "him", "she", "he", "herself", "himself") for w in words):
        return next((i for i, part in enumerate(parts) if part.words and is_person(part)),
                    sentence.subject(parts))  # fmt: skip
    if words in (["it"], ["that"], ["this"], ["them"], ["they"], ["those"], ["these"]):
        known = find(parts, [stage.about]) if stage.about else None
        return known if known is not None else sentence.subject(parts)
    place = find(parts, words)
    if place is None or not words:
        return None
    noun = words[-1]
    return place if sentence.same(parts[place].head, noun) else None


def _mention(clause: str, stage: Stage) -> bool:
    """A thing alone, with "the", says what comes next is about: "the door, paint it green"."""
    words = _words(clause)
    if not words or words[0] not in ("the", "her", "his", "that", "this") or len(words) > 3:
        return False
    place = _part(clause, stage)
    if place is None or stage.mode or len(_content(clause)) != 1:
        return False
    stage.about = sentence.chain(stage.caption)[place].head
    return True


def _style(clause: str, stage: Stage) -> bool:
    style = surroundings.style_of(clause)
    asked = re.search(r"^(?:(?:make|turn|render|convert|change|draw|paint|show|redo|transform) (?:it|this|that"
                      r"|everything|the (?:picture|image|photo|whole thing|whole picture|scene))\b"
                      r"|(?:as|in|like|an?)\b)|\bstyle\b|\blook like\b", clause)  # fmt: skip
    if not style or asked is None or re.search(r"^(?:add|put|in (?:the|a) (?!style))", clause):
        return False
    if _part(" ".join(_words(clause)[-1:]), stage) is not None and not style.startswith("in the"):
        return False
    return stage.make(Rewrite("style", *surroundings.set_style(stage.caption, style)))


def _scene(clause: str, stage: Stage) -> bool:
    """Season, weather, time of day, when the rest of the clause names nothing else."""
    said = surroundings.mentioned(clause)
    if not said:
        return False
    rest = "".join(" " if any(s <= i < e for *_, s, e in said) else c for i, c in enumerate(clause))
    if any(w not in _SCENE_PLAIN for w in _words(rest)):
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


_SCENE_PLAIN = frozenset(
    "a an the it this that make let there be should look like in at on into to with of under by some"
    " scene picture image photo time season weather change set turn more very really outside have"
    " want i is being covered cover street during for instead replace swap day sky season's add"
    " something for heavy thick light bit little show put everything all full turn".split()
)


def _removal(clause: str, stage: Stage) -> bool:
    match = _REMOVE.fullmatch(clause) or _TAKE.fullmatch(clause)
    going_on = match is None and stage.mode == "remove" and len(_words(clause)) <= 4
    what = match["what"] if match else clause if going_on else ""
    what = re.sub(r"^(?:any|all|the|her|his|its) ", "", what)
    if not what or re.match(r"(?:remove|delete)\b", what):
        return False
    stage.mode = "remove"
    for group, *_ in surroundings.mentioned(what)[:1]:
        bare = surroundings.unset(stage.caption, group)
        if bare != stage.caption:
            return stage.make(Rewrite("background", stage.caption, bare))
    if _words(what) in (["it"], ["that"], ["them"], ["this"]):
        what = stage.about
    words = _words(what)
    if not words or len(words) > 4 or not all(is_english(w) for w in words):
        return False
    return stage.make(objects.removed(stage.caption, words))


def _background(clause: str, stage: Stage) -> bool:
    match = next((m for p in _BACKGROUND if (m := p.fullmatch(clause)) is not None), None)
    if match is None or not _content(match["what"]) or " in the" in match["what"]:
        return False
    stage.mode = ""
    return stage.make(objects.behind(stage.caption, _words(match["what"])))


def _replacement(clause: str, stage: Stage) -> bool:
    for pattern in _REPLACE:
        match = pattern.fullmatch(clause)
        if match is None or not _words(match["new"]):
            continue
        new = re.sub(r"^(?:make it|use|put|add|show|have|i want|give me) ", "", match["new"])
        place = _part(match["old"], stage)
        if place is None:
            counts = _content(match["old"]) == [] and _part(new, stage) is not None
            return counts and stage.make(
                objects.counted(stage.caption, _found(new, stage), _words(new))
            )
        stage.mode = ""
        adjectives = _qualities(new)
        if adjectives:
            return stage.make(objects.described(stage.caption, place, adjectives))
        return stage.make(objects.replaced(stage.caption, place, _words(new)))
    return False


def _found(phrase: str, stage: Stage) -> int:
    return _part(phrase, stage) or 0


def _gift(clause: str, stage: Stage) -> bool:
    match = _GIVE.fullmatch(clause) or _WEAR.fullmatch(clause)
    if match is None:
        return False
    words = _words(match["what"])
    who = _part(match["who"], stage)
    wears = not clause.startswith("give")
    if who is None or wears and not (objects.place_of(words[-1]) or words[-1] in objects.WORN):
        return False
    stage.mode, stage.who = "add", sentence.chain(stage.caption)[who].head
    return stage.make(objects.added(stage.caption, words, who=who))


def _quality(clause: str, stage: Stage) -> bool:
    """Qualities of a thing: "make the sofa red", "the cars should be red", "a green door"."""
    make = _MAKE.fullmatch(clause)
    if make is not None:
        words = _words(make["rest"])
        for cut in range(min(len(words) - 1, 4), 0, -1):
            how = re.sub(r"^to (?:be|look) ", "", " ".join(words[cut:]))
            if _describe(" ".join(words[:cut]), how, stage, any_word=cut > 0):
                return True
    for pattern in _SHOULD:
        match = pattern.fullmatch(clause)
        if match is not None and _describe(match["what"], match["how"], stage):
            return True
    return False


def _describe(what: str, how: str, stage: Stage, *, any_word: bool = False) -> bool:
    place = _part(re.sub(r"^(?:i want|let|have|make) ", "", what), stage)
    qualities = _qualities(how, any_word=any_word and what not in ("it", "this", "that"))
    if place is None or not qualities:
        return False
    stage.mode = "describe"
    return stage.make(objects.described(stage.caption, place, qualities))


def _qualities(how: str, *, any_word: bool = False) -> list[str]:
    """Return the adjectives a phrase consists of, or nothing if it says anything else.

    Args:
        how: "red", "a bit older", "black and white", "smile".
        any_word: take one English word that is not known as an adjective for one.
    """
    words = [_base(w) for w in _words(how) if w not in _SOFT]
    words = [w for w in words if w not in ("one", "ones", "colour", "color", "and")]
    if not words or words[0] in ("not", "no"):
        return []
    if all(class_of(w) for w in words):
        return words
    alone = len(words) == 1 and any_word and len(words[0]) > 2 and is_english(words[0])
    fits = alone and words[0] not in DETERMINERS and words[0] not in LOCATIVE
    return words if fits and not objects.place_of(words[0]) else []


def _base(word: str) -> str:
    """Return the plain form of an adjective or verb: "older" is old, "smile" is smiling."""
    actions: dict[str, str] = lexicon.load("general")["actions"]
    if word in actions:
        return actions[word]
    stem = re.sub(r"(?:er|est)$", "", word)
    for plain in (stem, f"{stem}e", stem[:-1] if stem[-1:] == stem[-2:-1] else stem,
                  re.sub(r"i$", "y", stem)):  # fmt: skip
        if stem != word and class_of(plain):
            return plain
    return _ALIASES.get(word, word)


def _move(clause: str, stage: Stage) -> bool:
    match = _PUT.fullmatch(clause)
    if match is None:
        return False
    link, where = match["prep"].split(), _words(match["where"])
    place = _part(match["what"], stage)
    goal = _part(match["where"], stage)
    thing = _words(match["what"])
    if place is not None and thing[0] not in ("a", "an", "some", "another") and goal is None:
        link = ["in"] if link == ["into"] else ["on"] if link == ["onto"] else link
        if link == ["to"]:
            link = [objects.preposition(where[-1]) or "in"]
        stage.mode = ""
        return stage.make(objects.moved(stage.caption, place, link, where))
    if not _content(match["what"]) or place is not None:
        return False
    stage.mode = "add"
    if goal is not None and objects.place_of(thing[-1]):
        return stage.make(objects.added(stage.caption, thing, who=goal))
    link = ["on"] if link == ["to"] else link
    if where == ["background"] or where == ["the", "background"]:
        return stage.make(objects.added(stage.caption, thing, where="in the background"))
    seat = " ".join(("the", *[w for w in where if w not in ("the", "a", "an")]))
    return stage.make(objects.added(stage.caption, thing, where=f"{' '.join(link)} {seat}"))


def _addition(clause: str, stage: Stage) -> bool:
    match = _ADD.fullmatch(clause)
    if match is None:
        return False
    words = _words(match["what"])
    if not _content(match["what"]) or len(words) > 7 or words[0] in ("it", "her", "him", "them"):
        return False
    if words[0] == "more":
        words = ["more", *words[1:]]
    stage.mode = "add"
    return stage.make(objects.added(stage.caption, [w for w in words if w != "also"]))


def _bare(clause: str, stage: Stage) -> bool:
    """A thing without a verb: "a green door", "two cats", "and a ball"."""
    words = _words(clause)
    content = _content(clause)
    if not content or len(words) > 5 or any(w in LOCATIVE for w in words[:1]):
        return False
    if stage.mode == "describe" and _qualities(clause):
        return _describe("it", clause, stage)
    named = _split_quality(words, stage)
    if named is not None:
        return stage.make(objects.described(stage.caption, *named))
    place = _part(clause, stage)
    if place is not None:
        qualities = content[:-1]
        if qualities:
            return stage.make(objects.described(stage.caption, place, qualities))
        if words[0] in ("two", "three", "four", "five", "many", "several", "some", "six", "seven"):
            return stage.make(objects.counted(stage.caption, place, words))
        return False
    known = words[0] in ("a", "an", "some", "two", "three", "another") or stage.mode == "add"
    known = known or bool(objects.place_of(content[-1])) or content[-1] in _body_words()
    if not known or not all(is_english(w) for w in content):
        return False
    who = find(sentence.chain(stage.caption), [stage.who]) if stage.who else None
    return stage.make(objects.added(stage.caption, words, who=who))


def _split_quality(words: list[str], stage: Stage) -> tuple[int, list[str]] | None:
    """Read "the sofa white", a clause that goes on with what an earlier one makes."""
    for cut in range(len(words) - 1, 0, -1):
        place = _part(" ".join(words[:cut]), stage)
        qualities = _qualities(" ".join(words[cut:]))
        if place is not None and qualities:
            return place, qualities
    return None


def _body_words() -> frozenset[str]:
    return sentence.words_in("body", "words")


def same_color_as(clause: str, caption: str) -> str:
    """Write the colour itself for "the same colour as the cushion"."""

    def color(match: re.Match[str]) -> str:
        parts = sentence.chain(caption)
        place = find(parts, _words(match["what"]))
        hues = (
            [w for w in parts[place].content if class_of(w) == "color"] if place is not None else []
        )
        return hues[0] if hues else match[0]

    return _SAME.sub(color, clause)


_SAME = re.compile(r"(?:in )?(?:the )?same colou?r as (?P<what>(?:the|her|his) [\w-]+)")
