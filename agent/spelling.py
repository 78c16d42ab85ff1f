"""Light typing errors are mended: "a purpel hat", "sunglases"; English words stay what they are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from rapidfuzz import process
from rapidfuzz.distance import OSA

from agent import lexicon

_SHORTEST = 4
"""Letters a word needs to be mended: shorter ones are too near to too many others."""
_WORD = re.compile(r"(?<![\w@./-])[a-z][a-z'-]{3,}(?![\w@/-])")


def corrected(text: str, also: Iterable[str] = ()) -> str:
    """Mend words that no dictionary has and that are a slip away from one the reader knows.

    Args:
        text: in lower case.
        also: more words that may be meant, such as those of the caption.
    """
    meant = [*_known(), *(word for word in also if len(word) >= _SHORTEST)]

    def mend(match: re.Match[str]) -> str:
        word = match[0]
        if word in meant or is_english(word):
            return word
        slips = 1 if len(word) < 7 else 2
        near = process.extract(word, meant, scorer=OSA.distance, score_cutoff=slips, limit=5)
        alike = sorted(near, key=lambda found: (found[1], found[0][0] != word[0]))
        return str(alike[0][0]) if alike else word

    return _WORD.sub(mend, text)


@cache
def _known() -> tuple[str, ...]:
    """Return the plain words of the lexicon."""
    found = set()
    for name in ("portraits",):
        for entry in _strings(lexicon.load(name)):
            for phrase in filter(re.compile(r"[a-z' -]+").fullmatch, lexicon.patterns([entry])):
                found |= {word for word in phrase.split() if len(word) >= _SHORTEST}
    return tuple(sorted(found))


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
def _dictionary() -> frozenset[str]:
    from spellchecker import SpellChecker  # loads half a megabyte of words: only when in doubt

    return frozenset(SpellChecker().word_frequency.keys())


def is_english(word: str) -> bool:
    """Whether a word in lower case is in a dictionary."""
    whole = re.sub(r"'s?$", "", word)
    return whole in _dictionary() or all(part in _dictionary() for part in whole.split("-"))
