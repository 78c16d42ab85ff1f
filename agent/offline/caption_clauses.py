"""One clause of a request over any caption: only what is surely meant is done, the rest is asked.

What is done: add, remove, replace X with Y, make X Y, move to a place, weather, time of day, style.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from agent.offline import caption_rewrites as rewrites
from agent.offline import lexicon, sentence
from agent.offline.caption_rewrites import PERSONS, Rewrite, is_own, is_person, somebody
from agent.offline.messages import has_verb
from agent.offline.sentence import DETERMINERS, LOCATIVE, Chain, class_of, find, words_in
from agent.offline.spelling import is_english
from agent.state import Ask

_SOFT = frozenset("a an more very much really so quite too little bit slightly lot again"
                  " look looks be being to as like of".split())  # fmt: skip
_STRONGER = frozenset("stronger bolder richer deeper intenser fuller".split())
_PEOPLE = frozenset("her him she he herself himself".split())
_THINGS = frozenset("it that this them they those these".split())
_PLURAL = frozenset("them they those these".split())
_NUMBERS = frozenset("one two three four five six seven eight nine ten many several some".split())
_NO_THING = frozenset(
    "i me you he she they we us it her him them that this there here were was is are be been being"
    " am should would could can make put give get let not don't what how who why version different"
    " again instead add remove becomes what's it's missing lovely too"
    " mood vibe feel feeling look atmosphere touch style".split()
)
_OF_PICTURES = frozenset(("tone", "blur", "looks", "fill"))
"""Classes of adjectives by which a whole picture may be meant, too."""
_SIDES = frozenset("left right side top bottom middle center centre corner edge".split())
_MOST_WORDS = 7  # of a thing that is added
_VAGUE, _SCENE_WORDS = words_in("vague", "words"), words_in("scene_words", "words")
_NEAR = re.compile(rf" {lexicon.filled('captions', '{prep}')} .*$")


@dataclass
class CaptionContext:
    """What a clause is read against, and what earlier clauses of the message leave open.

    Attributes:
        caption: the caption so far.
        about: the noun that "it" means.
        mode: "remove", "add" or "describe", with which a clause without a verb goes on.
        who: whom things are being given to.
        rewrites: the changes read so far.
        already: whether the last clause asked for what is so already.
        ask: the question, where a clause may mean several things.
    """

    caption: str
    about: str = ""
    mode: str = ""
    who: str = ""
    rewrites: list[Rewrite] = field(default_factory=list)
    already: bool = False
    ask: Ask | None = None

    @property
    def parts(self) -> Chain:
        """The caption, taken apart."""
        return sentence.chain(self.caption)

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
        if said and _PEOPLE.issuperset(said):
            return somebody(parts)
        if len(said) == 1 and said[0] in _THINGS:
            known = find(parts, [self.about]) if self.about else None
            place = known if known is not None else sentence.subject(parts)
            several = place is not None and (parts[place].words[0].lower() in _NUMBERS
                                             or sentence.is_plural(parts[place].head))  # fmt: skip
            return place if known is not None or several or said[0] not in _PLURAL else None
        place = find(parts, said)
        if said and place is None and said[-1] in PERSONS:
            return next((i for i, part in enumerate(parts) if _may_be(part, said[-1])), None)
        whole = place is not None and sentence.same(parts[place].head, said[-1])
        return place if whole else None

    def describe(self, what: str, how: str, *, any_word: bool = False) -> bool:
        """Give what a phrase names the qualities that another names; return whether it did.

        Args:
            what: "the sofa", "it".
            how: "red", "a bit older", "a queen".
            any_word: take one word that is not known as an adjective for one.
        """
        what = re.sub(r"^(?:i want|let|have|make) ", "", what)
        how = re.sub(r"^a (?:bit|little|lot) |^an? (?=[\w-]+ one$)", "", how)
        place = self.part(what)
        found = qualities(how, any_word=any_word and what not in ("it", "this", "that"))
        if place is not None and re.match(r"an? ", how) and not class_of(words(how)[-1]):
            if len(words(how)) > 3 or rewrites.mentioned(how) or not _is_thing(words(how)):
                return False  # "make it a rainy evening in paris"
            return self.make(rewrites.replaced(self.caption, place, words(how)))  # "a queen"
        if not found:
            return False
        self.mode = "describe"
        if place is not None:
            if not self.about and what in ("it", "this", "that"):
                if _OF_PICTURES & {class_of(w) for w in found}:
                    return False  # "make it brighter"
                if self._asks_which(found):
                    return True
            made = rewrites.described(self.caption, place, found)
            return self.make(self._more(made, place, comparatives(how)))
        named = any(find(self.parts, [word]) is not None for word in words(what)[1:])
        definite = re.match(r"(?:the|her|his|its) ", what) and all(class_of(w) for w in found)
        parts = self.parts
        person = any(part.words and is_person(part) for part in parts)
        if named or not definite or len(words(what)) > 3 or is_own(words(what)[-1]) and not person:
            return False  # "the door bottle", of which "green" is not all that is said
        return self.make(rewrites.unnamed(self.caption, words(what)[1:], found))

    def _asks_which(self, found: Sequence[str]) -> bool:
        """Ask what "it" is where nothing was spoken of and it may be several things."""
        heads = self.things()
        if len(heads) < 2:
            return False
        options = tuple(f"make the {head} {' '.join(found)}" for head in heads[:4])
        self.ask = Ask(question=f"What should be {' '.join(found)}?", options=options)
        return True

    def things(self) -> list[str]:
        """Return the nouns of the caption, without places, weather and "a photo"."""
        return [
            part.head
            for part in self.parts
            if part.words and part.head not in sentence.MEDIA
            if not (rewrites.preposition(part.head) or rewrites.mentioned(part.head))
        ]

    def _more(self, made: Rewrite, place: int, graded: set[str]) -> Rewrite:
        """Let what is white already become "very white" where it is to be whiter."""
        there = [w for w in self.parts[place].content if w in graded]
        if made.source != made.target or not there:
            return made
        parts = list(self.parts)
        parts[place] = sentence.intensified(parts[place], there[0])
        return replace(made, target=sentence.text(tuple(parts)))


def read_caption_clause(clause: str, at: CaptionContext) -> bool:
    """Read one clause; return whether it was understood. Changes are added to the context."""
    if _asks_instead_of_what(clause, at):
        return True
    for pattern, usual in lexicon.load("captions")["order"].items():
        clause = re.sub(rf"^{lexicon.filled('captions', pattern)}$", usual, clause)
    clause = re.sub(r"\b(?:the|that) [\w-]+'s (?=\w)", "the ", _same_color(clause, at.parts))
    if not words(clause) or form("question", clause):
        return False
    readers: tuple[Callable[[str, CaptionContext], bool], ...] = (
        _mention, _style, _removal, _scene, _background, _replacement,
        _gift, _quality, _placing, _addition, _bare,
    )  # fmt: skip
    return any(read(clause, at) for read in readers)


def _asks_instead_of_what(clause: str, at: CaptionContext) -> bool:
    """Ask what "a cat instead" takes the place of, where nothing was spoken of."""
    match = re.fullmatch(
        r"(?:i want |give me |show |use |add |make it )?(an? [\w -]+) instead", clause
    )
    if match is None or at.about or class_of(words(match[1])[-1]):
        return False
    options = tuple(f"replace the {head} with {match[1]}" for head in at.things()[:4])
    at.ask = Ask(question="Instead of what?", options=options) if options else None
    return bool(options)


def _mention(clause: str, at: CaptionContext) -> bool:
    """A thing alone, with "the", says what comes next is about: "the door, paint it green"."""
    said = words(clause)
    if said[0] not in ("the", "her", "his", "that", "this") or len(said) > 3:
        return False
    place = at.part(clause)
    if place is None or at.mode or len(content(clause)) != 1:
        return False
    at.about = at.parts[place].head
    return True


def _style(clause: str, at: CaptionContext) -> bool:
    style = rewrites.style_of(clause)
    whole = form("style", clause) or rewrites.is_style(clause)
    if not style or not whole or re.match(r"add|put|in (?:the|a) (?!style)", clause):
        return False
    if at.part(words(clause)[-1]) is not None and not style.startswith("in the"):
        return False
    return at.make(rewrites.set_style(at.caption, style))


def _removal(clause: str, at: CaptionContext) -> bool:
    match = form("remove", clause)
    short = len(words(clause)) <= 4 and not has_verb(clause)
    going_on = match is None and at.mode == "remove" and short
    what = lexicon.groups(match)["what"] if match else clause if going_on else ""
    indefinite = re.match(r"an? ", what)
    what = re.sub(r"^(?:any|all|an?|the|her|his|its) ", "", what)
    if not what or re.search(r"^(?:remove|delete)\b|\b(?:but|except|everything|all)\b", what):
        return False
    at.mode = "remove"
    for group, *_ in rewrites.mentioned(what)[:1]:
        bare = rewrites.unset(at.caption, group)
        if bare != at.caption:
            return at.make(Rewrite("background", at.caption, bare))
    said = words(at.about if what in _THINGS else what)
    if said == ["background"]:
        return at.make(rewrites.behind(at.caption, ["plain", "white"]))
    shorter = _NEAR.sub("", " ".join(said))
    if at.part(" ".join(said)) is None and at.part(shorter) is not None:
        said = words(shorter)
    if _PEOPLE.issuperset(said) and not re.match(r"remove|delete", clause):
        return False  # "shave him"
    if not said or at.part(" ".join(said)) is None and not _may_show(said, bool(indefinite)):
        return False
    return at.make(rewrites.removed(at.caption, said))


def _may_show(said: Sequence[str], indefinite: bool) -> bool:
    """Whether a picture may show a thing that its caption does not name."""
    return not indefinite and len(said) <= 3 and _is_thing(said)


def _is_thing(said: Sequence[str]) -> bool:
    """Whether words can name a thing: none of them belongs to a sentence of its own."""
    between = any(w in ("a", "an", "the") and before not in LOCATIVE | {"of", "with"}
                  for before, w in pairwise(said))  # fmt: skip
    return not between and not _NO_THING & set(said) and all(is_english(w) for w in said)


def _scene(clause: str, at: CaptionContext) -> bool:
    """Season, weather, time of day, when the rest of the clause names nothing else."""
    said = rewrites.mentioned(clause)
    if not said:
        return False
    rest = "".join(" " if any(s <= i < e for *_, s, e in said) else c for i, c in enumerate(clause))
    if not _SCENE_WORDS.issuperset(words(rest)):
        swap = re.fullmatch(r".*\b(?:to|into|want|with|for) (?:an? |the )?([\w -]+)", clause)
        if swap is None or [swap[1]] != [clause[s:e] for *_, s, e in said][-1:]:
            return False
        said = said[-1:]
    if (later := re.search(r"\binstead of\b", clause)) is not None:
        said = [row for row in said if row[2] < later.start()] or said
    elif len(said) > 1 and re.search(r"\b(?:to|into|with|for)\b", clause):
        said = said[-1:]
    for group, phrase, *_ in said:
        at.make(rewrites.set_scene(at.caption, group, phrase))
    return True


def _background(clause: str, at: CaptionContext) -> bool:
    match = form("background", clause)
    what = match["what"] if match else ""
    if not content(what) or " in the" in what or not _is_thing(words(what)):
        return False
    at.mode = ""
    return at.make(rewrites.behind(at.caption, words(what)))


_SHOWN = re.compile(
    r"^(?:make it|(?:it|they) (?:were|was|is)|use|put|add|show|have|i want|give me) "
)


def _replacement(clause: str, at: CaptionContext) -> bool:
    for pattern in lexicon.compiled("captions", "form", "replace"):
        match = pattern.fullmatch(clause)
        if match is None or not content(match["new"]):
            continue
        new = _SHOWN.sub("", match["new"])
        place = at.part(match["old"])
        if place is None:
            place = at.part(new)
            only_count = not content(match["old"]) and place is not None
            return bool(only_count) and at.make(
                rewrites.counted(at.caption, place or 0, words(new))
            )
        at.mode = ""
        if adjectives := qualities(new):
            return at.make(rewrites.described(at.caption, place, adjectives))
        return _is_thing(words(new)) and at.make(rewrites.replaced(at.caption, place, words(new)))
    return False


def _gift(clause: str, at: CaptionContext) -> bool:
    """Things for somebody: "give the cat a hat", "she should wear jeans"."""
    match = form("give", clause)
    if match is None:
        return False
    said, verb = words(match["what"]), match.groupdict().get("verb")
    who = at.part(match["who"])
    if who is None or not said or not _is_thing(said):
        return False
    if verb:
        link = f"{verb.removesuffix('e')}ing"
        parts, thing = at.parts, sentence.Part((link,), sentence.with_article(said))
        target = sentence.text((*parts[: who + 1], thing, *parts[who + 1 :]))
        return at.make(Rewrite("add", at.caption, target, said[-1]))
    if not (clause.startswith("give") or is_own(said[-1]) or said[0] in DETERMINERS):
        return False
    if not clause.startswith("give") and re.search(r" in (?:an?|the) ", clause) and \
            not is_own(said[-1]):  # fmt: skip
        return False
    at.mode, at.who = "add", at.parts[who].head
    return at.make(rewrites.added(at.caption, said, who=who))


def _quality(clause: str, at: CaptionContext) -> bool:
    """Qualities of a thing: "make the sofa red", "the cars should be red"."""
    if re.search(r"\btoo\b", clause):
        return False  # "she looks too serious"
    make = form("make", clause)
    if make is not None:
        said = words(re.sub(r"\b(?:look|appear|seem|feel|become) (?!like)", "", make["rest"]))
        for cut in range(min(len(said) - 1, 4), 0, -1):
            how = re.sub(r"^to (?:be|look) ", "", " ".join(said[cut:]))
            if at.describe(" ".join(said[:cut]), how, any_word=True):
                return True
    for pattern in lexicon.compiled("captions", "form", "should"):
        match = pattern.fullmatch(clause)
        if match is not None and at.describe(match["what"], match["how"], any_word=True):
            return True
    return False


def _placing(clause: str, at: CaptionContext) -> bool:
    """Things put somewhere, and somebody moved: "put a ball next to the cat"."""
    match = form("put", clause)
    if match is None:
        return False
    link, where = match["prep"].split(), words(match["where"])
    place, goal, thing = at.part(match["what"]), at.part(match["where"]), words(match["what"])
    if not where or where[-1] in _SIDES and thing[0] in ("the", "it", "her", "him", "them"):
        return False  # captions do not say where in the picture
    if place is not None and thing[0] not in ("a", "an", "some", "another") and goal is None:
        link = {"into": ["in"], "onto": ["on"]}.get(link[0], link)
        if link == ["to"]:
            link = [rewrites.preposition(where[-1]) or "in"]
        at.mode = ""
        return at.make(rewrites.moved(at.caption, place, link, where))
    if not content(match["what"]) or place is not None or not where or not _is_thing(thing):
        return False
    if len(where) > 1 and not _is_thing(where):
        return False
    at.mode = "add"
    if goal is not None and rewrites.place_of(thing[-1]):
        return at.make(rewrites.added(at.caption, thing, who=goal))
    if goal is not None and where[0] in ("her", "him", "it", "them"):
        where = [at.parts[goal].head]
    if where[0] not in ("her", "his", "their", "its", "top"):
        where = ["the", *[w for w in where if w not in ("the", "a", "an")]]
    seat = " ".join(["on"] if link == ["to"] else link)
    return at.make(rewrites.added(at.caption, thing, where=f"{seat} {' '.join(where)}"))


def _addition(clause: str, at: CaptionContext) -> bool:
    """Things added to the picture: "add a dog"."""
    match = form("add", clause)
    said = words(match["what"]) if match else []
    if not content(" ".join(said)) or len(said) > _MOST_WORDS or not _is_thing(said):
        return False
    place = at.part(said[-1])
    if said[0] in ("more", "fewer") and place is not None:
        return at.make(rewrites.counted(at.caption, place, said))
    at.mode = "add"
    return at.make(rewrites.added(at.caption, [w for w in said if w not in ("also", "more")]))


def _bare(clause: str, at: CaptionContext) -> bool:
    """A thing without a verb: "a green door", "two cats", "and a ball"."""
    said, meant = words(clause), content(clause)
    if "too" in said or rewrites.mentioned(clause):
        return False
    some = said[0] in _NUMBERS or said[0] in ("a", "an", "another")
    if some and form("put", f"put {clause}"):
        return _placing(f"put {clause}", at)
    if not meant or len(said) > 5 or said[0] in LOCATIVE:
        return False
    if at.mode == "describe" and qualities(clause):
        return at.describe("it", clause)
    for cut in range(len(said) - 1, 0, -1):  # "the sofa white", going on with an earlier clause
        place, found = at.part(" ".join(said[:cut])), qualities(" ".join(said[cut:]))
        if place is not None and found:
            return at.make(rewrites.described(at.caption, place, found))
    place = at.part(clause)
    if place is not None and said[0] in _NUMBERS:
        return at.make(rewrites.counted(at.caption, place, said))
    if place is not None:
        known = said[0] in DETERMINERS or all(class_of(w) for w in meant[:-1])
        how = [base(w) for w in meant[:-1]]
        return bool(known and how) and at.make(rewrites.described(at.caption, place, how))
    joined = not some and any(w in LOCATIVE or w == "with" for w in said)  # "dog with a hat"
    if joined or not (some or at.mode == "add" or is_own(meant[-1])) or not _is_thing(said):
        return False
    who = find(at.parts, [at.who]) if at.who else None
    return at.make(rewrites.added(at.caption, said, who=who))


def _may_be(part: sentence.Part, called: str) -> bool:
    """Whether somebody in a caption may be meant by another word for a person: "the bloke"."""
    sexes = [kind for name in ("man", "woman") if part.head in (kind := words_in("persons", name))]
    return bool(sexes) and called in sexes[0]


_SAME = re.compile(r"(?:in )?(?:the )?same colou?r as (?P<what>(?:the|her|his) [\w-]+)")


def _same_color(clause: str, parts: Chain) -> str:
    """Write the colour itself for "the same colour as the cushion"."""
    match = _SAME.search(clause)
    place = find(parts, words(match["what"])) if match else None
    hues = parts[place].content if place is not None else ()
    hue = next((w for w in hues if class_of(w) == "color"), "")
    return _SAME.sub(hue, clause) if hue else clause


def words(phrase: str) -> list[str]:
    """Return the words of a phrase."""
    return re.findall(r"[\w'&-]+", phrase)


def content(phrase: str) -> list[str]:
    """Return the words of a phrase that say something."""
    return [w for w in words(phrase) if w not in DETERMINERS and w not in _SOFT]


def qualities(how: str, *, any_word: bool = False) -> list[str]:
    """Return the adjectives a phrase consists of, or nothing if it says anything else.

    Args:
        how: "red", "a bit older", "black and white", "smile".
        any_word: take one English word that is not known as an adjective for one.
    """
    said = [base(w) for w in words(how) if w not in _SOFT]
    said = [w for w in said if w not in ("one", "ones", "colour", "color", "and", "than", "now")]
    said = [w for w in said if w not in _STRONGER] or said
    if not said or said[0] in ("not", "no"):
        return []
    shade = said[0] not in DETERMINERS | LOCATIVE and is_english(said[0]) and not is_own(said[0])
    if len(said) == 2 and class_of(said[1]) == "color" and not class_of(said[0]) and shade:
        return ["-".join(said)]  # "bottle green"
    if all(class_of(w) for w in said):
        return said
    alone = len(said) == 1 and any_word and len(said[0]) > 2 and shade
    return said if alone and said[0] not in _VAGUE and not is_own(said[0]) else []


def base(word: str) -> str:
    """Return the plain form of an adjective or verb: "older" is old, "smile" is smiling."""
    actions: dict[str, str] = lexicon.load("captions")["actions"]
    if word in actions:
        return actions[word]
    stem = re.sub(r"(?:er|est)$", "", word)
    single = stem[:-1] if stem[-1:] == stem[-2:-1] else stem
    for plain in (stem, f"{stem}e", single, re.sub(r"i$", "y", stem)):
        if stem != word and class_of(plain):
            return plain
    return word


def comparatives(clause: str) -> set[str]:
    """Return the plain forms of what a clause wants more of: "whiter", "more angry"."""
    said = words(clause)
    graded = {base(w) for w in said if w.endswith("er") and base(w) != w}
    more = {base(w) for before, w in pairwise(said) if before == "more"}
    much = {w for before, w in pairwise(said) if before in _STRONGER and class_of(w) == "color"}
    return {w for w in graded | more | much if class_of(w)}


def form(name: str, clause: str) -> re.Match[str] | None:
    """Match a clause with the forms of a kind of request."""
    return lexicon.match("captions", "form", name, clause)
