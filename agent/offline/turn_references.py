"""Which turn a phrase means: "before the spectacles", "the one without a hat", "picture 2"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from agent import turn_tree
from agent.captions import attributes_of, changes
from agent.offline import lexicon, sentence
from agent.offline.caption_rewrites import mentioned
from agent.offline.portrait_words import mentions
from agent.offline.sentence import same
from agent.state import Adjust, Conversation, Turn
from editing_core.prompt_diff import words_of
from editing_core.worlds.registry import world_of

_BEFORE, _AFTER, _JUST, _NTH, _ORIGINAL, _TURN_WORDS, _WHO_DID = (
    re.compile(lexicon.filled("moves", lexicon.load("moves")["reference"][name]))
    for name in ("before", "after", "just", "nth", "original", "turn_words", "who_did")
)
_HERE = re.compile(
    r"it|this(?: one)?|now|the current(?: one| picture)?|the last one|what (?:i|we) have(?: now)?"
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
    if phrase.isdecimal():
        phrase = f"turn {phrase}"
    if _ORIGINAL.fullmatch(phrase):
        return turn_tree.path(conversation)[0]
    before = _BEFORE.fullmatch(phrase)
    if before is not None:
        what = _WHO_DID.sub("", before["what"])
        return turn_tree.before_edit(conversation, named(conversation, what), what)
    if (after := _AFTER.fullmatch(phrase)) is not None:
        return named(conversation, _WHO_DID.sub("", after["what"]))
    if _JUST.search(phrase):
        return _editing(conversation, phrase)
    if re.search(r"\b(?:when|where|with|how|without|as|no)\b", phrase):
        return _showing(conversation, phrase) or _editing(conversation, phrase)
    return turn_tree.find(conversation, phrase) or _editing(conversation, phrase)


def of_pair(conversation: Conversation, phrase: str) -> Turn | None:
    """Find a turn to compare with: the head may be called "it"."""
    if _HERE.fullmatch(phrase):
        return conversation.turns[conversation.head]
    return named(conversation, phrase)


def edits_about(conversation: Conversation, phrase: str) -> set[int]:
    """Return all edits of the path about what a phrase names: the hat, and its colour."""
    line = [t for t in turn_tree.path(conversation) if t.step]
    if _NTH.search(phrase):
        found = turn_tree.find(conversation, phrase)
        return {found.id} & {t.id for t in line} if found else set()
    known = mentions(phrase)
    hues = {m.value for m in known if m.kind == "color"}
    names = {m.attribute for m in known if m.kind == "value" or m.kind == "thing" and m.attribute}
    if not (hues and names == {"hair"}):
        names |= {f"{name}_color" for name in names}
    names |= {"hair_color"} if hues and "hair" in names else set()
    nouns = [w for w in _content(phrase) if w not in ("edit", "change", "thing", "part", "bit")]
    about = set()
    for t in line:
        changed = changes(t.step.source_prompt, t.step.target_prompt) if t.step else {}
        if isinstance(t.step, Adjust):
            fits = turn_tree.mentions(t, phrase)
        elif world_of(t.caption):
            fits = bool(names & set(changed)) or not names and bool(hues & set(changed.values()))
        else:
            fits = bool(nouns) and _has(_words_of_edit(t), nouns[-1])
        about |= {t.id} if fits else set()
    return about


def _words_of_edit(turn: Turn) -> set[str]:
    """Return the words of an edit: of its request, of its change, and what it is about."""
    if turn.step is None:
        return set()
    changed = {w for name in turn.step.edit_words for w in name.split()}
    changed |= _kinds(turn)
    return {*words_of(turn.step.request), *changed, last_thing([turn])}


def _kinds(turn: Turn) -> set[str]:
    """Return what an edit of the whole picture is about: weather, season, time, style."""
    if turn.step is None or turn.step.change not in ("background", "style"):
        return set()
    groups = {group for group, *_ in mentioned(" ".join(turn.step.edit_words))}
    return groups or {turn.step.change}


def _editing(conversation: Conversation, phrase: str) -> Turn | None:
    """Find the nearest edit of what the phrase mentions, the exact value before the mere thing."""
    about = [m for m in mentions(phrase.replace("@", "")) if m.attribute or m.kind == "color"]
    exact = [m.value for m in about if m.value]
    names = {m.attribute for m in about if m.attribute}
    hues = {m.value for m in about if m.kind == "color"}
    line = turn_tree.nearest(conversation)
    made = [(t, changes(t.step.source_prompt, t.step.target_prompt)) for t in line if t.step]
    for t, changed in made:
        recolored = any(changed.get(f"{name}_color") in hues for name in names)
        if recolored or exact and all(value in changed.values() for value in exact):
            return t
    found = next((t for t, changed in made if names & set(changed)), None)
    return found or _about(conversation, phrase)


def _about(conversation: Conversation, phrase: str) -> Turn | None:
    """Find the nearest edit that has the phrase's words in its request or its changed words."""
    wanted = _content(phrase)
    for t in turn_tree.nearest(conversation):
        if t.step is None or world_of(t.caption):
            continue
        known = {*words_of(t.step.request), *(w for n in t.step.edit_words for w in n.split())}
        known |= _kinds(t)
        if wanted and any(_has(known, word) for word in wanted):
            return t
    return None


def _showing(conversation: Conversation, phrase: str) -> Turn | None:
    """Find the nearest other turn that shows what a phrase asks for; the first if only that."""
    wanted = list(_conditions(phrase))
    if not wanted:
        return None
    alone = re.search(r"\b(?:only|just)\b", phrase)
    for t in turn_tree.path(conversation) if alone else turn_tree.nearest(conversation):
        shown, words = attributes_of(t.caption), words_of(t.caption)
        portrait = world_of(t.caption)
        fits = all(
            _shows(shown, half) == yes if portrait else _says(words, half) == yes
            for half, yes in wanted
        )
        if fits and t.id != conversation.head:
            return t
    return None


def _conditions(phrase: str) -> Iterable[tuple[str, bool]]:
    """Split "with the red hat but without sunglasses" into what is there and what is not."""
    for half in re.split(r",? (?:but|and)(?= with| without| no)| (?=without )", phrase):
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
