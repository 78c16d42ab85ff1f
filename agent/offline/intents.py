"""Requests that are no edits (undo, go to, try again, compare, save), and the turns they name.

How people say them is in lexicon/moves.toml; each pattern there is for a whole message, or for one
part of a message. `_MOVES` says what each becomes; the first that becomes a step is taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from agent import turn_tree
from agent.captions import attributes_of, changes
from agent.offline import lexicon
from agent.offline.caption_phrases import mentioned
from agent.offline.captions import chain, same
from agent.offline.portrait_words import Changes, mentions
from agent.state import (
    MOST_AT_ONCE,
    Adjust,
    Ask,
    Compare,
    Conversation,
    Describe,
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
from editing_core.prompt_diff import words_of
from editing_core.worlds.registry import world_of
from tools.arguments import whole

Said = Mapping[str, str]
"""What the named parts of a pattern hold."""
ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth".split()
_COUNTS = {word: n for n, word in enumerate("one two three four five six seven eight nine ten"
                                            .split(), 1)}  # fmt: skip
_COUNTS |= {"a": 1, "an": 1, "twice": 2, "couple": 2, "a couple": 2}
_WORDS = lexicon.load("moves")
_THEN = re.compile(rf"\b(?:and|then|but) (?:{_WORDS['several']['do']})\b|[,;]")
_THEN_TOO = re.compile(
    rf",? (?:(?:and|then|but)(?: then| now)?) (?=(?:{_WORDS['several']['do']})\b)"
)
_DOING, _TAIL, _ASKED = (
    re.compile(_WORDS["several"][name], re.IGNORECASE) for name in ("doing", "tail", "asked")
)
_ONCE_MORE = {"again": "try again", "stronger": "stronger", "weaker": "a bit less",
              "other": "another version"}  # fmt: skip
_MARKS = {name: re.compile(said) for name, said in _WORDS["marks"].items()}

_REFERENCE = _WORDS["reference"]
_BEFORE, _JUST, _NTH, _ORIGINAL, _TURN_WORDS, _WHO_DID, _HERE = (
    re.compile(lexicon.filled("moves", _REFERENCE[name]))
    for name in ("before", "just", "nth", "original", "turn_words", "who_did", "here")
)
_PLAIN = frozenset(_REFERENCE["plain"].split())

_NONE = r"(?:without|no|not|didn't|hadn't|wasn't|weren't|isn't|never)\b"
"""What says that something was not there."""
_said = partial(lexicon.said, "moves")
"""What the named parts of a pattern of a table's entry hold in a text, or None."""


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
    bare = re.sub(_WORDS["goto"]["praise"] + "$", "", text)
    forms = {
        "perhaps": _TAIL.sub("", text),
        "old": _TAIL.sub("", text),
        "save": _ASKED.sub("", raw),
    }
    for table, name, become in _MOVES:
        said = _said(table, name, bare if table == "goto" else forms.get(name, text))
        said = _said(table, name, text) if said is None and name in forms else said
        if said is not None and (step := become(said, conversation)) is not None:
            return step
    return None


def _go(found: Turn | None) -> GoTo | None:
    return GoTo(turn=found.id) if found else None


def _turn(said: Said, conversation: Conversation) -> Turn | None:
    return named(conversation, said["what"])


def _on_path(found: Turn | None, conversation: Conversation) -> Revert | None:
    there = found is not None and found.step and found in turn_tree.path(conversation)
    return Revert(turn=found.id) if found is not None and there else None


def _nth(said: Said, conversation: Conversation) -> Step | None:
    line = [t for t in turn_tree.path(conversation) if t.step]
    return next((Revert(turn=t.id) for t in line[ORDINALS.index(said["nth"]) :]), None)


def count(said: str) -> int:
    """Return the number that is said: "two", "a couple", "3 times"."""
    number = _COUNTS.get(said) or whole(said.removesuffix(" times"))
    return MOST_AT_ONCE if number is None else min(max(1, number), MOST_AT_ONCE)


def _before(said: Said, conversation: Conversation) -> Step | None:
    found = _turn(said, conversation)
    return GoTo(turn=found.parent or 0) if found and found.step else None


def _redo(said: Said, conversation: Conversation) -> Step | None:
    """Read "redo", and "put the butterfly back" where an undo just took it."""
    ahead = set(turn_tree.heads(conversation).future)
    found = _turn(said, conversation) if said.get("what") and ahead else None
    return Redo() if ahead and not said.get("what") or found and found.id in ahead else None


def _doubted(said: Said, conversation: Conversation, *, changed: bool = False) -> Step | None:
    """Take back the edit of the path that a message doubts, or that changed what it wants back."""
    what = _DOING.sub("", said["what"])
    found = None if re.search(r"\b(?:and|then|but) ", what) else named(conversation, what)
    step = found.step if found else None
    if changed and step and world_of(step.source_prompt):
        before = attributes_of(step.source_prompt)
        made = changes(step.source_prompt, step.target_prompt)
        found = found if all(before.get(name, "none") != "none" for name in made) else None
    elif changed and step and step.change == "add":
        found = None
    return _on_path(found, conversation)


def _lost(said: Said, conversation: Conversation) -> Step | None:
    """Take back the edit after which something was red no more: "make it red again"."""
    for turn in reversed(turn_tree.path(conversation)):
        if turn.step and said["word"] in set(words_of(turn.step.source_prompt)) - set(
            words_of(turn.step.target_prompt)
        ):
            return Revert(turn=turn.id)
    return None


def _undo_by_name(said: Said, conversation: Conversation) -> Step | None:
    if (goto := re.match(r"(?:back )?to (.+)", said["what"])) is not None:
        return _go(named(conversation, goto[1]))
    if _THEN.search(said["what"]):
        return None  # a longer message, read part by part
    what = _DOING.sub("", said["what"])
    if (step := _on_path(named(conversation, what), conversation)) is not None:
        return step
    raise NoSuchTurn(f"none of the edits that led here is called “{what}”")


def _retry(how: str) -> Callable[[Said, Conversation], Step | None]:
    return lambda *_: Retry.model_validate({"how": how})


def _is(table: str, names: Iterable[str], text: str) -> bool:
    return any(_said(table, name, text) is not None for name in names)


def is_complaint(text: str, then: str = "") -> bool:
    """Whether a message, or what another try is asked for after, says an edit came out badly."""
    again = _is("retry", ("again", "other", "stronger", "weaker"), then)
    again = again or _is("undo", ("last",), then)
    disliked = again and _is("undo", ("last",), text) and not re.match(r"undo|go|step|back", text)
    return disliked or _is("retry", ("complaint",), text)


def about_complaint(text: str, then: str = "") -> str:
    """Return what a complaint names as having come out badly: "the walls look a bit off"."""
    said = _said("retry", "about", text) or {}
    again = not then or _is("retry", ("again", "other"), then)
    bad = again and ("rest" not in said or is_complaint(f"it {said['rest']}"))
    return said.get("what", "") if bad else ""


def _complaint(said: Said, conversation: Conversation) -> Step | None:
    bad = "rest" not in said or is_complaint(f"it {said['rest']}")
    about = bad and conversation.head in edits_about(conversation, said["what"])
    return Retry(how="other") if about else None


def _retry_by_name(said: Said, conversation: Conversation) -> Step | None:
    """Read "try the hat again"; only the last edit can be, so for another one it is asked back."""
    if _THEN.search(said["what"]):
        return None
    about = edits_about(conversation, said["what"])
    how = next((h for h in ("stronger", "weaker", "other") if h in said), "again")
    return once_more(max(about), said["what"], how, conversation.head) if about else None


def once_more(turn: int, name: str, how: str, head: int) -> Retry | Ask:
    """Make an edit again, if it is the last; for another one ask whether to go back to it."""
    if turn == head:
        return Retry.model_validate({"how": how})
    return Ask(
        question=f"Only the last edit can be made again. Shall I go back to {name} for it?",
        options=(f"go back to @{turn}, then {_ONCE_MORE[how]}",),
    )


def _describe_turn(said: Said, conversation: Conversation) -> Step | None:
    found = _turn(said, conversation)
    return Describe(what="turn", turn=found.id) if found else None


def _compare(said: Said, conversation: Conversation) -> Step | None:
    line = turn_tree.path(conversation)
    if "a" in said:
        a, b = of_pair(conversation, said["a"]), of_pair(conversation, said["b"])
    else:
        what = said.get("what")
        a = of_pair(conversation, what) if what else line[max(len(line) - 2, 0)]
        b = line[-1]
    return Compare(a=a.id, b=b.id) if a and b else None


def _save(said: Said, _: Conversation) -> Step | None:
    path = said.get("path", "").strip("\"'“”")
    is_name = " " not in path or re.search(r"\.\w{2,4}$", path) is not None
    return Save(path=path, clean="clean" in said) if is_name else None


def _goto(said: Said, conversation: Conversation, *, only_turns: bool = False) -> Step | None:
    what = said["what"]
    if re.search(rf"^to |,| (?:and|then) | but (?!with\b|{_NONE})", what):
        return None
    return _go(named(conversation, what, only_turns=only_turns))


def _goto_alone(said: Said, conversation: Conversation) -> Step | None:
    """Read a turn alone, "the red one"; "a red one" is an edit."""
    numbered = re.search(_WORDS["reference"]["numbered"], said["what"])
    return _go(_turn(said, conversation)) if numbered else None


_MOVES: tuple[tuple[str, str, Callable[[Said, Conversation], Step | None]], ...] = (
    ("undo", "all", lambda _, c: _go(turn_tree.path(c)[0])),
    ("undo", "redo", lambda *_: Redo()),
    ("undo", "ahead", _redo),
    ("undo", "nth", _nth),
    ("undo", "last", lambda *_: Undo()),
    ("undo", "count", lambda said, _: Undo(messages=count(said["count"]))),
    ("undo", "from", _before),
    ("undo", "after", lambda said, c: _go(_turn(said, c))),
    ("undo", "perhaps", _doubted),
    ("undo", "old", partial(_doubted, changed=True)),
    ("undo", "again", _lost),
    ("undo", "named", _undo_by_name),
    *(("retry", how, _retry(how)) for how in ("again", "other", "stronger", "weaker")),
    ("retry", "complaint", _retry("other")),
    ("retry", "about", _complaint),
    ("retry", "named", _retry_by_name),
    ("retry", "degree", _retry_by_name),
    ("ask", "help", lambda *_: Help()),
    ("ask", "turn", _describe_turn),
    ("ask", "edits", lambda *_: Describe(what="edits")),
    ("ask", "pair", _compare),
    ("ask", "compare", _compare),
    ("ask", "picture", lambda *_: Describe()),
    ("ask", "save", _save),
    ("goto", "alone", _goto_alone),
    ("goto", "there", lambda said, c: _go(_turn(said, c))),
    ("goto", "go", _goto),
    ("goto", "use", partial(_goto, only_turns=True)),
)
"""Table and entry of the lexicon, and what becomes of what its patterns find."""


def read_several(text: str, conversation: Conversation) -> tuple[set[int], str] | None:
    """Read which edits of the path go, and what else is wanted then; None for any other message.

    Each segment between "and", "but" and commas keeps or undoes what it names, or all the rest; one
    without a verb goes on with the last.

    Raises:
        NoSuchTurn: something is to be kept that no edit is called.
    """
    line = {t.id for t in turn_tree.path(conversation) if t.step}
    if (first := _said("undo", "first", text)) is not None:
        return set(sorted(line)[: count(first["count"])]), ""
    then = _THEN_TOO.search(text)
    read = _kept_and_gone(text[: then.start()] if then else text)
    if read is None:
        return None
    kept, gone, all_gone = read
    if all_gone and kept and not gone:
        staying = [edits_about(conversation, name) for name in kept]
        if _MARKS["sure"].search(text) and not all(staying):
            missing = kept[staying.index(set())]
            raise NoSuchTurn(f"none of the edits that led here is called “{missing}”")
        ids = line.difference(*staying) if all(staying) else None
    else:
        turns = [named(conversation, name) for name in gone]
        known = len(gone) > 1 and not (all_gone or kept)
        ids = {turn.id for turn in turns if turn and turn.id in line} if known else set()
        ids = ids if known and len(ids) == len(gone) else None
    return None if ids is None else (ids, text[then.end() :] if then else "")


def _kept_and_gone(text: str) -> tuple[list[str], list[str], bool] | None:
    """Return what a message keeps and what it undoes, and whether it undoes all the rest."""
    kept: list[str] = []
    gone: list[str] = []
    into: list[str] | None = None
    all_gone = all_kept = False
    for segment in (s.strip() for s in _MARKS["segment"].split(text) if s and s.strip()):
        marks = {name for name, pattern in _MARKS.items() if pattern.search(segment)}
        undoes = marks & {"undoes", "start"} or {"weakly", "all"} <= marks
        if "keeps" in marks or "only" in marks and not undoes:
            into, all_gone = kept, all_gone or {"keeps", "only"} <= marks
        elif undoes:
            into = gone
        elif into is None or "weakly" in marks:
            return None
        elif all_gone or all_kept:  # "everything but the hat"
            into = kept if all_gone else gone
        name = " ".join(_MARKS["fill"].sub(" ", segment).split())
        if marks & {"all", "start"}:
            all_gone, all_kept = all_gone or into is gone, all_kept or into is kept
        elif name:
            into.append(name)
    return kept, gone, all_gone


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
        if isinstance(turn.step, Adjust):
            fits = turn_tree.mentions(turn, phrase)
        elif world_of(turn.caption):
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
    for half in re.split(rf",? (?:but|and)(?= with\b| {_NONE})| (?=without )", phrase):
        none = re.search(rf"\b{_NONE}", half) is not None
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
        parts = chain(turn.step.target_prompt)
        about = [part.head for part in parts if changed & {w.lower() for w in part.words}]
        if about:
            return about[-1]
    return ""
