"""A message as it is typed becomes plain clauses: spelling, courtesies, order, parts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from itertools import pairwise

from rapidfuzz import process
from rapidfuzz.distance import OSA
from spellchecker import SpellChecker

from agent.captions import COLOR_OF
from agent.offline import lexicon
from agent.offline.portrait_words import mentions
from editing_core.prompt_diff import words_of

LONGEST = 2000
"""Characters of a message that are read."""
LONGEST_PART = 200
"""Characters of one wish; what is longer is no wish, and patterns take their time over it."""
MOST_PARTS = 24
"""Wishes of one message that are read."""
_SHORTEST = 3
"""Letters a word needs to be mended; one this short only where two letters changed places."""
_RARER = 50
"""How many times rarer than the word it resembles a dictionary's word must be to be a slip."""
_RARE = 500
"""Times a dictionary has a word that may be a slip for a caption's word, that much more common."""

_LEXICON = lexicon.load("messages")
_WORD = re.compile(r"(?<![\w@./-])[a-z][a-z'-]{2,}(?![\w@/-])")
_CORRECTION = re.compile(_LEXICON["correction"], re.IGNORECASE)
_COURTESY = re.compile("|".join(_LEXICON["courtesy"]))
BREAK = re.compile("|".join(_LEXICON["break"]))
_THING = re.compile(
    r"\b(?:the|its) [\w'-]+(?: (?:ones?|edit|step|picture|version))?", re.IGNORECASE
)
_NOT = re.compile(r",? (?:and |but )?(?:not|no|without) (?:(?:an?|the|any|in|with) )*")
_ENDS = re.compile(r"(?: ones?)?(?:$|[,.;]| (?:for|on|to|and|please)\b)")
_NEAR = 40  # characters after a "not" in which what it denies is looked for
_KEEP = re.compile(rf"(?:{'|'.join(_LEXICON['keep'])})\b")
_VERB = re.compile(rf"\b(?:{'|'.join(_LEXICON['verbs'].split())})\b")
_CHATTER = re.compile(rf"(?:{'|'.join(_LEXICON['chatter'])}){_LEXICON['chatter_tail']}")
_APART = [
    *((rf"(?<![\w@./'-])({'|'.join(stems.split())}){end}(?![\w@/'-]|\.\w)",
       rf"\1{end[:-1]}'{end[-1]}" if end == "nt" else rf"\1'{end}")
      for end, stems in _LEXICON["contractions"].items()),
    *_LEXICON["apart"].items(),
    (rf"\bi(ll|d) (?=(?:{'|'.join(_LEXICON['after_i'].split())})\b)", r"i'\1 "),
]  # fmt: skip
"""What is typed without its apostrophe, and with it."""


def is_chatter(text: str) -> bool:
    """Whether a message only keeps the conversation going: "thanks!"."""
    pieces = re.split(r"[,.!]+ *| (?=thanks?\b|thx\b|cheers\b)", text)
    return not text or all(not piece or _CHATTER.fullmatch(piece) for piece in pieces)


def keeps(part: str) -> bool:
    """Whether a part of a message only says what is to stay."""
    return _KEEP.match(part) is not None


def gives_reason(part: str) -> bool:
    """Whether a part has the form of a reason: "she's got an interview"."""
    return any(re.fullmatch(pattern, part) for pattern in _LEXICON["reason"])


def has_verb(part: str) -> bool:
    """Whether a part says what to do, rather than going on with what an earlier one says."""
    return _VERB.search(part) is not None


def self_corrected(text: str) -> str:
    """Let what follows "no wait" or "I mean" replace the clause before it, or its colour alone."""
    while (match := _CORRECTION.fullmatch(text)) is not None:
        before, after = match["before"], match["after"]
        start = max((m.end() for m in BREAK.finditer(before)), default=0)
        known = mentions(after.lower())
        hue = next((m for m in known if m.kind == "color"), None)
        hues = [m for m in mentions(before.lower()) if m.kind == "color" and m.start >= start]
        found = list(_THING.finditer(before, start))
        if _THING.fullmatch(after):
            text = f"{before}, {after}"
            if found:
                text = before[: found[-1].start()] + after + before[found[-1].end() :]
        elif hues and hue and {m.kind for m in known} <= {"color", "it"}:
            text = before[: hues[-1].start] + hue.value + before[hues[-1].end :]
        else:
            text = before[:start] + after
    return text


def with_apostrophes(text: str) -> str:
    """Write contractions as they are spelled: "whats" is "what's", "id like" is "I'd like"."""
    for typed, spelled in _APART:
        text = re.sub(typed, spelled, text, flags=re.IGNORECASE)
    return text


def plain(text: str, caption: str) -> str:
    """Return a message in lower case without courtesies, with light typing errors mended."""
    text = text.lower().replace("’", "'").replace("‘", "'")
    text = re.sub(r"[!?.]{2,}(?= |$)", ".", text)
    text = re.sub(r"\bblack ?(?:and|&|'?n'?) ?white\b", "black-and-white", text)
    before = ""
    while before != text:
        before, text = text, " ".join(_COURTESY.sub(" ", text).split()).strip(" .!?,")
    shown = [word for word in words_of(caption) if len(word) >= _SHORTEST]
    for one, other in pairwise(shown):  # "bowtie" where the caption has a bow tie
        text = re.sub(rf"\b{re.escape(one + other)}\b", f"{one} {other}", text)
    return _WORD.sub(lambda match: _mended(match[0], shown), text)


def is_english(word: str) -> bool:
    """Whether a word in lower case is in a dictionary."""
    return _count(re.sub(r"'s?$", "", word)) > 0 or all(map(_count, word.split("-")))


def _mended(word: str, shown: Iterable[str]) -> str:
    """Return the word that one no dictionary has is a slip for: of the lexicon, or the caption."""
    times, meant = _count(word), _known().union(shown)
    if word in meant:
        return word
    if 0 < times < _RARE:  # "dor" where the caption has a door
        near = (w for w in shown if OSA.distance(w, word) == 1 and _count(w) > _RARE * times)
        if (found := next(near, None)) is not None:
            return found
    single = re.sub(r"(.)\1", r"\1", word)
    if is_english(word):
        return single if single in meant and _count(single) > _RARER * times else word
    if single != word and is_english(single):
        return single
    slips = process.extract(
        word, meant, scorer=OSA.distance, score_cutoff=1 + (len(word) > 6), limit=None
    )
    ranked = sorted((away, w[0] != word[0], sorted(w) != sorted(word), -len(w), w)
                    for w, away, _ in slips
                    if len(word) > _SHORTEST or sorted(w) == sorted(word))  # fmt: skip
    if ranked:
        return ranked[0][-1]
    usual = (_checker().candidates(word) if len(word) > _SHORTEST + 1 else None) or (word,)
    return min(usual, key=lambda w: (-_count(w), w))  # a set has another order every day


@cache
def _known() -> frozenset[str]:
    """Return the plain words of the lexicon."""
    tables = (lexicon.load(name) for name in ("portraits", "captions", "moves", "wishes"))
    phrases = (phrase for table in tables for entry in lexicon.strings(table)
               for phrase in lexicon.patterns([entry]))  # fmt: skip
    known = filter(re.compile(r"[a-z' -]+").fullmatch, phrases)
    return frozenset(w for phrase in known for w in phrase.split() if len(w) >= _SHORTEST)


@cache
def _checker() -> SpellChecker:
    return SpellChecker(distance=1)  # loads half a megabyte of words: only when in doubt


def _count(word: str) -> int:
    return int(_checker().word_frequency.dictionary.get(word, 0))


def without_contrast(text: str) -> str:
    """Leave out of "blue, not red" and "a cap not a hat" what the other takes the place of."""
    for no in _NOT.finditer(text):
        old = next((m for m in mentions(text[no.end() :][:_NEAR]) if m.start == 0), None)
        if old is None or old.kind not in ("value", "color"):
            continue
        rest = text[no.end() + old.end :]
        before = {(m.kind, m.attribute) for m in mentions(text[: no.start()])}
        if (old.kind, old.attribute) in before and (old.kind == "value" or _ENDS.match(rest)):
            return text[: no.start()] + rest
    return text


def in_usual_order(text: str) -> str:
    """Write a whole message in the usual word order: "not a hat, a cap" is a cap instead."""
    for pattern, usual in _LEXICON["order"].items():
        text = re.sub(rf"^{pattern}$", usual, text)
    return text


def parts(text: str) -> list[str]:
    """Split a message into its wishes.

    "The hat and the shirt blue" gives both their colour; "glasses, round ones" names them twice.
    """
    found = [part for piece in BREAK.split(text) if (part := piece.strip(" ,.!?:"))]
    for i in range(len(found) - 2, -1, -1):
        here, there = mentions(found[i]), mentions(found[i + 1])
        colored = len(there) > 1 and there[-1].kind == "color" and not has_verb(found[i + 1])
        bare = not any(m.kind in ("color", "remove", "it") for m in here)
        named = any(m.attribute in COLOR_OF for m in here)
        if colored and bare and named and re.match(r"(?:make|paint|dye|turn|change)\b", found[i]):
            found[i] += f" {there[-1].value}"
        noun = next((m for m in reversed(here) if m.kind == "value"), None)
        if noun and re.fullmatch(r"(?:an? |the |some )?[\w-]+ ones?", found[i + 1]):
            found[i + 1] = re.sub(r"\bones?$", found[i][noun.start : noun.end], found[i + 1])
    return found
