"""The tree of turns: paths, and the head's moves (undo, redo, go to) as pure functions.

Undo never re-runs anything. Like the back button of a browser it returns the head to where it was
before a message; redo goes forward again; a new edit or a go-to empties what redo could return to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from agent.state import Adjust, Conversation, Turn
from editing_core.prompt_diff import edit_words, words_of
from tools.arguments import whole

_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth".split()
_CARDINALS = "one two three four five six seven eight nine ten".split()
CALLED = {
    "crop": "crop cropping aspect ratio",
    "resize": "resize resizing size",
    "rotate": "rotate rotation rotating turn",
    "straighten": "straighten straightening",
    "flip": "flip flipping mirror mirroring",
    "brightness": "brightness brightening brighter darkening darker",
    "contrast": "contrast",
    "saturation": "saturation colour color colours colors",
    "warmth": "warmth temperature warmer cooler",
    "sharpness": "sharpness sharpening sharper softer",
    "grayscale": "grayscale greyscale black white black-and-white monochrome",
    "blur": "blur blurring blurred",
}
"""The words that a plain operation goes by, beside those that asked for it."""
_NAMED = re.compile(
    r"@(\w+)|\b(?:turn|picture|step|number|edit|version|image|photo|no\.?)"
    rf" ?#?(\d+|{'|'.join(_CARDINALS)})\b|\b(\d+)(?:st|nd|rd|th)\b"
)
_PLAIN = frozenset("the a an one picture turn edit version her his with it that to was".split())


class NoSuchTurn(ValueError):
    """The conversation has no turn like that; the message says which there are."""


@dataclass(frozen=True)
class Heads:
    """Where the head is, and where undo and redo lead, newest last."""

    head: int
    past: tuple[int, ...]
    future: tuple[int, ...]


def heads(conversation: Conversation) -> Heads:
    """Return where the conversation's head is and can go."""
    return Heads(conversation.head, tuple(conversation.past), tuple(conversation.future))


def undo(at: Heads, messages: int = 1) -> Heads:
    """Return to where the head was before the last messages that moved it.

    Raises:
        NoSuchTurn: nothing is left to undo; fewer than asked for is done without complaint.
    """
    if not at.past:
        raise NoSuchTurn("there is nothing to undo")
    for _ in range(min(messages, len(at.past))):
        at = Heads(at.past[-1], at.past[:-1], (*at.future, at.head))
    return at


def redo(at: Heads, messages: int = 1) -> Heads:
    """Take back as many undos.

    Raises:
        NoSuchTurn: nothing was undone, or something was edited since.
    """
    if not at.future:
        raise NoSuchTurn("there is nothing to redo")
    for _ in range(min(messages, len(at.future))):
        at = Heads(at.future[-1], (*at.past, at.head), at.future[:-1])
    return at


def turn(conversation: Conversation, number: int) -> Turn:
    """Return a turn by its number.

    Raises:
        NoSuchTurn: there is none of that number.
    """
    if 0 <= number < len(conversation.turns):
        return conversation.turns[number]
    raise NoSuchTurn(f"there is no turn {number}; the turns are 0 to {len(conversation.turns) - 1}")


def path(conversation: Conversation, number: int | None = None) -> list[Turn]:
    """Return the turns from the original to a turn, or to the head."""
    at: int | None = conversation.head if number is None else number
    found: list[Turn] = []
    while at is not None:
        found.append(turn(conversation, at))
        at = found[-1].parent
    return found[::-1]


def children(conversation: Conversation, number: int) -> list[Turn]:
    """Return the turns edited from a turn, in the order in which they were made."""
    return [t for t in conversation.turns if t.parent == number]


def branches(conversation: Conversation) -> list[Turn]:
    """Return the turns that nothing was edited from: the tips of all branches."""
    parents = {t.parent for t in conversation.turns}
    return [t for t in conversation.turns if t.id not in parents]


def later(conversation: Conversation, number: int) -> list[Turn]:
    """Return the turns after a turn on the path to the head: what a revert replays.

    Raises:
        NoSuchTurn: the turn is not an edit on the path.
    """
    line = path(conversation)
    place = next((i for i, t in enumerate(line) if t.id == number and t.step), None)
    if place is None:
        raise NoSuchTurn(f"turn {number} is not among the edits that led here")
    return line[place + 1 :]


def mentions(candidate: Turn, phrase: str) -> bool:
    """Whether an edit is about the words of a phrase: in its request or in the words it changed."""
    if candidate.step is None:
        return False
    wanted = [word for word in words_of(phrase) if word not in _PLAIN]
    known = set(words_of(candidate.step.request))
    if isinstance(candidate.step, Adjust):
        known.update(CALLED[candidate.step.operation].split())
    changed = edit_words(candidate.step.source_prompt, candidate.step.target_prompt)
    known.update(word for name in changed for word in name.split())
    return bool(wanted) and all(word in known for word in wanted)


def find(conversation: Conversation, phrase: str) -> Turn | None:
    """Find the turn that a phrase names, or None.

    Understood are "@3", "@last", "@original", "@hat", "turn 3", "the second one", "the original",
    "the last one", "before the hat" (the turn it was made from) and words of an edit; the path to
    the head goes before other branches, later turns before earlier ones.
    """
    phrase = phrase.lower().strip(" .!?")
    phrase = re.sub(r"^(?:(?:back )?to |the )+", "", phrase)
    if (before := re.match(r"(?:the one |just |right )*before (.+)", phrase)) is not None:
        return before_edit(conversation, find(conversation, before[1]), before[1])
    if (named := _NAMED.search(phrase)) is not None:
        name = named[1] or named[2] or named[3]
        if name in _CARDINALS:
            name = str(_CARDINALS.index(name) + 1)
        if name.isdecimal():
            number = whole(name)
            return next((t for t in conversation.turns if t.id == number), None)
        phrase = name
    return _by_words(conversation, phrase)


def before_edit(conversation: Conversation, edit: Turn | None, phrase: str) -> Turn | None:
    """Return the turn before an edit that a phrase named, None if there is none.

    Before "the hat" is before it was added, even if its colour was changed since.
    """
    if edit is None or edit.parent is None:
        return None
    if edit.step and edit.step.change in ("color", "attribute"):
        earlier = reversed(path(conversation, edit.id))
        added = (t for t in earlier if t.step and t.step.change == "add" and mentions(t, phrase))
        edit = next(added, edit)
    return conversation.turns[edit.parent or 0]


def _by_words(conversation: Conversation, phrase: str) -> Turn | None:
    words = words_of(phrase)
    if {"original", "start", "beginning"} & set(words):
        return path(conversation)[0]
    if "first" in words and not {"edit", "change", "turn", "step"} & set(words):
        return path(conversation)[0]  # the first picture is the one before any edit
    for number, ordinal in enumerate(_ORDINALS, start=1):
        if ordinal in words:
            return next((t for t in conversation.turns if t.id == number), None)
    if "last" in words or "latest" in words:
        return conversation.turns[-1]
    return next((t for t in nearest(conversation) if mentions(t, phrase)), None)


def nearest(conversation: Conversation) -> Iterator[Turn]:
    """Yield turns from the head back to the original, then all others, newest first."""
    line = path(conversation)[::-1]
    yield from line
    on_path = {t.id for t in line}
    yield from (t for t in reversed(conversation.turns) if t.id not in on_path)
