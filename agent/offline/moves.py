"""Requests that are not edits: undo, go back to, try again, compare, describe, save, help.

How people say them is in lexicon/moves.toml; each pattern there is for a whole message, or for one
part of a message.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from agent import turn_tree
from agent.captions import attributes_of, changes, is_portrait
from agent.offline import lexicon
from agent.offline.references import edits_about, named, of_pair
from agent.state import (
    MOST_AT_ONCE,
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
from tools.arguments import whole

_COUNTS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6,
           "seven": 7, "eight": 8, "nine": 9, "ten": 10, "twice": 2, "couple": 2,
           "a couple": 2}  # fmt: skip
_ORDER = ("first", "second", "third", "fourth", "fifth")
_THEN = (
    r"\b(?:and|then|but) (?:make|give|add|put|change|remove|take|try|use|have|let|show|turn|go)\b"
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


@cache
def _pattern(table: str, name: str) -> re.Pattern[str]:
    entry: list[str] = lexicon.load("moves")[table][name]
    tail = lexicon.load("moves")[table].get("tail", "") if table == "retry" else ""
    return re.compile(lexicon.filled("moves", f"(?:{'|'.join(entry)}){tail}"))


def _said(table: str, name: str, text: str) -> re.Match[str] | None:
    return _pattern(table, name).fullmatch(text)


def split_start(text: str, conversation: Conversation) -> tuple[Step | None, str]:
    """Take "from the original, …" off the front of a message: a go-to and the rest."""
    match = _said("goto", "from", text)
    if match is None:
        return None, text
    found = named(conversation, match["what"])
    return (GoTo(turn=found.id), match["rest"]) if found else (None, text)


def read_move(text: str, raw: str, conversation: Conversation) -> Step | None:
    """Read a message that moves the head or asks about the pictures; None if it does neither.

    Args:
        text: the message in lower case, without courtesies and final punctuation.
        raw: the same part of the message as it was typed: paths keep their case.
        conversation: where names of turns are looked up, with the head where the step starts.

    Raises:
        NoSuchTurn: it wants a named edit undone, and no edit is called that.
    """
    readers: tuple[Callable[[], Step | None], ...] = (
        lambda: _read_undo(text, conversation),
        lambda: _read_retry(text, conversation),
        lambda: _read_question(text, conversation),
        lambda: _read_save(raw),
        lambda: _read_goto(text, conversation),
    )
    return next((step for read in readers if (step := read()) is not None), None)


def _read_undo(text: str, conversation: Conversation) -> Step | None:
    if _said("undo", "all", text):
        return GoTo(turn=turn_tree.path(conversation)[0].id)
    undone = bool(turn_tree.heads(conversation).future)
    if _said("undo", "redo", text) or _brings_back(text, conversation):
        return Redo()
    if undone and _said("undo", "redo_it", text):
        return Redo()
    if (nth := _said("undo", "nth", text)) is not None:
        line = [t for t in turn_tree.path(conversation) if t.step]
        place = _ORDER.index(nth["nth"])
        return Revert(turn=line[place].id) if place < len(line) else None
    if _said("undo", "last", text):
        return Undo()
    if (counted := _said("undo", "count", text)) is not None:
        return Undo(messages=count(lexicon.groups(counted)["count"]))
    if (later := _said("undo", "after", text)) is not None:
        found = named(conversation, later["what"])
        return GoTo(turn=found.id) if found else None
    if (found := _doubted(text, conversation)) is not None:
        return Revert(turn=found.id)
    match = _said("undo", "named", text)
    if match is None:
        return None
    if (goto := re.match(r"(?:back )?to (.+)", match["what"])) is not None:
        found = named(conversation, goto[1])
        return GoTo(turn=found.id) if found else None
    return _revert(match["what"], conversation)


def _doubted(text: str, conversation: Conversation) -> Turn | None:
    """Find the edit of the path that a message doubts, or whose thing it wants as it was before."""
    bare = _NO_MORE.sub("", re.sub(lexicon.load("moves")["undo"]["but"], "", text))
    for said in dict.fromkeys((bare, text)):
        for name in ("perhaps", "old"):
            match = _said("undo", name, said)
            what = _DOING.sub("", lexicon.groups(match)["what"]) if match else ""
            if not what or re.search(r"\b(?:and|then|but) ", what):
                continue
            found = named(conversation, what)
            if found and found.step and found in turn_tree.path(conversation):
                return found if name == "perhaps" or _had_before(found.step) else None
    return None


def _had_before(step: EditStep) -> bool:
    """Whether an edit changed something that was there, rather than adding it."""
    before = attributes_of(step.source_prompt)
    if is_portrait(step.source_prompt):
        changed = changes(step.source_prompt, step.target_prompt)
        return all(before.get(name, "none") != "none" for name in changed)
    return step.change != "add"


def count(said: str) -> int:
    """Return the number that is said: "two", "a couple", "3 times"."""
    said = said.removesuffix(" times")
    number = _COUNTS.get(said) or whole(said)
    return MOST_AT_ONCE if number is None else min(max(1, number), MOST_AT_ONCE)


def _brings_back(text: str, conversation: Conversation) -> bool:
    """Whether a message names an edit that was just undone: "put the butterfly back"."""
    ahead = set(turn_tree.heads(conversation).future)
    match = _said("undo", "redo_named", text) if ahead and " back" in text else None
    found = named(conversation, match["what"]) if match else None
    return found is not None and found.id in ahead


def _revert(what: str, conversation: Conversation) -> Step | None:
    if re.search(rf"{_THEN}|[,;]", what):
        return None  # a longer message, read part by part
    what = _DOING.sub("", what)
    line = {t.id for t in turn_tree.path(conversation)}
    found = named(conversation, what)
    if found and found.step and found.id in line:
        return Revert(turn=found.id)
    raise NoSuchTurn(f"none of the edits that led here is called “{what}”")


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
    match = _said("retry", "about", text)
    if match is None:
        return ""
    said = lexicon.groups(match)
    again = any(_said("retry", how, then) for how in ("again", "other"))
    bad = "rest" not in said or is_complaint(f"it {said['rest']}")
    return said["what"] if bad and (again or not then) else ""


def _retry_by_name(text: str, conversation: Conversation) -> Step | None:
    """Read "try the hat again"; only the last edit can be, so for another one it is asked back."""
    match = _said("retry", "named", text) or _said("retry", "degree", text)
    if match is None:
        return None
    said = lexicon.groups(match)
    if re.search(_THEN, said["what"]):
        return None
    about = edits_about(conversation, said["what"])
    if conversation.head in about:
        how = next((h for h in ("stronger", "weaker", "other") if h in said), "again")
        return Retry.model_validate({"how": how})
    if not about or match.re is _pattern("retry", "degree"):
        return None
    return Ask(
        question=f"Only the last edit can be made again. Shall I go back to {said['what']} for it?",
        options=(f"go back to @{max(about)}, then try again",),
    )


def _read_question(text: str, conversation: Conversation) -> Step | None:
    if _said("ask", "help", text):
        return Help()
    if (one := _said("ask", "turn", text)) is not None:
        found = named(conversation, one["what"] or one["what2"] or one["what3"])
        return Describe(what="turn", turn=found.id) if found else None
    if _said("ask", "edits", text):
        return Describe(what="edits")
    if (pair := _said("ask", "pair", text)) is not None:
        said = lexicon.groups(pair)
        a, b = of_pair(conversation, said["a"]), of_pair(conversation, said["b"])
        if a and b:
            return Compare(a=a.id, b=b.id)
    if (match := _said("ask", "compare", text)) is not None:
        line = turn_tree.path(conversation)
        what = match["what"] or match["since"] or match["since2"]
        before = of_pair(conversation, what) if what else line[max(len(line) - 2, 0)]
        return Compare(a=before.id, b=conversation.head) if before else None
    return Describe() if _said("ask", "picture", text) else None


def _read_save(raw: str) -> Step | None:
    whole = _ASKED.sub("", raw)
    asked = re.sub(_pattern("ask", "clean").pattern, "", whole, flags=re.IGNORECASE)
    match = re.compile(_pattern("ask", "save").pattern, re.IGNORECASE).fullmatch(asked)
    if match is None:
        return None
    path = (match["path"] or match["path2"] or "").strip("\"'“”")
    return Save(path=path, clean=asked != whole) if _is_file_name(path) else None


def _is_file_name(path: str) -> bool:
    """Whether words can be where to save: one word, or several that end in a suffix."""
    return " " not in path or re.search(r"\.\w{2,4}$", path) is not None


def _read_goto(text: str, conversation: Conversation) -> Step | None:
    found = _place(text, conversation)
    return GoTo(turn=found.id) if found else None


def _place(text: str, conversation: Conversation) -> Turn | None:
    bare = re.sub(lexicon.load("moves")["goto"]["tail"] + "$", "", text)
    if bare != text and re.fullmatch(r"@?\d+", bare):
        return named(conversation, bare)
    alone = lexicon.filled("moves", lexicon.load("moves")["reference"]["alone"])
    if re.fullmatch(alone, bare) and (found := _turn_only(conversation, bare)) is not None:
        return found
    there = _said("goto", "there", bare)
    if there is not None:
        return named(conversation, there["what"])
    for name in ("go", "use"):
        match = re.match(rf"(?:{_pattern('goto', name).pattern}) (?P<what>.+)", bare)
        if match is None or re.search(r"^to |,| (?:and|then) | but (?!with)", match["what"]):
            continue
        if re.match(r"as it was before|how (?:it|she|he) (?:was|looked) before", bare):
            return named(conversation, f"before {match['what']}")
        return named(conversation, match["what"], only_turns=name == "use")
    return None


def _turn_only(conversation: Conversation, phrase: str) -> Turn | None:
    """Find a turn by a phrase alone; "a red one" is an edit, "the red one" may be a turn."""
    if re.match(r"(?:another|no|an?|this|that|last|other|same|next)\b", phrase):
        return None
    numbered = re.search(lexicon.load("moves")["reference"]["numbered"], phrase)
    return named(conversation, phrase) if numbered else None


def reading_of(text: str, step: Step) -> str:
    """Say how an unclear name was read, or nothing."""
    if isinstance(step, GoTo) and _FIRST_ONE.search(text):
        return "I took the first one as the picture all began with; “the first edit” is @1."
    return ""
