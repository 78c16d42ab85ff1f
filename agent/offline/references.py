"""Which turn a phrase means: "before the spectacles", "the one without a hat", "picture 2"."""

from __future__ import annotations

import re
from collections.abc import Iterable

from agent import history
from agent.captions import attributes_of, changes, is_portrait
from agent.offline import lexicon
from agent.offline.sentence import same
from agent.offline.vocabulary import mentions
from agent.state import Conversation, Turn
from agent.words import words_of

_BEFORE, _TURN_WORDS, _WHO_DID = (
    re.compile(lexicon.filled("moves", lexicon.load("moves")["reference"][name]))
    for name in ("before", "turn_words", "who_did")
)
_HERE = re.compile(
    r"it|this(?: one)?|now|the current(?: one| picture)?|the last one|what (?:i|we) have(?: now)?"
)
_JUST = re.compile(
    r"\bwhen (?:you|i|we) (?:had )?(?:just |first )?(?:added|gave|put|made|did|changed)\b"
)
_PLAIN = frozenset(lexicon.load("moves")["reference"]["plain"].split())


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
    if phrase.isdigit():
        phrase = f"turn {phrase}"
    before = _BEFORE.fullmatch(phrase)
    if before is not None:
        what = _WHO_DID.sub("", before["what"])
        found = named(conversation, what)
        return conversation.turns[found.parent] if found and found.parent is not None else None
    if _JUST.search(phrase):
        return _editing(conversation, phrase)
    if re.search(r"\b(?:when|where|with|how|without|as|no)\b", phrase):
        return _showing(conversation, phrase) or _editing(conversation, phrase)
    return history.find(conversation, phrase) or _editing(conversation, phrase)


def of_pair(conversation: Conversation, phrase: str) -> Turn | None:
    """Find a turn to compare with: the head may be called "it"."""
    if _HERE.fullmatch(phrase):
        return conversation.turns[conversation.head]
    return named(conversation, phrase)


def _editing(conversation: Conversation, phrase: str) -> Turn | None:
    """Find the nearest edit of what the phrase mentions, the exact value before the mere thing."""
    about = [m for m in mentions(phrase.replace("@", "")) if m.attribute or m.kind == "color"]
    exact = [m.value for m in about if m.value]
    names = {m.attribute for m in about if m.attribute}
    line = history.nearest(conversation)
    made = [(t, changes(t.step.source_prompt, t.step.target_prompt)) for t in line if t.step]
    for t, changed in made:
        if exact and all(value in changed.values() for value in exact):
            return t
    found = next((t for t, changed in made if names & set(changed)), None)
    return found or _about(conversation, phrase)


def _about(conversation: Conversation, phrase: str) -> Turn | None:
    """Find the nearest edit that has the phrase's words in its request or its changed words."""
    wanted = _content(phrase)
    for t in history.nearest(conversation):
        if t.step is None or is_portrait(t.caption):
            continue
        known = {*words_of(t.step.request), *(w for n in t.step.edit_words for w in n.split())}
        if wanted and any(_has(known, word) for word in wanted):
            return t
    return None


def _showing(conversation: Conversation, phrase: str) -> Turn | None:
    """Find the nearest other turn whose picture shows what a phrase asks for and no more."""
    wanted = list(_conditions(phrase))
    if not wanted:
        return None
    for t in history.nearest(conversation):
        shown, words = attributes_of(t.caption), words_of(t.caption)
        portrait = is_portrait(t.caption)
        fits = all(
            _shows(shown, half) == yes if portrait else _says(words, half) == yes
            for half, yes in wanted
        )
        if fits and t.id != conversation.head:
            return t
    return None


def _conditions(phrase: str) -> Iterable[tuple[str, bool]]:
    """Split "with the red hat but without sunglasses" into what is there and what is not."""
    for half in re.split(r",? (?:but|and)(?= with| without| no)", phrase):
        none = re.search(r"\b(?:without|no|not|didn't|hadn't|wasn't|never)\b", half) is not None
        if any(m.kind in ("value", "color") for m in mentions(half)) or _content(half):
            yield half, not none


def _shows(shown: dict[str, str], half: str) -> bool:
    wanted = {m.attribute: m.value for m in mentions(half) if m.kind == "value"}
    hues = [m.value for m in mentions(half) if m.kind == "color"]
    if not wanted and not hues:
        return False
    return all(shown.get(name) == value for name, value in wanted.items()) and all(
        hue in shown.values() for hue in hues
    )


def _says(words: list[str], half: str) -> bool:
    content = _content(half)
    return bool(content) and all(_has(words, word) for word in content)


def _content(phrase: str) -> list[str]:
    return [w for w in words_of(phrase) if w not in _PLAIN]


def _has(words: Iterable[str], word: str) -> bool:
    return any(same(word, known) for known in words)
