"""One clause of a request over any caption: only what is surely meant is done, the rest is asked.

What is done: add, remove, replace X with Y, make X Y, move to a place, weather, time of day, style.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from agent.offline import caption_changes as changes
from agent.offline import captions, lexicon
from agent.offline.caption_changes import Rewrite
from agent.offline.caption_phrases import (
    NUMBERS,
    PEOPLE,
    SCENE_WORDS,
    SETS,
    THINGS,
    content,
    form,
    is_phrase,
    is_style,
    is_thing,
    mentioned,
    names_things,
    qualities,
    qualities_of_part,
    style_of,
    words,
)
from agent.offline.captions import (
    BEASTS,
    LOCATIVE,
    MEDIA,
    PERSONS,
    Chain,
    Part,
    class_of,
    find,
    is_own,
    somebody,
)
from agent.offline.messages import has_verb
from agent.state import Ask

_NUMBERS = "zero one two three four five six seven eight nine".split()
_DIGIT = re.compile(r"(?<![\w@.:-])[2-9](?= [a-z])")
_AROUND_NEW = re.compile(
    r"^(?:make it(?: say| read| be)?|(?:it|they) (?:were|was|is)|use|put|add|have|i want) "
    r"| (?:in|on|at|around|behind) (?:her|his|its|their|him|them|it)\b.*$"
)
"""What is said around the new thing: "put a hat on him instead of the cap"."""
_HALVES = ("next", "front", "top")  # of "next to", "on top of": "top view" is no place
_MOST_WORDS = 7  # of a thing that is added


@dataclass
class CaptionContext:
    """What a clause is read against, and what earlier clauses of the message leave open.

    Attributes:
        caption: the caption so far.
        about: the noun that "it" means.
        mode: "remove", "add" or "describe", with which a clause without a verb goes on.
        who: whom things are being given to.
        instead: whether what the clause wants takes the place of what there is.
        rewrites: the changes read so far.
        already: whether the last clause asked for what is so already.
        ask: the question, where a clause may mean several things.
    """

    caption: str
    about: str = ""
    mode: str = ""
    who: str = ""
    instead: bool = False
    rewrites: list[Rewrite] = field(default_factory=list)
    already: bool = False
    ask: Ask | None = None

    @property
    def parts(self) -> Chain:
        """The caption, taken apart."""
        return captions.chain(self.caption)

    def make(self, rewrite: Rewrite | None) -> bool:
        """Take up a change; return whether there was one, be it one that is so already."""
        if rewrite is None:
            return False
        self.already = rewrite.source == rewrite.target
        if not self.already:
            self.rewrites.append(rewrite)
            self.caption, self.about = rewrite.target, rewrite.about or self.about
        return True

    def part(self, phrase: str) -> int | None:
        """Return the part of the caption that a phrase or pronoun means."""
        said, parts = words(phrase), self.parts
        if not said:
            return None
        if PEOPLE.issuperset(said):  # "him" is no woman
            return somebody(parts, but=captions.SEXES[said[0] not in ("he", "him", "himself")])
        if len(said) == 1 and said[0] in THINGS:
            if self.about:
                return find(parts, [self.about])
            if said[0] in ("it", "that", "this"):
                return captions.subject(parts)
            who = somebody(parts)  # "make them smile" means no glasses
            several = (i for i, part in enumerate(parts)
                       if _several(part) and (who is None or not is_own(part.head)))  # fmt: skip
            return next(several, who)
        place = find(parts, said)
        if place is None and said[-1] in PERSONS:  # "the bloke"
            known = [sex for sex in captions.SEXES if said[-1] in sex]
            named = [i for i, p in enumerate(parts) for sex in known if p.head in sex]
            some = [i for i, p in enumerate(parts) if known and captions.is_person(p)]
            some = [i for i in some if parts[i].head not in captions.SEXES[0] | captions.SEXES[1]]
            named = named or [i for i in some if not _several(parts[i])]  # "the bike guy"
            return next(iter(named), None)
        if place is not None and _of_another(said[0], parts, place):
            return None
        head = parts[place].head if place is not None else ""
        whole = captions.same(head, said[-1]) or len(said[-1]) > 3 and head.endswith(said[-1])
        return place if whole else None

    def resolved(self, clause: str) -> str:
        """Write the thing that a pronoun at the end of a clause means: "steam coming off it"."""
        match = re.fullmatch(r"(.+ \w+) (it|them|him|her)", clause)
        place = self.part(match[2]) if match else None
        return f"{match[1]} the {self.parts[place].head}" if match and place is not None else clause

    def things(self) -> list[str]:
        """Return the nouns of the caption, without places, weather and "a photo"."""
        heads = [part.head for part in self.parts if part.words and part.head not in MEDIA]
        return [h for h in heads if not (captions.preposition(h) or mentioned(h))]

    def describe(self, what: str, how: str) -> bool:
        """Give what a phrase names the qualities that another names; return whether it did.

        Args:
            what: "the sofa", "it".
            how: "red", "a bit older", "a queen".
        """
        how = re.sub(r"^a (?:bit|little|lot) |^an? (?=[\w-]+ one$)", "", how)
        place, bare = self.part(what), what in ("it", "this", "that")
        if place is None:
            return self._unnamed(words(what), qualities(how))
        if re.match(r"an? ", how) and not class_of(words(how)[-1]):
            if len(words(how)) > 3 or mentioned(how) or not is_thing(words(how)):
                return False  # "make it a rainy evening in paris"
            if self.nobody(what, place, words(how)[-1]):
                return False
            return self.make(changes.replaced(self.caption, place, words(how), same_color=True))
        found = qualities(how, any_word=not bare) if " to " not in how else []
        if not found:
            return False
        kinds, somebody_ = {class_of(w) for w in found}, self.parts[place].head in PERSONS | BEASTS
        if what in THINGS and not self.about and kinds == {"age"} and not somebody_:
            return False  # "make them older", over pancakes
        self.mode = "describe"
        heads = self.things()
        people = [part.head for part in self.parts if captions.is_person(part)]
        if what in ("they", "them") and not self.about and self.parts[place].head in people[:-1]:
            return self._ask_which(people, found)
        if bare and not self.about:
            if {"tone", "blur", "looks", "fill"} & {class_of(w) for w in found}:
                return False  # "make it brighter": the whole picture
            if kinds <= {"posture", "expression"}:  # things neither sleep nor smile
                heads = [h for h in heads if h in PERSONS | BEASTS] or heads
                place = find(self.parts, heads[:1]) or place
            if len(heads) > 1:
                return self._ask_which(heads, found)
        return self.make(changes.described(self.caption, place, found))

    def _ask_which(self, heads: Sequence[str], found: Sequence[str]) -> bool:
        how = " ".join(found)
        options = tuple(f"make the {head} {how}" for head in heads[:4])
        who = "Who" if set(heads) <= PERSONS else "What"
        self.ask = Ask(question=f"{who} should be {how}?", options=options)
        return True

    def nobody(self, what: str, place: int, noun: str) -> bool:
        """Whether "it" would be somebody, who cannot be that: "change it to a wedding"."""
        person = captions.is_person(self.parts[place])
        return what in THINGS and person and noun not in PERSONS | BEASTS

    def _unnamed(self, said: Sequence[str], found: Sequence[str]) -> bool:
        """Give qualities to a thing that the caption does not name, "the walls", and say so."""
        named = any(find(self.parts, [word]) is not None for word in said[1:])
        who = self.part("her" if said[0] == "her" else "him" if said[0] == "his" else "them")
        person = who is not None and captions.is_person(self.parts[who])
        if found and len(said) == 2 and person and captions.is_body(said[1]):
            return self.make(changes.added(self.caption, [*found, said[1]], who=who))
        somebody_ = is_own(said[-1]) or said[-1] in PERSONS | BEASTS
        if not found or named or somebody_ or len(said) not in (2, 3) or said[0] != "the":
            return False  # "the door bottle", of which "green" is not all that is said
        return self.make(changes.unnamed(self.caption, said[1:], found))


def _of_another(whose: str, parts: Chain, place: int) -> bool:
    """Whether what somebody wears is not his, or not hers: "his jacket", of a woman in a coat."""
    if whose not in ("his", "her") or not is_own(parts[place].head):
        return False
    people = [part.head for part in parts[:place] if captions.is_person(part)]
    return bool(people) and people[-1] in captions.SEXES[whose == "her"]


def _several(part: Part) -> bool:
    """Whether a part of a caption is several: "two cats", "a pair of shoes", "a family"."""
    first = part.words[0].lower() if part.words else ""
    several = first in NUMBERS or " " in first or captions.is_plural(part.head)
    return several or part.head in SETS["groups"]


def read_caption_clause(clause: str, at: CaptionContext) -> bool:
    """Read one clause; return whether it was understood. Changes are added to the context."""
    at.instead = clause.endswith(" instead")
    alone = not (
        has_verb(clause) or mentioned(clause) or words(clause)[:1] in [[w] for w in LOCATIVE]
    )
    if at.instead and not at.about and alone:
        return False  # instead of what?
    if (denied := re.fullmatch(r"not (.+)", clause)) and at.mode:
        return not set(content(denied[1])) & set(words(at.caption.lower()))  # "red, not blue"
    clause = re.sub(r"\b(?:the|that) [\w-]+'s (?=\w)", "the ", clause)
    clause = _DIGIT.sub(lambda digit: _NUMBERS[int(digit[0])], clause)
    for pattern, usual in lexicon.load("captions")["order"].items():
        clause = re.sub(rf"^{lexicon.filled('captions', pattern)}$", usual, clause)
    if not words(clause) or form("question", clause):
        return False
    readers = _READERS
    sky = find(at.parts, ["sky"]) is not None and words(clause)[-1] == "sky"
    if sky or not ("too" in words(clause) or mentioned(clause)):
        readers = (*_READERS, *_WITHOUT_A_VERB)
    done = (read(clause, at) for read in readers)
    return bool(next((answer for answer in done if answer is not False), False))


def _mention(clause: str, at: CaptionContext) -> bool:
    """A thing alone, with "the", says what comes next is about: "the door, paint it green"."""
    place = at.part(clause) if re.fullmatch(r"(?:the|her|his|that|this) [\w-]+", clause) else None
    if place is None or at.mode:
        return False
    at.about = at.parts[place].head
    return True


def _style(clause: str, at: CaptionContext) -> bool:
    style = style_of(clause)
    if not style or not (form("style", clause) or is_style(clause)):
        return False
    if at.part(words(clause)[-1]) is not None and not style.startswith("in the"):
        return False
    return at.make(changes.set_style(at.caption, style))


def _removal(clause: str, at: CaptionContext) -> bool | None:
    """Things that go; None for one that surely is not named."""
    match = lexicon.said("captions", "form", "remove", clause)
    short = len(words(clause)) <= 4 and not has_verb(clause)
    place = at.part(clause)
    new = place is not None and set(qualities(clause, part=True)) - set(at.parts[place].content)
    going_on = match is None and at.mode == "remove" and short and not new
    what = match["what"] if match else clause if going_on else ""
    thing = re.sub(r" (?:from|out of|off) (?:the|his|her|its|their) [\w-]+$", "", what)
    what = thing if at.part(thing) is not None else what  # "the ball from its mouth"
    said = words(re.sub(r"^(?:any|all|the|her|his|its) ", "", at.about if what in THINGS else what))
    if not said or SETS["not_one"] & set(said):
        return False
    at.mode = "remove"
    for group, phrase, *_ in mentioned(what)[:1]:
        if (bare := changes.unset(at.caption, group, phrase)) != at.caption:
            return at.make(Rewrite("background", at.caption, bare))
    named = at.part(" ".join(said)) is not None and not PEOPLE.issuperset(said)
    if not (named or len(said) <= 3 and is_thing(said) and said[0] not in ("a", "an")):
        return False
    return at.make(changes.removed(at.caption, said)) or None


def _scene(clause: str, at: CaptionContext) -> bool:
    """Season, weather, time of day, when the rest of the clause names nothing else."""
    said = mentioned(clause)
    if (both := re.fullmatch(r"(.+?) with (.+)", clause)) and not mentioned(both[2]):
        new = words(both[2])  # "night with neon lights"
        return is_thing(new) and _scene(both[1], at) and at.make(changes.added(at.caption, new))
    if "sky" in words(clause) and find(at.parts, ["sky"]) is not None:
        return False
    rest = "".join(" " if any(s <= i < e for *_, s, e in said) else c for i, c in enumerate(clause))
    if not said or not SCENE_WORDS.issuperset(words(rest)):
        return False
    if (later := re.search(r"\binstead of\b", clause)) is not None:
        said = [row for row in said if row[2] < later.start()]
    elif re.search(r"\b(?:to|into|with|for)\b", clause):
        said = said[-1:]
    for group, phrase, *_ in said:
        at.make(changes.set_scene(at.caption, group, phrase))
    return True


def _background(clause: str, at: CaptionContext) -> bool:
    match = form("background", clause)
    what = match["what"] if match else ""
    if not content(what) or " in the" in what or not is_thing(words(what)):
        return False
    if (how := qualities(what)) and "color" not in map(class_of, how):  # "a blurry background"
        return at.make(changes.added(at.caption, [*how, "background"]))
    return at.make(changes.placed(at.caption, words(what)))


def _replacement(clause: str, at: CaptionContext) -> bool:
    match = lexicon.said("captions", "form", "replace", clause) or {"new": "", "old": ""}
    new = _AROUND_NEW.sub("", match["new"])
    place = at.part(match["old"])
    if place is None and len(content(new)) == len(content(match["old"])) == 1:
        return _swap(content(match["old"])[0], content(new)[0], at)
    if place is None or not content(new) or at.nobody(match["old"], place, words(new)[-1]):
        return False
    at.mode = ""
    if adjectives := qualities(new):
        return at.make(changes.described(at.caption, place, adjectives))
    turned = re.match(r"turn|transform|convert", clause) is not None
    change = changes.replaced(at.caption, place, words(new), same_color=turned)
    return is_thing(words(new)) and at.make(change)


def _swap(old: str, new: str, at: CaptionContext) -> bool:
    """A word for another that is no thing of its own: "rainy" for "sunny"."""
    doing = (i for i, part in enumerate(at.parts) if part.joined_by([old]))
    if captions.is_doing(old) and (place := next(doing, None)):
        return at.make(changes.described(at.caption, place - 1, [new]))
    place = find(at.parts, [old])
    there = place is not None and old in at.parts[place].content
    return there and at.make(changes.swapped(at.caption, place or 0, old, new))


def _gift(clause: str, at: CaptionContext) -> bool:
    """Things for somebody: "give the cat a hat", "she should wear jeans"."""
    match = form("give", clause)
    said = words(match["what"]) if match else []
    who = at.part(match["who"]) if match else None
    if match is None or who is None or not said or not is_thing(said):
        return False
    if captions.preposition(said[-1]) and not clause.startswith("give"):
        return False  # "put them in a park"
    wanted = captions.is_person(at.parts[who]) and form("some", match["what"])
    if not (clause.startswith("give") or is_own(said[-1]) or wanted):
        return False
    at.mode, at.who = "add", at.parts[who].head
    return at.make(changes.added(at.caption, said, who=who))


def _quality(clause: str, at: CaptionContext) -> bool:
    """Qualities of a thing: "make the sofa red", "the cars should be red"."""
    if re.search(r"\btoo\b", clause):
        return False  # "she looks too serious"
    if (make := form("make", clause)) is not None:
        said = words(re.sub(r"\b(?:look|appear|seem|feel|become) (?!like)", "", make["rest"]))
        for cut in range(min(len(said) - 1, 4), 0, -1):
            how = re.sub(r"^to (?:be|look) ", "", " ".join(said[cut:]))
            if at.describe(" ".join(said[:cut]), how):
                return True
    tries = (p.fullmatch(clause) for p in lexicon.compiled("captions", "form", "should"))
    return any(match and at.describe(match["what"], match["how"]) for match in tries)


def _placing(clause: str, at: CaptionContext) -> bool | None:
    """Things put somewhere, and somebody moved; None for where only the picture tells."""
    match = form("put", clause)
    if match is None:
        return False
    link, where, thing = match["prep"].split(), words(match["where"]), words(match["what"])
    if len(where) == 2 and where[1] in SETS["on_body"]:  # "on her head"
        where = [{"her": "her", "his": "him"}.get(where[0], "it")]
    place, goal = at.part(match["what"]), at.part(" ".join(where))
    if not (where and thing) or where[-1] in SETS["sides"] and thing[0] in SETS["there"]:
        return False  # captions do not say where in the picture
    if place is not None and thing[0] not in ("a", "an", "some", "another") and goal is None:
        return at.make(changes.placed(
            at.caption, where, link, what=place, instead=at.instead)) or None  # fmt: skip
    new = place is None or thing[0] in ("a", "an", "some", "another")
    if not content(match["what"]) or not new or not is_thing(thing):
        return False
    if len(where) > 1 and not is_thing(where):
        return False
    at.mode = "add"
    if goal is not None and captions.place_of(thing[-1]):
        return at.make(changes.added(at.caption, thing, who=goal))
    if len(where) == 1 and where[0] in PEOPLE | THINGS:
        if goal is None:
            return None  # next to whom?
        where = [at.parts[goal].head]
    if where[0] not in ("her", "his", "their", "its", "top"):
        where = ["the", *[w for w in where if w not in ("the", "a", "an")]]
    seat = " ".join([*(["on"] if link == ["to"] else link), *where])
    return at.make(changes.added(at.caption, thing, where=seat))


def _addition(clause: str, at: CaptionContext) -> bool:
    """Things added to the picture: "add a dog"."""
    match = form("add", clause)
    said = [w for w in words(match["what"]) if w not in ("also", "more")] if match else []
    if not content(" ".join(said)) or len(said) > _MOST_WORDS or not is_thing(said):
        return False
    at.mode = "add"
    return at.make(changes.added(at.caption, said))


def _many(clause: str, at: CaptionContext) -> bool:
    """More of what there is: "more boats" are many boats."""
    match = form("many", clause)
    place = at.part(match["what"]) if match else None
    if match is None or place is None or not captions.is_plural(match["what"]):
        return False
    return at.make(changes.counted(at.caption, place, "many", match["what"]))


def _count(clause: str, at: CaptionContext) -> bool:
    """Another number of what there is: "two cats", "make it one cat"."""
    match = form("count", clause)
    place = at.part(match["what"]) if match else None
    if match is None or place is None or match["number"] == at.parts[place].words[0].lower():
        return False
    return at.make(changes.counted(at.caption, place, match["number"], words(match["what"])[-1]))


def _there(clause: str, at: CaptionContext) -> bool | None:
    """A place without a verb: "palm trees behind it", "in the desert", "behind it mountains"."""
    said, put = words(clause), form("put", f"put {clause}")
    if put is not None:
        some = said[0] in NUMBERS or said[0] in ("a", "an", "another")
        there = SETS["anywhere"] | SETS["on_body"]
        known = at.part(put["where"]) is not None or words(put["where"])[-1] in there
        thing = at.part(put["what"]) is None and is_phrase(words(put["what"]))
        if some or known and thing:
            return _placing(f"put {clause}", at)
    if said[0] not in LOCATIVE or said[0] in _HALVES and said[1:2] not in (["of"], ["to"]):
        return False
    match = form("there", clause)
    if match is not None and at.part(match["where"]) is not None:
        return _placing(f"put {match['what']} {match['prep']} {match['where']}", at)
    if any(find(at.parts, [word]) is not None for word in said[1:]) or not is_thing(said[1:]):
        return None
    return at.make(changes.placed(at.caption, said[1:], said[:1], instead=at.instead)) or None


def _acting(clause: str, at: CaptionContext) -> bool:
    """What something new does: "steam coming off it"."""
    said = words(at.resolved(clause))
    doing = next((i for i, word in enumerate(said) if captions.is_doing(word)), None)
    if not doing or len(content(clause)) > _MOST_WORDS or not is_thing(said):
        return False
    rest = " ".join(said[doing:])
    return names_things(said[:doing]) and at.make(
        changes.added(at.caption, said[:doing], where=rest)
    )


def _bare(clause: str, at: CaptionContext) -> bool:
    """A thing or a quality without a verb: "a green door", "the sofa white", "red laces"."""
    said, meant = words(clause), content(clause)
    some = said[0] in NUMBERS or said[0] in ("a", "an", "another")
    if not 0 < len(meant) <= _MOST_WORDS - 2:
        return False
    if qualities(clause):
        return at.describe("it", clause)
    for cut in range(len(said) - 1, 0, -1):  # "the sofa white", going on with an earlier clause
        place, found = at.part(" ".join(said[:cut])), qualities(" ".join(said[cut:]))
        if place is not None and found:
            return at.make(changes.described(at.caption, place, found))
    place = at.part(clause)
    if place is not None and not (some and SETS["extra"] & set(said)):
        how = qualities_of_part(said, at.parts[place])
        return bool(how) and at.make(changes.described(at.caption, place, how))
    joined = not some and any(w in LOCATIVE or w == "with" for w in said)  # "dog with a hat"
    sure = some or at.mode == "add" or is_own(meant[-1]) or names_things(said)
    quality = class_of(said[-1]) not in (None, "material")  # "one orange"
    if joined or quality or not sure or not is_thing(said):
        return False
    who = find(at.parts, [at.who]) if at.who else None
    return at.make(changes.added(at.caption, said, who=who))


_Read = Callable[[str, CaptionContext], bool | None]
_READERS: tuple[_Read, ...] = (_mention, _style, _removal, _scene, _background, _replacement,
                               _many, _gift, _quality, _placing, _addition, _count)  # fmt: skip
_WITHOUT_A_VERB: tuple[_Read, ...] = (_there, _acting, _bare)
"""What reads a clause, in this order, until one says that it did, or None: that nobody can."""
