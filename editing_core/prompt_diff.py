"""The diff of two prompts: which words name the change, where they stand, how it is transferred."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from difflib import SequenceMatcher

Opcodes = Sequence[tuple[str, int, int, int, int]]
"""Runs of a diff: what each is, then its start and end before and after."""

Span = tuple[int, int]
"""First and one-past-last character."""

_WORD = re.compile(r"[\w'-]+")
_EMPTY = frozenset("a an the of with and in on at to is her his their wearing no portrait".split())


def words_of(prompt: str) -> list[str]:
    """Return the words of a prompt in lower case, without punctuation."""
    return _WORD.findall(prompt.lower())


def edit_words(source: str, target: str) -> tuple[str, ...]:
    """Return the words that name the change from one prompt to the other.

    They are words of the target prompt, or, where words only vanish (a removal), of the source
    prompt. A word that stands elsewhere in the same prompt too is given with its right neighbour,
    so that of two blues the right one is found: "blue hat" beside a blue t-shirt. Before a comma
    it is given with its left one: "green shirt".
    """
    new = _changed(source, target)
    return _named(target, new) if new else _named(source, _changed(target, source))


def changed_spans(source: str, target: str) -> list[Span]:
    """Return where the words stand in ``target`` that ``source`` does not have at their place."""
    found = [word.span() for word in _WORD.finditer(target)]
    return [found[i] for i in _changed(source, target)]


def occurrences(words: str, prompt: str) -> list[Span]:
    """Return where a word or a phrase stands whole in a prompt, in either case."""
    phrase = r"\s+".join(map(re.escape, words.split()))
    if not phrase:
        return []
    return [m.span() for m in re.finditer(rf"(?<!\w){phrase}(?!\w)", prompt, re.IGNORECASE)]


def _changed(before: str, after: str) -> list[int]:
    """Return the indices of the words of ``after`` that are not in ``before`` at their place.

    Whole phrases between commas are compared first, words only within phrases that differ: a word
    diff alone may take "blue hat, a" for what was added before "blue t-shirt".
    """
    old, new = _phrases(before), _phrases(after)
    starts = [sum(map(len, new[:i])) for i in range(len(new) + 1)]
    found = []
    for tag, i1, i2, j1, j2 in _diff(old, new):
        if tag != "equal":
            run_old, run_new = sum(old[i1:i2], ()), sum(new[j1:j2], ())
            for inner, _, _, first, end in _diff(run_old, run_new):
                if inner != "equal":
                    found += [starts[j1] + i for i in range(first, end)]
    words = words_of(after)
    return [i for i in found if words[i] not in _EMPTY]


def _phrases(prompt: str) -> list[tuple[str, ...]]:
    return [tuple(words_of(phrase)) for phrase in prompt.split(",")]


def _diff(before: Sequence[Hashable], after: Sequence[Hashable]) -> Opcodes:
    return SequenceMatcher(None, before, after, autojunk=False).get_opcodes()


def _named(prompt: str, chosen: list[int]) -> tuple[str, ...]:
    prompt = prompt.lower()
    found = list(_WORD.finditer(prompt))
    words = [word.group() for word in found]

    def joined(i: int) -> bool:
        """Say whether nothing but space stands between a word and the next one."""
        return 0 <= i < len(found) - 1 and not prompt[found[i].end() : found[i + 1].start()].strip()

    named = []
    for i in chosen:
        first = i if joined(i) else i - 1
        repeated = words.count(words[i]) > 1 and joined(first)
        named.append(" ".join(words[first : first + 2]) if repeated else words[i])
    return tuple(dict.fromkeys(named))


def transfer(caption: str, source: str, target: str) -> str:
    """Make the change from ``source`` to ``target`` in another caption, as far as it applies.

    Replaced and removed runs of words are looked for in the caption; a run that is only inserted
    comes after the word that it follows in the target, or at the end.
    """
    parts, before, after = (_split(text) for text in (caption, source, target))
    for tag, i1, i2, j1, j2 in reversed(_diff(before, after)):
        if tag == "equal":
            continue
        run = after[j1:j2]
        place = _find(parts, before[i1:i2]) if i2 > i1 else _after(parts, before[:i1])
        if place is None and i2 == i1:  # what it followed is gone
            place, run = len(parts), ["with" if run[0] == "and" else run[0], *run[1:]]
        if place is not None:
            parts[place : place + i2 - i1] = run
    return "".join(f" {part}" if part != "," else part for part in parts).strip()


def _split(text: str) -> list[str]:
    return re.findall(r",|[^\s,]+", text)


def _find(parts: list[str], run: list[str]) -> int | None:
    starts = range(len(parts) - len(run) + 1)
    return next((i for i in starts if parts[i : i + len(run)] == run), None)


def _after(parts: list[str], lead: list[str]) -> int | None:
    """Return where something goes that followed ``lead``: after its longest known ending."""
    for size in range(min(len(lead), 3), 0, -1):
        place = _find(parts, lead[-size:])
        if place is not None:
            return place + size
    return None
