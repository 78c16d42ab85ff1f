"""A caption that an LLM rewrote becomes an edit step: the same caption with only the change."""

from __future__ import annotations

import re
from collections import Counter
from difflib import SequenceMatcher

from agent.captions import changes, edit_step, parse
from agent.llm.structured_output import Unusable
from agent.state import Change, EditStep
from editing_core.prompt_diff import edit_words, words_of

LONGEST_CAPTION = 600  # characters; T5 reads 512 pieces
MOST_LOST = 0.6  # share of the caption's words that one change may take away
MOST_NEW = 3  # words that a removal may bring: "a bare head", "an empty bench"
_FREE = ("remove", "background")
"""Changes that may take most of a caption away: a crowd, or a long list of what is behind."""
_SMALL = frozenset("a an the of with and in on at to is are her his their its from by".split())


def edit_of(
    caption: str, source: str, target: str, change: Change | None, *, world: bool
) -> EditStep:
    """Return the edit from a caption to the target that an LLM wrote.

    Args:
        caption: what the picture shows, as it was known before.
        source: the same with what is to change named, if the LLM added that; else empty.
        target: the caption after the change.
        change: the kind of change, if it was named.
        world: whether only the world of portraits can be drawn.

    Raises:
        Unusable: nothing changes, or too much does; the reason is for the LLM.
    """
    if not target or words_of(target) == words_of(caption):
        raise Unusable("target_caption must be the caption with the change made.")
    if world:
        return _drawn(caption, target, change)
    source = source if source and not lost(caption, source) else caption
    change = change or _kind(source, target)
    if change == "add":
        target = mended(source, target)
    words = edit_words(source, target)
    if not words:
        raise Unusable("target_caption changes nothing that can be seen.")
    _refuse_rewriting(source, target, change)
    return EditStep(change=change, source_prompt=source, target_prompt=target, edit_words=words)


def _drawn(caption: str, target: str, change: Change | None) -> EditStep:
    """Return the edit in the world of portraits, where every caption is known attributes.

    What the target leaves out without having been asked to stays as it is, and what is added
    changes nothing that was there.
    """
    known, named = parse(caption), parse(target)
    wanted = changes(caption, target)
    if change == "add":
        wanted = {name: value for name, value in wanted.items() if name not in known} or wanted
    if change not in ("remove", "replace", None):
        wanted = {name: value for name, value in wanted.items() if name in named}
    step = edit_step(caption, wanted) if wanted else None
    if step is None:
        raise Unusable("target_caption changes nothing that can be drawn; see the list.")
    return step


def _refuse_rewriting(source: str, target: str, change: Change) -> None:
    """Refuse a target that is another picture instead of the same one with a change."""
    gone = lost(source, target)
    share = len(gone) / max(len(_content(source)), 1)
    if change not in _FREE and share > MOST_LOST:
        raise Unusable(
            f"target_caption drops “{' '.join(gone[:8])}”; copy the caption word for word, with "
            "only the change."
        )
    new = lost(target, source)
    if change == "remove" and len(new) > MOST_NEW:
        raise Unusable(f"A removal must not add “{' '.join(new[:8])}”.")


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
