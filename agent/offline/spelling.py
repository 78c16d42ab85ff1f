"""Light typing errors are mended: "a purpel hat", "sunglases"; English words stay what they are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from rapidfuzz import process
from rapidfuzz.distance import OSA
from spellchecker import SpellChecker

from agent.offline import lexicon

_SHORTEST = 3
"""Letters a word needs to be mended; one this short only where two letters changed places."""
_RARER = 50
"""How many times rarer than the word it resembles a dictionary's word must be to be a slip."""
_RARE = 500
"""Times a dictionary has a word that may be a slip for a caption's word, that much more common."""
_WORD = re.compile(r"(?<![\w@./-])[a-z][a-z'-]{2,}(?![\w@/-])")


def corrected(text: str, also: Iterable[str] = ()) -> str:
    """Mend words that no dictionary has and that are a slip away from one the reader knows.

    Args:
        text: in lower case.
        also: more words that may be meant, such as those of the caption.
    """
    shown = [word for word in also if len(word) >= _SHORTEST]
    meant = {*_known(), *shown}
    return _WORD.sub(lambda match: _shown(match[0], shown) or _mended(match[0], meant), text)


def is_english(word: str) -> bool:
    """Whether a word in lower case is in a dictionary."""
    return _count(re.sub(r"'s?$", "", word)) > 0 or all(map(_count, word.split("-")))


def _shown(word: str, shown: Iterable[str]) -> str | None:
    """Return the caption's word that a very rare one is a slip for: "dor" for "door"."""
    times = _count(word)
    if not 0 < times < _RARE or word in _known():
        return None
    near = (w for w in shown if OSA.distance(w, word) == 1 and _count(w) > _RARE * times)
    return next(near, None)


def _mended(word: str, meant: set[str]) -> str:
    single = re.sub(r"(.)\1", r"\1", word)
    if word in meant or is_english(word):
        doubled = word not in meant and single in meant and _count(single) > _RARER * _count(word)
        return single if doubled else word
    slips = 1 if len(word) < 7 else 2
    near = process.extract(word, meant, scorer=OSA.distance, score_cutoff=slips, limit=5)
    ranked = sorted(
        (slips, found[0] != word[0], sorted(found) != sorted(word), -len(found), found)
        for found, slips, _ in near
    )
    fits = (found for *_, found in ranked
            if len(word) > _SHORTEST or sorted(found) == sorted(word))  # fmt: skip
    mended = next(fits, None)
    return mended or (_checker().correction(word) if len(word) > 4 else None) or word


@cache
def _known() -> frozenset[str]:
    """Return the plain words of the lexicon."""
    tables = (lexicon.load(name) for name in ("portraits", "captions", "moves", "wishes"))
    phrases = (phrase for table in tables for entry in _strings(table)
               for phrase in lexicon.patterns([entry]))  # fmt: skip
    plain = filter(re.compile(r"[a-z' -]+").fullmatch, phrases)
    return frozenset(w for phrase in plain for w in phrase.split() if len(w) >= _SHORTEST)


def _strings(table: object) -> Iterable[str]:
    if isinstance(table, str):
        yield table
    elif isinstance(table, dict):
        yield from table
        for value in table.values():
            yield from _strings(value)
    elif isinstance(table, list):
        for value in table:
            yield from _strings(value)


@cache
def _checker() -> SpellChecker:
    return SpellChecker(distance=1)  # loads half a megabyte of words: only when in doubt


def _count(word: str) -> int:
    return int(_checker().word_frequency.dictionary.get(word, 0))
