"""Requests that are not edits: undo, go back to, try again, compare, describe, save, help."""

from __future__ import annotations

import re
from collections.abc import Callable

from agent import history
from agent.captions import attributes_of, changes
from agent.state import (
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
from agent.vocabulary import mentions

_COUNTS = {"a": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "twice": 2, "couple": 2}
_UNDO = re.compile(
    r"(?:undo|revert|reverse|cancel|scratch|take back|rollback|roll back)"
    r"(?: (?:that|it|this|them|again|the last (?:one|edit|change|thing|step)|(?:my|the) last"
    r"|last (?:one|edit|change|step)))?"
    r"|(?:go |step |take (?:a )?step )?back(?: again)?|oops|never ?mind|take (?:that|it) back"
    r"|i (?:don't|do not|didn't) like (?:it|that|this)|that(?:'s| is) (?:worse|wrong|bad)"
    r"|(?:no,? )?not (?:like )?that|put it back (?:how|the way) it was|previous(?: one| picture)?"
    r"|go back to (?:the )?(?:previous|last)(?: (?:one|picture|version|state))?"
    r"|as it was(?: before)?"
)
_UNDO_COUNT = re.compile(
    r"(?:undo|revert|go back|step back|back|take back)(?: by)?(?: the)?(?: last)? "
    r"(\d+|an?|one|two|three|four|five|twice|couple)(?: of)?(?: more)?"
    r"(?: (?:edits?|changes?|steps?|messages?|times?|things?|turns?))?"
)
_UNDO_ALL = re.compile(
    r"(?:undo|revert|reset|cancel|remove)(?: (?:everything|all|it all))+(?: (?:the )?(?:edits"
    r"|changes))?"
    r"|start (?:over|again|afresh|from scratch|anew)|reset|from scratch|back to (?:square one"
    r"|start)"
)
_REVERT = re.compile(
    r"(?:undo|revert|reverse|cancel|take back|roll back) (?:only |just )?(?P<what>.+?)"
    r"(?: edit| change| part)?(?:,? (?:but|and) (?:keep|leave|not) .*)?"
)
_REDO = re.compile(
    r"redo(?: (?:that|it|this|the last (?:one|edit|change)))?|undo (?:the|that|my) undo"
    r"|(?:go |step )?forward(?: again)?|(?:put|bring|do) (?:it|that) (?:back|again after all)"
    r"|(?:actually,? )?(?:i liked it|it was (?:good|better|fine))(?: after all)?"
)
_GOTO = re.compile(
    r"(?:(?:please |can we )?(?:go|get|come|turn|take me|take it|jump|switch|move|roll"
    r"|return)(?: me)?"
    r"(?: all the way)?(?: back)? to|return to|back to|restore|revert to|use|go|load|open|show"
    r"|(?:let's )?continue (?:from|with)|(?:give|show) me|i (?:liked|like|prefer|preferred|want"
    r"|choose)) "
    r"(?P<what>.+?)(?: (?:better|more|best|again|instead|please|back))*"
)
_FROM = re.compile(
    r"(?:start(?:ing)? |going |work(?:ing)? |branch |go )?(?:back )?"
    r"(?:from|on|using|based on|take|with|use|go back to|back to) "
    r"(?P<what>the original(?: (?:picture|image|photo|one))?|the (?:start|beginning)|@\w+"
    r"|(?:turn|picture|version|edit|number|step) #?\d+|the \w+ (?:one|picture|version|turn|edit)"
    r"|before [\w' -]+?(?=,| and | but ))"
    r"(?:,| and(?: then)?| but(?: with)?| then| with)? +(?P<rest>.+)"
)
_RETRY = {
    "again": r"(?:try|do|make|run)(?: (?:it|that|this))? (?:again|once more|one more time)|again"
    r"|retry|once more|one more time|have another go",
    "other": r"(?:show me |give me |try |make |do )?(?:another|a different|an? alternative"
    r"|an?other)"
    r" (?:version|one|try|variant|variation|attempt|take|result)|something else|variation|vary it"
    r"|(?:try )?(?:something |it )?different(?:ly)?|(?:another|different) seed",
    "stronger": r"(?:try )?again,? (?:but|and) (?:a (?:bit|little) )?(?:stronger|more)"
    r"|(?:a (?:bit|little) |much |even |way |lots? |far )?(?:more|stronger|bolder|clearer)"
    r"(?: of (?:it|that))?(?: please)?|(?:make (?:it|that) )?(?:a (?:bit|little) |much |even )?"
    r"(?:stronger|bolder|more (?:obvious|visible|intense|so))|not enough|increase it",
    "weaker": r"(?:try )?again,? (?:but|and) (?:a (?:bit|little) )?(?:weaker|less)|(?:a (?:bit"
    r"|little) |much |slightly |even |way |far )?(?:less|weaker|subtler|softer)"
    r"(?: of (?:it|that))?(?: please)?|(?:make (?:it|that) )?(?:a (?:bit|little) |much |even )?"
    r"(?:weaker|subtler|softer|more subtle|less (?:strong|obvious|intense|so))|too (?:much|strong)"
    r"|that(?:'s| is| was) too (?:much|strong)|tone it down|more subtle",
}
_EDITS = re.compile(
    r"(?:(?:which|what)(?: \w+)? (?:edits|changes|steps) (?:did|have) (?:i|we|you) (?:make|made"
    r"|do|done)"
    r"|what (?:did|have) (?:i|we|you) (?:do|done|change|changed)(?: so far)?"
    r"|(?:list|show|tell)(?: me)?(?: all)?(?: (?:the|my|our))? (?:edits|changes|history|steps"
    r"|turns)"
    r"|(?:edit )?history)(?: so far)?"
)
_PICTURE = re.compile(
    r"(?:describe|explain)(?: (?:the|this|it|her|him|my|current|picture|image|portrait|photo))*"
    r"|what(?:'s| is| do you see| can you see)(?: (?:in|on|there|the|this|it|picture|image"
    r"|portrait))*"
    r"|what does (?:she|he|it|the picture) look like|who is (?:this|that|she|he)"
    r"|what(?: does|'s| is) (?:she|he) (?:wear|wearing)"
)
_COMPARE = re.compile(
    r"(?:compare|diff)(?: (?:it|this|that|her|him|them|the picture))?(?: (?:with|to|and|against)"
    r" (?P<what>.+))?|(?:show(?: me)? )?before and after|(?:show(?: me)? )?the difference"
    r"|what(?:'s| is| has) (?:the difference|different|changed)(?: (?:from|to"
    r"|since) (?P<since>.+))?"
)
_PAIR = re.compile(r"compare (?P<a>.+?) (?:with|to|and|against) (?P<b>.+)")
_SAVE = re.compile(
    r"(?:save|export|download|keep a copy of)(?: (?:it|this|that|the))?(?: (?:picture|image"
    r"|result|file))?"
    r"(?: (?:as|to|in|into) (?P<path>\S+))?",
    re.IGNORECASE,
)
_HELP = re.compile(
    r"help(?: me)?|what can (?:you|i) (?:do|say|ask)(?: here)?|how does this work|commands"
    r"|what (?:are|is) (?:possible|my options)|how do i use this"
)


def split_start(text: str, conversation: Conversation) -> tuple[Step | None, str]:
    """Take "from the original, …" off the front of a message: a go-to and the rest."""
    match = _FROM.fullmatch(text)
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
    """
    readers: tuple[Callable[[], Step | None], ...] = (
        lambda: _read_undo(text, conversation),
        lambda: _read_retry(text),
        lambda: _read_question(text, conversation),
        lambda: _read_save(raw),
        lambda: _read_goto(text, conversation),
    )
    return next((step for read in readers if (step := read()) is not None), None)


def _read_undo(text: str, conversation: Conversation) -> Step | None:
    if _UNDO_ALL.fullmatch(text):
        return GoTo(turn=history.path(conversation)[0].id)
    if _REDO.fullmatch(text):
        return Redo()
    if _UNDO.fullmatch(text):
        return Undo()
    if (counted := _UNDO_COUNT.fullmatch(text)) is not None:
        return Undo(messages=max(1, _COUNTS.get(counted[1]) or int(counted[1])))
    match = _REVERT.fullmatch(text)
    if match is None:
        return None
    if (goto := re.match(r"(?:back )?to (.+)", match["what"])) is not None:
        found = named(conversation, goto[1])
        return GoTo(turn=found.id) if found else None
    line = {t.id for t in history.path(conversation)}
    found = named(conversation, match["what"])
    return Revert(turn=found.id) if found and found.step and found.id in line else None


def _read_retry(text: str) -> Step | None:
    for how, pattern in _RETRY.items():
        if re.fullmatch(pattern, text):
            return Retry.model_validate({"how": how})
    return None


def _read_question(text: str, conversation: Conversation) -> Step | None:
    if _HELP.fullmatch(text):
        return Help()
    if (
        one := re.fullmatch(r"what (?:did|was|is|does) (@\w+|(?:turn|edit) \d+).*", text)
    ) is not None:
        found = named(conversation, one[1])
        return Describe(what="turn", turn=found.id) if found else None
    if _EDITS.fullmatch(text):
        return Describe(what="edits")
    if (pair := _PAIR.fullmatch(text)) is not None:
        a, b = (_compared(conversation, pair[name]) for name in "ab")
        if a and b:
            return Compare(a=a.id, b=b.id)
    if (match := _COMPARE.fullmatch(text)) is not None:
        line = history.path(conversation)
        what = match["what"] or match["since"]
        found = _compared(conversation, what) if what else line[max(len(line) - 2, 0)]
        return Compare(a=found.id, b=conversation.head) if found else None
    return Describe() if _PICTURE.fullmatch(text) else None


def _compared(conversation: Conversation, phrase: str) -> Turn | None:
    """Find a turn to compare with; "the first one" is the picture that all began with."""
    if re.fullmatch(r"(?:the )?(?:very )?first(?: (?:one|picture|image|photo|version))?", phrase):
        return history.path(conversation)[0]
    if re.fullmatch(r"it|this|this one|now|the current(?: one)?", phrase):
        return conversation.turns[conversation.head]
    return named(conversation, phrase)


def _read_save(raw: str) -> Step | None:
    match = _SAVE.fullmatch(raw)
    return Save(path=match["path"] or "") if match else None


def _read_goto(text: str, conversation: Conversation) -> Step | None:
    if re.fullmatch(r"(?:the )?original|@\w+", text) and (found := named(conversation, text)):
        return GoTo(turn=found.id)
    match = _GOTO.fullmatch(text)
    if match is None or re.search(r",| (?:and|then|but) ", match["what"]):
        return None
    found = named(
        conversation, match["what"], only_turns=not re.search(r"\b(?:back|re\w+)\b", text)
    )
    return GoTo(turn=found.id) if found else None


_TURN_WORDS = re.compile(
    r"@\w|\b(?:one|turn|picture|version|edit|original|before|number|step|start|beginning|when"
    r"|how)\b"
)


def named(conversation: Conversation, phrase: str, *, only_turns: bool = False) -> Turn | None:
    """Find the turn that a phrase names, synonyms included: "before the spectacles".

    Args:
        conversation: where to look; the path to the head goes first.
        phrase: what was said.
        only_turns: demand a word that speaks of turns ("one", "picture", "before", "@2"), since
            "use a hat" is an edit.
    """
    if only_turns and not _TURN_WORDS.search(phrase):
        return None
    before = re.match(r"(?:the (?:one|picture|version) |just |right |how (?:it|she|he) was )*"
                      r"before (?P<what>.+)", phrase)  # fmt: skip
    if before is not None:
        found = named(conversation, before["what"])
        return conversation.turns[found.parent] if found and found.parent is not None else None
    if re.search(r"\b(?:when|where|with|how|without|as)\b", phrase):
        return _showing(conversation, phrase) or _editing(conversation, phrase)
    return history.find(conversation, phrase) or _editing(conversation, phrase)


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
    return next((t for t, changed in made if names & set(changed)), None)


def _showing(conversation: Conversation, phrase: str) -> Turn | None:
    """Find the nearest other turn whose picture shows what the phrase mentions."""
    without = re.search(r"\b(?:without|no|not|didn't|hadn't|wasn't)\b", phrase) is not None
    wanted = {m.attribute: m.value for m in mentions(phrase) if m.kind == "value"}
    for t in history.nearest(conversation):
        shown = attributes_of(t.caption)
        same = all((shown.get(name) == value) != without for name, value in wanted.items())
        if wanted and same and t.id != conversation.head:
            return t
    return None
