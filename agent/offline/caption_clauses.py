"""One clause of a request over any caption: only what is surely meant is done, the rest is asked.

What is done: add, remove, replace X with Y, make X Y, move to a place, weather, time of day, style.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from agent.offline import captions, lexicon
from agent.offline.captions import (
    BEASTS,
    DETERMINERS,
    LOCATIVE,
    MEDIA,
    PERSONS,
    Chain,
    Part,
    Rewrite,
    class_of,
    find,
    is_own,
    somebody,
    words_in,
)
from agent.offline.messages import has_verb, is_english
from agent.offline.scenes import is_style, mentioned, style_of
from agent.state import Ask

_MOST_WORDS = 7  # of a thing that is added
_MOST_ADJECTIVES = 2  # before a thing that comes without an article
_LIKE = re.compile(r"(?:shaped|colou?red|\wlike|\w-\w+ed|\w{3}(?:(?<!e)ese|(?<!f)ish|less|ous))$")
"""How adjectives end that are made of a noun: "heart-shaped"."""
_SETS = {name: words_in("clauses", name) for name in lexicon.load("captions")["clauses"]}
_VAGUE, _SCENE_WORDS, _SOFT = words_in("vague"), words_in("scene_words"), _SETS["soft"]
_JOINS = LOCATIVE | {"of", "with", "up", "down", "off", "from", "through", "along", "around", "out"}
"""Words after which a phrase may name another thing."""
_NO_QUALITY = _SETS["no_quality"] | _SETS["no_thing"]
_PEOPLE, _THINGS, _NUMBERS = _SETS["people"], _SETS["things"], _SETS["numbers"]


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
        if _PEOPLE.issuperset(said):  # "him" is no woman
            return somebody(parts, but=captions.SEXES[said[0] not in ("he", "him", "himself")])
        if len(said) == 1 and said[0] in _THINGS:
            if self.about:
                return find(parts, [self.about])
            if said[0] in ("it", "that", "this"):
                return captions.subject(parts)
            return next((i for i, part in enumerate(parts) if _several(part)), None)
        place = find(parts, said)
        if place is None and said[-1] in PERSONS:  # "the bloke"
            known = [sex for sex in captions.SEXES if said[-1] in sex]
            return next((i for i, p in enumerate(parts) for sex in known if p.head in sex), None)
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
            return self.make(captions.replaced(self.caption, place, words(how), same_color=True))
        found = qualities(how, any_word=not bare) if " to " not in how else []
        if not found:
            return False
        kinds, somebody_ = {class_of(w) for w in found}, self.parts[place].head in PERSONS | BEASTS
        if what in _THINGS and not self.about and kinds == {"age"} and not somebody_:
            return False  # "make them older", over pancakes
        self.mode = "describe"
        heads = self.things()
        if bare and not self.about:
            if {"tone", "blur", "looks", "fill"} & {class_of(w) for w in found}:
                return False  # "make it brighter": the whole picture
            if kinds <= {"posture", "expression"}:  # things neither sleep nor smile
                heads = [h for h in heads if h in PERSONS | BEASTS] or heads
                named = find(self.parts, heads[:1])
                place = place if named is None else named
            if len(heads) > 1:
                options = tuple(f"make the {head} {' '.join(found)}" for head in heads[:4])
                self.ask = Ask(question=f"What should be {' '.join(found)}?", options=options)
                return True
        return self.make(captions.described(self.caption, place, found))

    def nobody(self, what: str, place: int, noun: str) -> bool:
        """Whether "it" would be somebody, who cannot be that: "change it to a wedding"."""
        person = captions.is_person(self.parts[place])
        return what in _THINGS and person and noun not in PERSONS | BEASTS

    def _unnamed(self, said: Sequence[str], found: Sequence[str]) -> bool:
        """Give qualities to a thing that the caption does not name, "the walls", and say so."""
        named = any(find(self.parts, [word]) is not None for word in said[1:])
        who = self.part("her" if said[0] == "her" else "him" if said[0] == "his" else "them")
        person = who is not None and captions.is_person(self.parts[who])
        if found and len(said) == 2 and person and captions.is_body(said[1]):
            return self.make(captions.added(self.caption, [*found, said[1]], who=who))
        somebody_ = is_own(said[-1]) or said[-1] in PERSONS | BEASTS
        if not found or named or somebody_ or len(said) not in (2, 3) or said[0] != "the":
            return False  # "the door bottle", of which "green" is not all that is said
        return self.make(captions.unnamed(self.caption, said[1:], found))


def _several(part: Part) -> bool:
    """Whether a part of a caption is several: "two cats", "a pair of shoes", "a family"."""
    first = part.words[0].lower() if part.words else ""
    several = first in _NUMBERS or " " in first or captions.is_plural(part.head)
    return several or part.head in _SETS["groups"]


def read_caption_clause(clause: str, at: CaptionContext) -> bool:
    """Read one clause; return whether it was understood. Changes are added to the context."""
    at.instead = clause.endswith(" instead")
    placing = words(clause)[:1] in [[word] for word in LOCATIVE]
    alone = not (has_verb(clause) or mentioned(clause) or placing)
    if at.instead and not at.about and alone:
        return False  # instead of what?
    if (denied := re.fullmatch(r"not (.+)", clause)) and at.mode:
        return not set(content(denied[1])) & set(words(at.caption.lower()))  # "red, not blue"
    clause = re.sub(r"\b(?:the|that) [\w-]+'s (?=\w)", "the ", clause)
    for pattern, usual in lexicon.load("captions")["order"].items():
        clause = re.sub(rf"^{lexicon.filled('captions', pattern)}$", usual, clause)
    if not words(clause) or form("question", clause):
        return False
    readers: tuple[Callable[[str, CaptionContext], bool | None], ...] = (
        _mention, _style, _removal, _scene, _background, _replacement,
        _gift, _quality, _placing, _addition, _count, _bare,
    )  # fmt: skip
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
    return at.make(captions.set_style(at.caption, style))


def _removal(clause: str, at: CaptionContext) -> bool | None:
    """Things that go; None for one that surely is not named."""
    match = lexicon.said("captions", "form", "remove", clause)
    short = len(words(clause)) <= 4 and not has_verb(clause)
    place = at.part(clause)
    new = place is not None and set(qualities(clause, part=True)) - set(at.parts[place].content)
    going_on = match is None and at.mode == "remove" and short and not new
    what = match["what"] if match else clause if going_on else ""
    said = words(
        re.sub(r"^(?:any|all|the|her|his|its) ", "", at.about if what in _THINGS else what)
    )
    if not said or _SETS["not_one"] & set(said):
        return False
    at.mode = "remove"
    for group, phrase, *_ in mentioned(what)[:1]:
        if (bare := captions.unset(at.caption, group, phrase)) != at.caption:
            return at.make(Rewrite("background", at.caption, bare))
    named = at.part(" ".join(said)) is not None and not _PEOPLE.issuperset(said)
    if not (named or len(said) <= 3 and is_thing(said) and said[0] not in ("a", "an")):
        return False
    return at.make(captions.removed(at.caption, said)) or None


def is_thing(said: Sequence[str]) -> bool:
    """Whether words can name a thing: none of them belongs to a sentence of its own."""
    between = any(w in ("a", "an", "the") and before not in _JOINS
                  for before, w in pairwise(said))  # fmt: skip
    plain = {w.partition("'")[0] for w in said}
    return not between and not _SETS["no_thing"] & plain and all(is_english(w) for w in said)


def _scene(clause: str, at: CaptionContext) -> bool:
    """Season, weather, time of day, when the rest of the clause names nothing else."""
    said = mentioned(clause)
    if "sky" in words(clause) and find(at.parts, ["sky"]) is not None:
        return False
    rest = "".join(" " if any(s <= i < e for *_, s, e in said) else c for i, c in enumerate(clause))
    if not said or not _SCENE_WORDS.issuperset(words(rest)):
        return False
    if (later := re.search(r"\binstead of\b", clause)) is not None:
        said = [row for row in said if row[2] < later.start()]
    elif re.search(r"\b(?:to|into|with|for)\b", clause):
        said = said[-1:]
    for group, phrase, *_ in said:
        at.make(captions.set_scene(at.caption, group, phrase))
    return True


def _background(clause: str, at: CaptionContext) -> bool:
    match = form("background", clause)
    what = match["what"] if match else ""
    if not content(what) or " in the" in what or not is_thing(words(what)):
        return False
    return at.make(captions.placed(at.caption, words(what)))


def _replacement(clause: str, at: CaptionContext) -> bool:
    match = lexicon.said("captions", "form", "replace", clause) or {"new": "", "old": ""}
    new = match["new"]
    new = re.sub(
        r"^(?:make it(?: say| read| be)?|(?:it|they) (?:were|was|is)|use|put|add|have|i want) ",
        "",
        new,
    )
    new = re.sub(r" (?:in|on|at|around|behind) (?:her|his|its|their|him|them|it)\b.*$", "", new)
    place = at.part(match["old"])
    if place is None and len(content(new)) == len(content(match["old"])) == 1:
        return _swap(content(match["old"])[0], content(new)[0], at)
    if place is None or not content(new):
        return False
    if at.nobody(match["old"], place, words(new)[-1]):
        return False
    at.mode = ""
    if adjectives := qualities(new):
        return at.make(captions.described(at.caption, place, adjectives))
    turned = re.match(r"turn|transform|convert", clause) is not None
    change = captions.replaced(at.caption, place, words(new), same_color=turned)
    return is_thing(words(new)) and at.make(change)


def _swap(old: str, new: str, at: CaptionContext) -> bool:
    """A word for another that is no thing of its own: "rainy" for "sunny"."""
    doing = (i for i, part in enumerate(at.parts) if part.joined_by([old]))
    if captions.is_doing(old) and (place := next(doing, None)):
        return at.make(captions.described(at.caption, place - 1, [new]))
    place = find(at.parts, [old])
    there = place is not None and old in at.parts[place].content
    return there and at.make(captions.swapped(at.caption, place or 0, old, new))


def _gift(clause: str, at: CaptionContext) -> bool:
    """Things for somebody: "give the cat a hat", "she should wear jeans"."""
    match = form("give", clause)
    said = words(match["what"]) if match else []
    who = at.part(match["who"]) if match else None
    if match is None or who is None or not said or not is_thing(said):
        return False
    if not (clause.startswith("give") or is_own(said[-1])):
        return False
    at.mode, at.who = "add", at.parts[who].head
    return at.make(captions.added(at.caption, said, who=who))


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
    if len(where) == 2 and where[1] in _SETS["on_body"]:  # "on her head"
        where = [{"her": "her", "his": "him"}.get(where[0], "it")]
    place, goal = at.part(match["what"]), at.part(" ".join(where))
    if not (where and thing) or where[-1] in _SETS["sides"] and thing[0] in _SETS["there"]:
        return False  # captions do not say where in the picture
    if place is not None and thing[0] not in ("a", "an", "some", "another") and goal is None:
        return at.make(captions.placed(
            at.caption, where, link, what=place, instead=at.instead)) or None  # fmt: skip
    new = place is None or thing[0] in ("a", "an", "some", "another")
    if not content(match["what"]) or not new or not is_thing(thing):
        return False
    if len(where) > 1 and not is_thing(where):
        return False
    at.mode = "add"
    if goal is not None and captions.place_of(thing[-1]):
        return at.make(captions.added(at.caption, thing, who=goal))
    if len(where) == 1 and where[0] in _PEOPLE | _THINGS:
        if goal is None:
            return None  # next to whom?
        where = [at.parts[goal].head]
    if where[0] not in ("her", "his", "their", "its", "top"):
        where = ["the", *[w for w in where if w not in ("the", "a", "an")]]
    seat = " ".join([*(["on"] if link == ["to"] else link), *where])
    return at.make(captions.added(at.caption, thing, where=seat))


def _addition(clause: str, at: CaptionContext) -> bool:
    """Things added to the picture: "add a dog"."""
    match = form("add", clause)
    said = [w for w in words(match["what"]) if w not in ("also", "more")] if match else []
    if not content(" ".join(said)) or len(said) > _MOST_WORDS or not is_thing(said):
        return False
    at.mode = "add"
    return at.make(captions.added(at.caption, said))


def _count(clause: str, at: CaptionContext) -> bool:
    """Another number of what there is: "two cats", "make it one cat"."""
    match = form("count", clause)
    place = at.part(match["what"]) if match else None
    if match is None or place is None or match["number"] == at.parts[place].words[0].lower():
        return False
    return at.make(captions.counted(at.caption, place, match["number"], words(match["what"])[-1]))


def _bare(clause: str, at: CaptionContext) -> bool | None:
    """A thing without a verb: "a green door", "the sofa white", "palm trees behind it"."""
    clause = at.resolved(clause)
    said, meant = words(clause), content(clause)
    some = said[0] in _NUMBERS or said[0] in ("a", "an", "another")
    sky = meant[-1:] == ["sky"] and at.part("sky") is not None
    if "too" in said or mentioned(clause) and not sky:
        return False
    if _is_put(clause, some, at):
        return _placing(f"put {clause}", at)
    if said[0] in LOCATIVE:
        return _locative(said, at)
    if not 0 < len(meant) < 6:
        return False
    doing = next((i for i, w in enumerate(said) if i and captions.is_doing(w)), None)
    if doing and _names_things(said[:doing]) and is_thing(said):
        rest = " ".join(said[doing:])
        return at.make(captions.added(at.caption, said[:doing], where=rest))
    if qualities(clause):
        return at.describe("it", clause)
    if captions.is_doing(said[0]) and is_thing(said[1:]):
        return at.make(captions.acting(at.caption, clause))
    if _thing_with_qualities(said, at):
        return True
    place = at.part(clause)
    if place is not None and not (some and _SETS["extra"] & set(said)):
        how = _qualities_of_part(said, at.parts[place])
        return bool(how) and at.make(captions.described(at.caption, place, how))
    if class_of(said[-1]) not in (None, "material"):
        return False  # "one orange"
    joined = not some and any(w in LOCATIVE or w == "with" for w in said)  # "dog with a hat"
    sure = some or at.mode == "add" or is_own(meant[-1]) or _names_things(said)
    if joined or not sure or not is_thing(said):
        return False
    who = find(at.parts, [at.who]) if at.who else None
    return at.make(captions.added(at.caption, said, who=who))


def _thing_with_qualities(said: Sequence[str], at: CaptionContext) -> bool:
    """A thing and what it is to be like: "the sofa white", going on with an earlier clause."""
    for cut in range(len(said) - 1, 0, -1):
        place, found = at.part(" ".join(said[:cut])), qualities(" ".join(said[cut:]))
        if place is not None and found:
            return at.make(captions.described(at.caption, place, found))
    return False


def _is_put(clause: str, some: bool, at: CaptionContext) -> bool:
    """Whether a thing without a verb is to be put somewhere: "palm trees behind it"."""
    put = form("put", f"put {clause}")
    if put is None:
        return False
    where = words(put["where"])
    there = at.part(put["where"]) is not None or where[-1:] and where[-1] in _SETS["anywhere"]
    return some or bool(there and at.part(put["what"]) is None and _is_phrase(words(put["what"])))


def _locative(said: Sequence[str], at: CaptionContext) -> bool | None:
    """A place without a verb: "in the desert", or "behind the castle mountains"."""
    if (match := form("there", " ".join(said))) and at.part(match["where"]) is not None:
        return _placing(f"put {match['what']} {match['prep']} {match['where']}", at)
    known = any(find(at.parts, [word]) is not None for word in said[1:])
    if known or not said[1:] or not is_thing(said[1:]):
        return False
    return at.make(captions.placed(at.caption, said[1:], said[:1], instead=at.instead))


def _qualities_of_part(said: Sequence[str], part: Part) -> list[str]:
    """Return what a phrase that ends with a thing says of it: "matte black", "chocolate"."""
    if said[0] == "more":
        return ["more"]
    how = [base(w) for w in content(" ".join(said[:-1])) if w not in part.content]
    known = said[0] in DETERMINERS - _NUMBERS or all(class_of(w) for w in how)
    plain = len(how) <= _MOST_ADJECTIVES and all(map(is_english, how))
    return how if _is_phrase(said) and (known or plain) else []


def _is_phrase(said: Sequence[str]) -> bool:
    """Whether words are one thing with its qualities: no second thing, no verb, no pronoun."""
    alone = said[-1] not in _PEOPLE | _THINGS and not (DETERMINERS | _JOINS) & set(said[1:])
    return alone and not any(has_verb(w) or w in _NO_QUALITY for w in said[:-1])


def _names_things(said: Sequence[str]) -> bool:
    """Whether words without an article name things: "red laces", "steam"."""
    *before, noun = said
    mass = noun in captions.MASS or len(noun) > 3 and captions.is_plural(noun)
    plain = all(is_english(w) and "'" not in w for w in before) and _is_phrase(said)
    return mass and plain and len(before) <= _MOST_ADJECTIVES


def words(phrase: str) -> list[str]:
    """Return the words of a phrase."""
    return re.findall(r"[\w'&-]+", phrase)


def content(phrase: str) -> list[str]:
    """Return the words of a phrase that say something."""
    return [w for w in words(phrase) if w not in DETERMINERS and w not in _SOFT]


def qualities(how: str, *, any_word: bool = False, part: bool = False) -> list[str]:
    """Return the adjectives a phrase consists of, or nothing if it says anything else.

    Args:
        how: "red", "a bit older", "black and white", "smile".
        any_word: take one English word that is not known as an adjective for one.
        part: whether the phrase ends with the thing that has them.
    """
    said = [base(w) for w in words(how) if w not in _SOFT | _SETS["degrees"]]
    said = [w for w in said[:-1] if w not in DETERMINERS] if part else said
    if not said or said[0] in ("not", "no"):
        return []
    known = [class_of(w) is not None or _LIKE.search(w) is not None for w in said]
    if all(known) or any_word and known[-1] and all(map(is_english, said)) \
            and not DETERMINERS & set(said) and not any(map(is_own, said)):  # fmt: skip
        return said if all(known) else ["-".join(said)]  # "bottle-green"
    plain = said[0] not in DETERMINERS | LOCATIVE | _VAGUE and not is_own(said[0])
    alone = len(said) == 1 and any_word and len(said[0]) > 2 and plain
    return said if alone and is_english(said[0]) else []


def base(word: str) -> str:
    """Return the plain form of an adjective or verb: "older" is old, "smile" is smiling."""
    actions: dict[str, str] = lexicon.load("captions")["actions"]
    stem = re.sub(r"(?:er|est)$", "", word)
    forms = (stem, f"{stem}e", re.sub(r"(.)\1$", r"\1", stem), re.sub(r"i$", "y", stem))
    known = next((plain for plain in forms if stem != word and class_of(plain)), word)
    return actions.get(word, known)


def comparatives(clause: str) -> set[str]:
    """Return the plain forms of what a clause wants more of: "whiter", "more angry"."""
    pairs = list(pairwise(["", *words(clause)]))
    graded = {base(w) for _, w in pairs if w.endswith("er") and base(w) != w}
    more = {base(w) for before, w in pairs if before == "more"}
    much = {w for before, w in pairs if before in _SETS["degrees"] and class_of(w) == "color"}
    return {w for w in graded | more | much if class_of(w)}


def form(name: str, clause: str) -> re.Match[str] | None:
    """Match a clause with the forms of a kind of request."""
    return lexicon.match("captions", "form", name, clause)
