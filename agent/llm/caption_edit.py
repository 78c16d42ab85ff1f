"""A caption that an LLM rewrote becomes an edit step: the same caption with only the change."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from agent.captions import changes, edit_step, parse
from agent.llm.structured_output import Unusable
from agent.offline.portrait_words import PLAIN
from agent.state import Change, EditStep
from editing_core.prompt_diff import changed_spans, edit_words, occurrences, words_of

LONGEST_CAPTION = 600  # characters; T5 reads 512 pieces
MOST_LOST = 0.6  # share of the caption's words that one change may take away
FEW_LOST = 3  # words that may go from any caption: "a dog" becomes "a cat"
MOST_BEHIND = 8  # words by which a removal may say what is seen instead: "an empty bench"
MOST_WORDS = 8  # words that name a change
_FREE = ("remove", "background")
"""Changes that may take most of a caption away: a crowd, or a long list of what is behind."""
_SMALL = frozenset("a an the of with and in on at to is are her his their its from by".split())


@dataclass(frozen=True)
class Written:
    """One change as an LLM wrote it.

    Attributes:
        source: the caption with what is to change named, if the LLM added that; else empty.
        target: the caption after the change.
        change: the kind of change, if it was named.
        words: the words that name the change.
    """

    source: str
    target: str
    change: Change | None = None
    words: Sequence[str] = ()


def edit_of(caption: str, written: Written, *, world: bool) -> tuple[EditStep, str]:
    """Return the edit that an LLM wrote, and a sentence on what was left out of it, if anything.

    Args:
        caption: what the picture shows, as it was known before.
        written: what is to change.
        world: whether only the world of portraits can be drawn.

    Raises:
        Unusable: nothing changes, or too much does; the reason is for the LLM.
    """
    target, change = written.target, written.change
    source = written.source if written.source and not lost(caption, written.source) else caption
    if not target or words_of(target) == words_of(source):
        raise Unusable("target_caption must be the caption with the change made.")
    if world:
        return _drawn(caption, target, change)
    change = change or _kind(source, target)
    if change == "add":
        target = mended(source, target)
    words = _naming(written.words, source, target)
    if not words:
        raise Unusable("target_caption changes nothing that can be seen.")
    _refuse_rewriting(source, target, change)
    step = EditStep(change=change, source_prompt=source, target_prompt=target, edit_words=words)
    return step, ""


def _naming(written: Sequence[str], source: str, target: str) -> tuple[str, ...]:
    """Return the words that name a change: the LLM's own if they do, else those that differ.

    They stand in the target prompt; where words only vanish, in the source prompt.
    """
    new, prompt = changed_spans(source, target), target
    if not new:
        new, prompt = changed_spans(target, source), source
    found = {word.lower(): occurrences(word, prompt) for word in written[:MOST_WORDS]}
    standing = {word: spans for word, spans in found.items() if spans}
    named = any(
        start < end_of_new and start_of_new < end
        for spans in standing.values()
        for start, end in spans
        for start_of_new, end_of_new in new
    )
    return tuple(standing) if named else edit_words(source, target)


def _drawn(caption: str, target: str, change: Change | None) -> tuple[EditStep, str]:
    """Return the edit in the world of portraits, where every caption is known attributes.

    What the target leaves out without having been asked to stays as it is, and what is added
    changes nothing that was there. The captions are then ours, and so are the edit words. What
    no portrait can show, and what an addition would have changed, is said to be left out.
    """
    known, named = parse(caption), parse(target)
    asked = wanted = changes(caption, target)
    if change == "add":
        wanted = {name: value for name, value in wanted.items() if name not in known} or wanted
    if change not in ("remove", "replace", None):
        wanted = {name: value for name, value in wanted.items() if name in named}
    step = edit_step(caption, wanted) if wanted else None
    unknown = " ".join(_not_drawn(caption, target))
    if step is None:
        which = f"“{unknown}” cannot" if unknown else "target_caption changes nothing that can"
        raise Unusable(f"{which} be drawn; see the list.")
    said = f"No portrait here can show “{unknown}”, so that was left out." if unknown else ""
    kept = [name.replace("_", " ") for name in asked if name in named and name not in wanted]
    if kept:
        said = f"{said} As before: {', '.join(kept)}.".strip()
    return step, said


def _not_drawn(caption: str, target: str) -> list[str]:
    """Return the new words of a caption without which it would mean the same portrait."""
    known = parse(target)
    new = (word for word in lost(target, caption) if word not in PLAIN)
    return [word for word in new if parse(_without(word, target)) == known]


def _without(word: str, caption: str) -> str:
    return re.sub(rf"(?<![\w-]){re.escape(word)}(?![\w-])", "", caption, flags=re.IGNORECASE)


def _refuse_rewriting(source: str, target: str, change: Change) -> None:
    """Refuse a target that is another picture instead of the same one with a change."""
    gone = lost(source, target)
    share = len(gone) / max(len(_content(source)), 1)
    if change not in _FREE and share > MOST_LOST and len(gone) > FEW_LOST:
        raise Unusable(
            f"target_caption drops “{' '.join(gone[:8])}”; copy the caption word for word, with "
            "only the change."
        )
    new = lost(target, source)
    if change == "remove" and not gone:
        raise Unusable("A removal must leave out the words of what vanishes.")
    if change == "remove" and len(new) > MOST_BEHIND:
        raise Unusable(f"A removal must not add “{' '.join(new[:MOST_BEHIND])}”.")


def lost(before: str, after: str) -> list[str]:
    """Return the words that carry meaning in one caption and are not in another."""
    gone = Counter(_content(before)) - Counter(_content(after))
    return list(gone.elements())


def _content(caption: str) -> list[str]:
    return [word for word in words_of(caption) if word not in _SMALL]


def mended(source: str, target: str) -> str:
    """Put back what an addition left out: phrases and runs of words that vanished for nothing."""
    phrases = target.split(", ")
    for place, phrase in enumerate(source.split(", ")):
        content = _content(phrase)
        if content and len(lost(phrase, target)) == len(content):
            phrases.insert(place, phrase)
    before, after = (re.findall(r",|[^\s,]+", text) for text in (source, ", ".join(phrases)))
    parts: list[str] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        parts += before[i1:i2] if tag == "delete" else after[j1:j2]
    return "".join(f" {part}" if part != "," else part for part in parts).strip()


def _kind(source: str, target: str) -> Change:
    """Name the kind of change where the LLM did not."""
    gone, new = lost(source, target), lost(target, source)
    if not gone:
        return "add"
    return "replace" if new else "remove"
