"""Short wishes in ten other languages, written in English word by word.

A message with one unknown word, or with several wishes, is left as it is.
"""

from __future__ import annotations

import re
from functools import cache

from agent.offline import lexicon
from agent.offline.captions import same
from agent.offline.messages import is_english
from editing_core.prompt_diff import words_of

_UNSPACED = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff々]")
_MARKS = re.compile(r"[,.!?;:…、。！？¡¿\"“”«»()]+")
_LONGEST = 3  # words of an entry
_TABLES = ("verbs", "things", "scenes", "qualities", "wishes", "fill")


@cache
def _entries() -> tuple[dict[str, tuple[str, str]], dict[str, tuple[str, str]]]:
    """Return words, and beginnings of words, with their table and their English."""
    whole: dict[str, tuple[str, str]] = {}
    begun: dict[str, tuple[str, str]] = {}
    for table in _TABLES[::-1]:
        for english, words in lexicon.load("languages")[table].items():
            for word in words.split():
                known = begun if word.endswith("*") else whole
                known[word.rstrip("*").replace("_", " ")] = (table, english)
    return whole, begun


@cache
def _unspaced() -> re.Pattern[str]:
    """Match the words of languages that are written without spaces, the longest first."""
    words = (word for known in _entries() for word in known if _UNSPACED.search(word))
    return re.compile("|".join(sorted(map(re.escape, words), key=len, reverse=True)))


def in_english(message: str, caption: str) -> str:
    """Write a message of another language in English; any other stays as it is.

    Args:
        message: as it was typed.
        caption: words of it may be named in English.
    """
    said = " ".join(_MARKS.sub(" ", message.lower().replace("’", "'")).split())
    said = _unspaced().sub(lambda match: f" {match[0]} ", said)
    found = _looked_up(re.sub(r"\b([dl])'", r"\1' ", said).split(), set(words_of(caption)))
    if not found:
        return message
    by = {table: [english for kind, english in found if kind == table] for table in _TABLES}
    who = [t for t in by["things"] if any(same(t, word) for word in words_of(caption))]
    new = [t for t in by["things"] if t not in who]
    if set(by["verbs"]) - {"make"} == {"add"} and len(who) == len(new) == 1:
        return f"give the {who[0]} a {' '.join((*by['qualities'], *new))}"
    return _sentence(by) or message


def _looked_up(words: list[str], shown: set[str]) -> list[tuple[str, str]]:
    """Return table and English of all words; nothing if one is unknown, or if it is English."""
    found: list[tuple[str, str]] = []
    place = foreign = 0
    while place < len(words):
        for count in range(min(_LONGEST, len(words) - place), 0, -1):
            phrase = " ".join(words[place : place + count])
            if (known := _known(phrase)) is not None:
                foreign += known[0] != "fill" and not is_english(phrase)
                break
        else:
            if words[place] not in shown:
                return []
            count, known = 1, ("things", words[place])
        found.append(known)
        place += count
    verb = any(kind == "verbs" for kind, _ in found) and not all(map(is_english, words))
    return found if foreign or verb else []


def _known(phrase: str) -> tuple[str, str] | None:
    whole, begun = _entries()
    if phrase in whole:
        return whole[phrase]
    last = phrase.rfind(" ") + 1
    ends = (begun.get(phrase[:end]) for end in range(len(phrase), last, -1))
    return next((known for known in ends if known is not None), None)


def _sentence(by: dict[str, list[str]]) -> str:
    """Put what was found into the usual order; an empty string for what is not one wish."""
    if by["wishes"]:
        return by["wishes"][0]
    things, how = " and ".join(by["things"]), " ".join(by["qualities"])
    verbs = set(by["verbs"]) - {"make"}
    if len(verbs) > 1 or how and len(by["things"]) > 1:
        return ""
    named = f"{how} {things}".strip()
    if verbs & {"undo", "remove"}:
        verb = verbs.pop()
        return f"{verb} the {named}" if named else "undo" if verb == "undo" else ""
    if by["scenes"]:
        return f"make {'the background' if things == 'background' else 'it'} {by['scenes'][0]}"
    if things and how and ("make" in by["verbs"] or things in ("hair", "background")):
        return f"make the {things} {how}"
    if things:
        return f"add {named}"
    return f"make it {how}" if how and by["verbs"] else how
