"""Several edits taken back at once: "undo the hat and the scarf", "keep the hat, undo the rest"."""

from __future__ import annotations

import re
from collections.abc import Iterable

from agent import turn_tree
from agent.captions import attributes_of, is_portrait
from agent.offline import lexicon, sentence
from agent.offline.moves import count
from agent.offline.portrait_words import mentions
from agent.offline.references import edits_about, named
from agent.state import Conversation
from agent.turn_tree import NoSuchTurn

_WORDS = lexicon.load("moves")["several"]
_SURE, _THEN, _THERE = (re.compile(_WORDS[name]) for name in ("sure", "then", "there"))
"""What speaks of edits and not of things, what begins a further wish, what a name may end in."""
_BUT = re.compile(lexicon.load("moves")["undo"]["but"])
_FIRST = re.compile(r"\b(?:original|initial|natural|own|first)\b")
_EDITS = re.compile(r"^(?:both |all )?(?:the )?(?:edits|changes|steps|turns|numbers) (?=\d)|^both ")
_AND = re.compile(r",? and |, | & | plus ")


def read_several(text: str, conversation: Conversation) -> tuple[set[int], str] | None:
    """Read which edits of the path go, and what else is wanted then; None for any other message.

    Raises:
        NoSuchTurn: something is to be kept that neither an edit nor the original has.
    """
    gone = _gone(text, conversation)
    if gone is not None:
        return gone, ""
    for then in _THEN.finditer(text):
        gone = _gone(text[: then.start()], conversation)
        if gone is not None:
            return gone, text[then.end() :]
    return None


def _gone(text: str, conversation: Conversation) -> set[int] | None:
    if _THEN.search(text):
        return None
    line = {t.id for t in turn_tree.path(conversation) if t.step}
    kept = lexicon.match("moves", "undo", "kept", text)
    if kept is not None:
        names = _AND.split(_THERE.sub("", lexicon.groups(kept)["what"]))
        sure = _SURE.search(text) or all(edits_about(conversation, name) for name in names)
        return line - _staying(names, conversation) if sure else None
    old = _FIRST.search(text) and lexicon.match("moves", "undo", "old", _BUT.sub("", text))
    if old and len(about := edits_about(conversation, lexicon.groups(old)["what"]) & line) > 1:
        return about
    since = lexicon.match("moves", "undo", "from", text)
    if since is not None:
        found = named(conversation, since["what"])
        return {n for n in line if n >= found.id} if found and found.id in line else None
    first = lexicon.match("moves", "undo", "first", text)
    if first is not None:
        return set(sorted(line)[: count(first["count"])])
    match = lexicon.match("moves", "undo", "dropped", text)
    if match is None or re.search(r"\b(?:keep|leave|not|rest)\b", text):
        return None
    names = _AND.split(_EDITS.sub("", match["what"]))
    turns = [named(conversation, name) for name in names]
    ids = {turn.id for turn in turns if turn is not None and turn.id in line}
    return ids if len(ids) == len(turns) else None


def _staying(names: Iterable[str], conversation: Conversation) -> set[int]:
    """Return the edits that are named; what the original shows stays without one."""
    found: set[int] = set()
    for name in names:
        about = edits_about(conversation, name)
        if not about and not _in_original(name, conversation):
            raise NoSuchTurn(f"none of the edits that led here is called “{name}”")
        found |= about
    return found


def _in_original(name: str, conversation: Conversation) -> bool:
    caption = turn_tree.path(conversation)[0].caption
    if is_portrait(caption):
        shown = attributes_of(caption)
        return any(shown.get(m.attribute, "none") != "none" for m in mentions(name))
    return sentence.find(sentence.chain(caption), name.split()) is not None
