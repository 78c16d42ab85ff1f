"""A message as it is typed becomes plain clauses: courtesies, corrections, word order, parts."""

from __future__ import annotations

import re

from agent.captions import COLOR_OF
from agent.offline import lexicon
from agent.offline.portrait_words import mentions
from agent.offline.spelling import corrected
from editing_core.prompt_diff import words_of

LONGEST = 2000
"""Characters of a message that are read."""
LONGEST_PART = 200
"""Characters of one wish; what is longer is no wish, and patterns take their time over it."""
MOST_PARTS = 24
"""Wishes of one message that are read."""

_WORDS = lexicon.load("messages")
_CORRECTION = re.compile(_WORDS["correction"], re.IGNORECASE)
_COURTESY = re.compile("|".join(_WORDS["courtesy"]))
BREAK = re.compile("|".join(_WORDS["break"]))
_THING = re.compile(
    r"\b(?:the|its) [\w'-]+(?: (?:ones?|edit|step|picture|version))?", re.IGNORECASE
)
_NOT = re.compile(r",? (?:and |but )?not (?:(?:an?|the|any|in|with) )*")
_ENDS = re.compile(r"(?: ones?)?(?:$|[,.;]| (?:for|on|to|and|please)\b)")
_NEAR = 40  # characters after a "not" in which what it denies is looked for
_CONTRACTED = [
    (re.compile(rf"(?<![\w@./'-])({'|'.join(stems.split())}){tail}(?![\w@/'-]|\.\w)", re.I), tail)
    for tail, stems in _WORDS["contractions"].items()
]
_I = re.compile(rf"\bi(ll|d) (?=(?:{'|'.join(_WORDS['after_i'].split())})\b)", re.I)
_KEEP = re.compile(rf"(?:{'|'.join(_WORDS['keep'])})\b")
_REASONS = [re.compile(pattern) for pattern in _WORDS["reason"]]
_VERB = re.compile(rf"\b(?:{'|'.join(_WORDS['verbs'].split())})\b")
_CHATTER = re.compile(rf"(?:{'|'.join(_WORDS['chatter'])}){_WORDS['chatter_tail']}")


def is_chatter(text: str) -> bool:
    """Whether a message only keeps the conversation going: "thanks!"."""
    return not text or _CHATTER.fullmatch(text) is not None


def keeps(part: str) -> bool:
    """Whether a part of a message only says what is to stay."""
    return _KEEP.match(part) is not None


def is_named(part: str) -> bool:
    """Whether a part is only a thing with "the", as at the end of "keep the hat and the scarf"."""
    return re.fullmatch(r"(?:the|her|his|its) [\w-]+(?: [\w-]+)?", part) is not None


def gives_reason(part: str) -> bool:
    """Whether a part has the form of a reason: "she's got an interview"."""
    return any(pattern.fullmatch(part) for pattern in _REASONS)


def has_verb(part: str) -> bool:
    """Whether a part says what to do, rather than going on with what an earlier one says."""
    return _VERB.search(part) is not None


def self_corrected(text: str) -> str:
    """Let what follows "no wait" or "I mean" replace the clause before it, or its colour alone."""
    while (match := _CORRECTION.fullmatch(text)) is not None:
        before, after = match["before"], match["after"]
        start = max((m.end() for m in BREAK.finditer(before)), default=0)
        if _THING.fullmatch(after):
            found = list(_THING.finditer(before, start))
            named = before[: found[-1].start()] + after + before[found[-1].end() :] if found else ""
            text = named or f"{before}, {after}"
            continue
        kinds = {m.kind for m in mentions(after.lower())}
        hues = [m for m in mentions(before.lower()) if m.kind == "color" and m.start >= start]
        if hues and "color" in kinds and kinds <= {"color", "it"}:
            hue = next(m for m in mentions(after.lower()) if m.kind == "color")
            text = before[: hues[-1].start] + hue.value + before[hues[-1].end :]
        else:
            text = before[:start] + after
    return text


def with_apostrophes(text: str) -> str:
    """Write contractions as they are spelled: "whats" is "what's", "id like" is "I'd like"."""
    for pattern, tail in _CONTRACTED:
        text = pattern.sub(rf"\1{tail[:-1]}'{tail[-1]}" if tail == "nt" else rf"\1'{tail}", text)
    for spelled, meant in _WORDS["apart"].items():
        text = re.sub(spelled, meant, text, flags=re.I)
    return _I.sub(r"i'\1 ", text)


def plain(text: str, caption: str) -> str:
    """Return a message in lower case without courtesies, with light typing errors mended."""
    text = text.lower().replace("’", "'").replace("‘", "'")
    text = re.sub(r"[!?.]{2,}(?= |$)", ".", text)
    text = re.sub(r"\bblack (?:and|&) white\b", "black-and-white", text)
    before = ""
    while before != text:
        before, text = text, " ".join(_COURTESY.sub(" ", text).split()).strip(" .!?,")
    return corrected(text, words_of(caption))


def without_contrast(text: str) -> str:
    """Leave out of "blue, not red" and "a cap not a hat" what the other takes the place of."""
    for no in _NOT.finditer(text):
        old = next((m for m in mentions(text[no.end() :][:_NEAR]) if m.start == 0), None)
        if old is None or old.kind not in ("value", "color"):
            continue
        rest = text[no.end() + old.end :]
        before = {(m.kind, m.attribute) for m in mentions(text[: no.start()])}
        whole = old.kind == "value" or _ENDS.match(rest)
        if whole and (old.kind, old.attribute) in before:
            return text[: no.start()] + rest
    return text


def in_usual_order(text: str) -> str:
    """Write a whole message in the usual word order: "not a hat, a cap" is a cap instead."""
    for pattern, usual in _WORDS["order"].items():
        text = re.sub(rf"^{pattern}$", usual, text)
    return text


def parts(text: str) -> list[str]:
    """Split a message into its wishes.

    "The hat and the shirt blue" gives both their colour; "glasses, round ones" names them twice.
    """
    found = [part for piece in BREAK.split(text) if (part := piece.strip(" ,.!?:"))]
    for i in range(len(found) - 2, -1, -1):
        here, there = mentions(found[i]), mentions(found[i + 1])
        color = there[-1] if there and there[-1].kind == "color" else None
        plain_ = all(m.kind not in ("color", "remove", "it") for m in here) and here
        colors = re.match(r"(?:make|paint|colou?r|dye|turn|change)\b", found[i])
        named = any(m.attribute in COLOR_OF for m in here) and len(there) > 1
        if color and plain_ and colors and named and not has_verb(found[i + 1]):
            found[i] += f" {color.value}"
        noun = next((m for m in reversed(here) if m.kind == "value"), None)
        if noun and re.fullmatch(r"(?:an? |the |some )?[\w-]+ ones?", found[i + 1]):
            found[i + 1] = re.sub(r"\bones?$", found[i][noun.start : noun.end], found[i + 1])
    return found
