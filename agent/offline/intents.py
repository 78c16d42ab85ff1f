"""Requests that are not edits: undo, go back to, try again, compare, describe, save, help.

How people say them is in lexicon/moves.toml; each pattern there is for a whole message, or for one
part of a message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache

from agent import turn_tree
from agent.captions import attributes_of, changes
from agent.offline import lexicon, sentence
from agent.offline.portrait_words import mentions
from agent.offline.turn_references import edits_about, named, of_pair
from agent.state import (
    MOST_AT_ONCE,
    Adjust,
    Ask,
    Compare,
    Conversation,
    Describe,
    EditStep,
    GoTo,
    Help,
    Redo,
    Retry,
    Revert,
    Save,
    Step,
    Turn,
    Undo,
)
from agent.turn_tree import NoSuchTurn
from editing_core.worlds.registry import world_of
from tools.arguments import whole

_COUNTS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6,
           "seven": 7, "eight": 8, "nine": 9, "ten": 10, "twice": 2, "couple": 2,
           "a couple": 2}  # fmt: skip
_ORDER = ("first", "second", "third", "fourth", "fifth")
_DO = "make|give|add|put|change|remove|take|try|use|have|let|show|turn|go"
_THEN = re.compile(rf"\b(?:and|then|but) (?:{_DO})\b|[,;]")
_THEN_TOO = re.compile(
    rf",? (?:(?:and|then|but)(?: then| now)?) (?=(?:{_DO}|dress|dye|paint|set|swap|replace|get)\b)"
)
_DOING = re.compile(
    r"^(?:adding|making|giving|putting"
    r"|what(?:ever)? (?:you|i|we) (?:did|changed)(?: (?:to|with|about))?"
    r"|(?:all )?(?:that|the|this|your|my)(?: whole)?"
    r" (?:business|thing|stuff|bit|part|edit|change|idea) (?:with|about|of|involving))"
    r" (?:the |her |his )?"
)
_NO_MORE = re.compile(r" (?:any ?more|after all|though|really|now)$")
_ASKED = re.compile(
    r"^(?:(?:please|can you|could you|would you|now|ok(?:ay)?|and|then)\W+)+"
    r"|\W+(?:please|for me|now)$",
    re.IGNORECASE,
)
_FIRST_ONE = re.compile(r"\bfirst (?:one|version|picture|image|photo)\b")
_FIRST = re.compile(r"\b(?:original|initial|natural|own|first)\b")
_AND = re.compile(r",? and |, | & | plus ")
_EDITS = re.compile(r"^(?:both |all )?(?:the )?(?:edits|changes|steps|turns|numbers) (?=\d)|^both ")
_SURE = re.compile(lexicon.load("moves")["several"]["sure"])
_THERE = re.compile(lexicon.load("moves")["several"]["there"])
_BUT = re.compile(lexicon.load("moves")["undo"]["but"])


def _any(table: str, name: str) -> str:
    return lexicon.filled("moves", f"(?:{'|'.join(lexicon.load('moves')[table][name])})")


@cache
def _patterns(table: str, name: str) -> tuple[re.Pattern[str], ...]:
    tail = lexicon.load("moves")[table].get("tail", "") if table == "retry" else ""
    entry: list[str] = lexicon.load("moves")[table][name]
    return tuple(re.compile(lexicon.filled("moves", f"(?:{said}){tail}")) for said in entry)


def _said(table: str, name: str, text: str) -> dict[str, str] | None:
    """Return what the named parts of a pattern hold, or None if a text is nothing like it."""
    tries = (pattern.fullmatch(text) for pattern in _patterns(table, name))
    match = next((found for found in tries if found is not None), None)
    return None if match is None else {"": ""} | lexicon.groups(match)


def split_start(text: str, conversation: Conversation) -> tuple[Step | None, str]:
    """Take "from the original, …" off the front of a message: a go-to and the rest."""
    said = _said("goto", "from", text)
    found = named(conversation, said["what"]) if said else None
    return (GoTo(turn=found.id), said["rest"]) if said and found else (None, text)


def read_move(text: str, raw: str, conversation: Conversation) -> Step | None:
    """Read a message that moves the head or asks about the pictures; None if it does neither.

    Args:
        text: the message in lower case, without courtesies and final punctuation.
        raw: the same part of the message as it was typed: paths keep their case.
        conversation: where names of turns are looked up, with the head where the step starts.

    Raises:
        NoSuchTurn: it wants a named edit undone, and no edit is called that.
    """
    readers: tuple[Callable[[str, Conversation], Step | None], ...] = (
        _read_undo, _read_retry, _read_question, lambda *_: _read_save(raw), _read_goto,
    )  # fmt: skip
    return next((step for read in readers if (step := read(text, conversation))), None)


def _go(found: Turn | None) -> GoTo | None:
    return GoTo(turn=found.id) if found else None


def _read_undo(text: str, conversation: Conversation) -> Step | None:
    ahead = bool(turn_tree.heads(conversation).future)
    if _said("undo", "all", text):
        return _go(turn_tree.path(conversation)[0])
    if _said("undo", "redo", text) or _brings_back(text, conversation):
        return Redo()
    if ahead and re.fullmatch(r"redo(?: (?:it|that|this|the last (?:one|edit|change)))?", text):
        return Redo()
    if (nth := _said("undo", "nth", text)) is not None:
        line = [t for t in turn_tree.path(conversation) if t.step]
        place = _ORDER.index(nth["nth"])
        return Revert(turn=line[place].id) if place < len(line) else None
    if _said("undo", "last", text):
        return Undo()
    if (counted := _said("undo", "count", text)) is not None:
        return Undo(messages=count(counted["count"]))
    if (later := _said("undo", "after", text)) is not None:
        return _go(named(conversation, later["what"]))
    if (found := _doubted(text, conversation)) is not None:
        return Revert(turn=found.id)
    return _undo_by_name(text, conversation)


def _undo_by_name(text: str, conversation: Conversation) -> Step | None:
    if (undo := _said("undo", "named", text)) is None:
        return None
    if (goto := re.match(r"(?:back )?to (.+)", undo["what"])) is not None:
        return _go(named(conversation, goto[1]))
    if _THEN.search(undo["what"]):
        return None  # a longer message, read part by part
    what = _DOING.sub("", undo["what"])
    found = named(conversation, what)
    if found and found.step and found in turn_tree.path(conversation):
        return Revert(turn=found.id)
    raise NoSuchTurn(f"none of the edits that led here is called “{what}”")


def _doubted(text: str, conversation: Conversation) -> Turn | None:
    """Find the edit of the path that a message doubts, or whose thing it wants as it was before."""
    bare = _NO_MORE.sub("", _BUT.sub("", text))
    for words in dict.fromkeys((bare, text)):
        for name in ("perhaps", "old"):
            what = _DOING.sub("", (_said("undo", name, words) or {}).get("what", ""))
            if not what or re.search(r"\b(?:and|then|but) ", what):
                continue
            found = named(conversation, what)
            if found and found.step and found in turn_tree.path(conversation):
                return found if name == "perhaps" or _had_before(found.step) else None
    return None


def _had_before(step: EditStep | Adjust) -> bool:
    """Whether an edit changed something that was there, rather than adding it."""
    if not world_of(step.source_prompt):
        return step.change != "add"
    before = attributes_of(step.source_prompt)
    changed = changes(step.source_prompt, step.target_prompt)
    return all(before.get(name, "none") != "none" for name in changed)


def count(said: str) -> int:
    """Return the number that is said: "two", "a couple", "3 times"."""
    said = said.removesuffix(" times")
    number = _COUNTS.get(said) or whole(said)
    return MOST_AT_ONCE if number is None else min(max(1, number), MOST_AT_ONCE)


def _brings_back(text: str, conversation: Conversation) -> bool:
    """Whether a message names an edit that was just undone: "put the butterfly back"."""
    ahead = set(turn_tree.heads(conversation).future)
    said = _said("undo", "redo_named", text) if ahead and " back" in text else None
    found = named(conversation, said["what"]) if said else None
    return found is not None and found.id in ahead


def read_several(text: str, conversation: Conversation) -> tuple[set[int], str] | None:
    """Read which edits of the path go, and what else is wanted then; None for any other message.

    Raises:
        NoSuchTurn: something is to be kept that neither an edit nor the original has.
    """
    if not _THEN_TOO.search(text):
        return None if (gone := _gone(text, conversation)) is None else (gone, "")
    for then in _THEN_TOO.finditer(text):
        before = text[: then.start()]
        gone = None if _THEN_TOO.search(before) else _gone(before, conversation)
        if gone is not None:
            return gone, text[then.end() :]
    return None


def _gone(text: str, conversation: Conversation) -> set[int] | None:
    line = {t.id for t in turn_tree.path(conversation) if t.step}
    if (kept := _said("undo", "kept", text)) is not None:
        names = _AND.split(_THERE.sub("", kept["what"]))
        sure = _SURE.search(text) or all(edits_about(conversation, name) for name in names)
        return line - _staying(names, conversation) if sure else None
    old = _said("undo", "old", _BUT.sub("", text)) if _FIRST.search(text) else None
    if old and len(about := edits_about(conversation, old["what"]) & line) > 1:
        return about
    if (since := _said("undo", "from", text)) is not None:
        found = named(conversation, since["what"])
        return {n for n in line if n >= found.id} if found and found.id in line else None
    if (first := _said("undo", "first", text)) is not None:
        return set(sorted(line)[: count(first["count"])])
    dropped = _said("undo", "dropped", text)
    if dropped is None or re.search(r"\b(?:keep|leave|not|rest)\b", text):
        return None
    turns = [named(conversation, n) for n in _AND.split(_EDITS.sub("", dropped["what"]))]
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
    if world_of(caption):
        shown = attributes_of(caption)
        return any(shown.get(m.attribute, "none") != "none" for m in mentions(name))
    return sentence.find(sentence.chain(caption), name.split()) is not None


def _read_retry(text: str, conversation: Conversation) -> Step | None:
    for how in ("again", "other", "stronger", "weaker"):
        if _said("retry", how, text):
            return Retry.model_validate({"how": how})
    about = about_complaint(text)
    if is_complaint(text) or about and conversation.head in edits_about(conversation, about):
        return Retry(how="other")
    return _retry_by_name(text, conversation)


def is_complaint(text: str, then: str = "") -> bool:
    """Whether a message, or what another try is asked for after, says an edit came out badly."""
    again = any(_said("retry", how, then) for how in ("again", "other", "stronger", "weaker"))
    again = again or _said("undo", "last", then) is not None
    disliked = again and _said("undo", "last", text) and not re.match(r"undo|go|step|back", text)
    return bool(disliked) or _said("retry", "complaint", text) is not None


def about_complaint(text: str, then: str = "") -> str:
    """Return what a complaint names as having come out badly: "the walls look a bit off"."""
    said = _said("retry", "about", text)
    if said is None:
        return ""
    again = any(_said("retry", how, then) for how in ("again", "other"))
    bad = "rest" not in said or is_complaint(f"it {said['rest']}")
    return said["what"] if bad and (again or not then) else ""


def _retry_by_name(text: str, conversation: Conversation) -> Step | None:
    """Read "try the hat again"; only the last edit can be, so for another one it is asked back."""
    by_name = _said("retry", "named", text)
    said = by_name or _said("retry", "degree", text)
    if said is None or _THEN.search(said["what"]):
        return None
    about = edits_about(conversation, said["what"])
    if conversation.head in about:
        how = next((h for h in ("stronger", "weaker", "other") if h in said), "again")
        return Retry.model_validate({"how": how})
    if not about or by_name is None:
        return None
    return Ask(
        question=f"Only the last edit can be made again. Shall I go back to {said['what']} for it?",
        options=(f"go back to @{max(about)}, then try again",),
    )


def _read_question(text: str, conversation: Conversation) -> Step | None:
    if _said("ask", "help", text):
        return Help()
    if (one := _said("ask", "turn", text)) is not None:
        found = named(conversation, one["what"])
        return Describe(what="turn", turn=found.id) if found else None
    if _said("ask", "edits", text):
        return Describe(what="edits")
    if (pair := _said("ask", "pair", text)) is not None:
        a, b = of_pair(conversation, pair["a"]), of_pair(conversation, pair["b"])
        if a and b:
            return Compare(a=a.id, b=b.id)
    if (said := _said("ask", "compare", text)) is not None:
        line = turn_tree.path(conversation)
        what = said.get("what")
        before = of_pair(conversation, what) if what else line[max(len(line) - 2, 0)]
        return Compare(a=before.id, b=conversation.head) if before else None
    return Describe() if _said("ask", "picture", text) else None


def _read_save(raw: str) -> Step | None:
    asked = _ASKED.sub("", raw)
    bare = re.sub(_any("ask", "clean"), "", asked, flags=re.IGNORECASE)
    match = re.fullmatch(_any("ask", "save"), bare, re.IGNORECASE)
    if match is None:
        return None
    path = (match["path"] or match["path2"] or "").strip("\"'“”")
    is_name = " " not in path or re.search(r"\.\w{2,4}$", path) is not None
    return Save(path=path, clean=bare != asked) if is_name else None


def _read_goto(text: str, conversation: Conversation) -> Step | None:
    bare = re.sub(lexicon.load("moves")["goto"]["tail"] + "$", "", text)
    if bare != text and re.fullmatch(r"@?\d+", bare):
        return _go(named(conversation, bare))
    reference = lexicon.load("moves")["reference"]
    alone = re.fullmatch(lexicon.filled("moves", reference["alone"]), bare)
    if alone and not re.match(r"(?:another|no|an?|this|that|last|other|same|next)\b", bare):
        found = named(conversation, bare) if re.search(reference["numbered"], bare) else None
        if found:  # "the red one" may be a turn; "a red one" is an edit
            return _go(found)
    if (there := _said("goto", "there", bare)) is not None:
        return _go(named(conversation, there["what"]))
    for name in ("go", "use"):
        match = re.match(rf"{_any('goto', name)} (?P<what>.+)", bare)
        if match is None or re.search(r"^to |,| (?:and|then) | but (?!with)", match["what"]):
            continue
        if re.match(r"as it was before|how (?:it|she|he) (?:was|looked) before", bare):
            return _go(named(conversation, f"before {match['what']}"))
        return _go(named(conversation, match["what"], only_turns=name == "use"))
    return None


def reading_of(text: str, step: Step) -> str:
    """Say how an unclear name was read, or nothing."""
    if isinstance(step, GoTo) and _FIRST_ONE.search(text):
        return "I took the first one as the picture all began with; “the first edit” is @1."
    return ""
