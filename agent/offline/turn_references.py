"""Which turn a phrase means: "before the spectacles", "the one without a hat", "picture 2"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from agent import turn_tree
from agent.captions import attributes_of, changes
from agent.offline import lexicon, sentence
from agent.offline.caption_rewrites import mentioned
from agent.offline.portrait_words import Changes, mentions
from agent.offline.sentence import same
from agent.state import Conversation, Turn
from editing_core.prompt_diff import words_of
from editing_core.worlds.registry import world_of

_REFERENCE = lexicon.load("moves")["reference"]
_BEFORE, _JUST, _NTH, _ORIGINAL, _TURN_WORDS, _WHO_DID, _HERE = (
    re.compile(lexicon.filled("moves", _REFERENCE[name]))
    for name in ("before", "just", "nth", "original", "turn_words", "who_did", "here")
)
_PLAIN = frozenset(_REFERENCE["plain"].split())


def named(conversation: Conversation, phrase: str, *, only_turns: bool = False) -> Turn | None:
    """Find the turn that a phrase names, synonyms included; the path to the head goes first.

    Args:
        conversation: where to look.
        phrase: what was said.
        only_turns: demand a word that speaks of turns ("one", "picture", "before", "@2"), since
            "use a hat" is an edit.
    """
    if only_turns and not _TURN_WORDS.search(phrase):
        return None
    if phrase.isdecimal():
        phrase = f"turn {phrase}"
    if _ORIGINAL.fullmatch(phrase):
        return turn_tree.path(conversation)[0]
    if (before := _BEFORE.fullmatch(phrase)) is not None:
        what = _WHO_DID.sub("", before["what"])
        return turn_tree.before_edit(conversation, named(conversation, what), what)
    if _JUST.search(phrase):
        return _editing(conversation, phrase)
    condition = re.search(r"\b(?:when|where|with|how|without|as|no)\b", phrase)
    find = _showing if condition else turn_tree.find
    return find(conversation, phrase) or _editing(conversation, phrase)


def of_pair(conversation: Conversation, phrase: str) -> Turn | None:
    """Find a turn to compare with: the head may be called "it"."""
    here = _HERE.fullmatch(phrase)
    return conversation.turns[conversation.head] if here else named(conversation, phrase)


def edits_about(conversation: Conversation, phrase: str) -> set[int]:
    """Return all edits of the path about what a phrase names: the hat, and its colour."""
    line = [t for t in turn_tree.path(conversation) if t.step]
    if _NTH.search(phrase):
        found = turn_tree.find(conversation, phrase)
        return {found.id} & {t.id for t in line} if found else set()
    known = mentions(phrase)
    hues = {m.value for m in known if m.kind == "color"}
    names = {m.attribute for m in known if m.kind == "value" or m.kind == "thing" and m.attribute}
    names |= {f"{name}_color" for name in names}
    nouns = [w for w in _content(phrase) if w not in ("edit", "change", "thing", "part", "bit")]
    about = set()
    for turn in line:
        changed = _changed(turn)
        if world_of(turn.caption):
            fits = bool(names & set(changed)) or not names and bool(hues & set(changed.values()))
        else:
            fits = bool(nouns) and _has({*_words(turn), last_thing([turn])}, nouns[-1])
        about |= {turn.id} if fits else set()
    return about


def _changed(turn: Turn) -> Changes:
    return changes(turn.step.source_prompt, turn.step.target_prompt) if turn.step else {}


def _words(turn: Turn) -> set[str]:
    """Return the words of an edit: of its request, of its change, and of its kind."""
    if turn.step is None:
        return set()
    said = " ".join(turn.step.edit_words)
    scene = turn.step.change in ("background", "style")
    kinds = {group for group, *_ in mentioned(said)} or {turn.step.change} if scene else set()
    return {*words_of(turn.step.request), *said.split(), *kinds}


def _editing(conversation: Conversation, phrase: str) -> Turn | None:
    """Find the nearest edit of what the phrase mentions, the exact value before the mere thing."""
    about = [m for m in mentions(phrase.replace("@", "")) if m.attribute or m.kind == "color"]
    exact = {m.value for m in about if m.value}
    names = {m.attribute for m in about if m.attribute}
    hues = {m.value for m in about if m.kind == "color"}
    line = [t for t in turn_tree.nearest(conversation) if t.step]
    for turn in line:
        changed = _changed(turn)
        recolored = any(changed.get(f"{name}_color") in hues for name in names)
        if recolored or exact and exact <= set(changed.values()):
            return turn
    wanted = _content(phrase)
    plain = (t for t in line if not world_of(t.caption) and any(_has(_words(t), w) for w in wanted))
    return next((t for t in line if names & set(_changed(t))), next(plain, None))


def _showing(conversation: Conversation, phrase: str) -> Turn | None:
    """Find the nearest other turn that shows what a phrase asks for; the first if only that."""
    wanted = list(_conditions(phrase))
    alone = re.search(r"\b(?:only|just)\b", phrase)
    for turn in turn_tree.path(conversation) if alone else turn_tree.nearest(conversation):
        fits = bool(wanted) and all(_shows(turn.caption, half) == yes for half, yes in wanted)
        if fits and turn.id != conversation.head:
            return turn
    return None


def _conditions(phrase: str) -> Iterable[tuple[str, bool]]:
    """Split "with the red hat but without sunglasses" into what is there and what is not."""
    for half in re.split(r",? (?:but|and)(?= with| without| no)| (?=without )", phrase):
        none = re.search(r"\b(?:without|no|not|didn't|hadn't|wasn't|never)\b", half) is not None
        if any(m.kind in ("value", "color") for m in mentions(half)) or _content(half):
            yield half, not none


def _shows(caption: str, half: str) -> bool:
    if not world_of(caption):
        wanted = _content(half)
        return bool(wanted) and all(_has(words_of(caption), word) for word in wanted)
    shown = attributes_of(caption)
    known = [m for m in mentions(half) if m.kind in ("value", "color")]
    return bool(known) and all(
        shown.get(m.attribute) == m.value if m.kind == "value" else m.value in shown.values()
        for m in known
    )


def _content(phrase: str) -> list[str]:
    return [w for w in words_of(phrase) if w not in _PLAIN]


def _has(words: Iterable[str], word: str) -> bool:
    return any(same(word, known) for known in words)


def last_thing(line: Sequence[Turn]) -> str:
    """Return the noun that the last edit on a path was about, or an empty string."""
    for turn in reversed(line):
        if turn.step is None or turn.step.change in ("background", "style"):
            continue
        changed = {word for name in turn.step.edit_words for word in name.split()}
        parts = sentence.chain(turn.step.target_prompt)
        about = [part.head for part in parts if changed & {w.lower() for w in part.words}]
        if about:
            return about[-1]
    return ""
