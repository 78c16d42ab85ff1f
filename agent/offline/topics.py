"""What a message names last, "blue, the door", or says first of how an edit came out."""

from __future__ import annotations

import re

from agent.offline import wishes
from agent.offline.caption_clauses import qualities, words
from agent.offline.caption_rewrites import is_own
from agent.offline.intents import about_complaint, is_complaint
from agent.offline.messages import BREAK, gives_reason, has_verb
from agent.offline.portrait_words import mentions, strangers
from agent.offline.turn_references import edits_about
from agent.state import Conversation
from editing_core.worlds.registry import world_of

_NAMED_LAST = re.compile(
    r"(?P<said>[^,;.]+?)(?:\s*[,;.]+\s*|\s+[–—-]+\s+)(?:i mean(?:t)?,? )?"
    r"(?P<thing>(?:the|her|his|its|their|my) [\w'-]+(?: [\w'-]+)?)"
    r"(?:,? (?:i mean(?:t)?|that is|i'm talking about))?(?:,? (?:and |but )?not (?:in )?[\w-]+)?"
)
_IT = re.compile(r"\b(?:it|that|them|those)\b")


def in_usual_order(text: str, caption: str) -> str:
    """Write a message that names its thing last with the thing in its place, or as it is.

    Args:
        text: in lower case, without courtesies.
        caption: what the picture shows.
    """
    match = _NAMED_LAST.fullmatch(text)
    if match is None or _is_quality(match["thing"].split(" ", 1)[1], caption):
        return text
    said, thing = match["said"], match["thing"]
    if has_verb(said) or _IT.search(said):
        named = _IT.sub(thing, said, count=1)
        return named if named != said else text
    return f"make {thing} {said}" if _is_quality(said, caption, alone=True) else text


def after_complaint(text: str, conversation: Conversation) -> str:
    """Leave out how badly an edit came out, where it is said what is to be done about it."""
    first, *more = BREAK.split(text, maxsplit=1)
    about = about_complaint(first.strip(" ,.!?"), more[0]) if more and more[0] else ""
    if about and edits_about(conversation, about):
        return f"another version of {about}"
    if about:
        return more[0]
    return more[0] if more and more[0] and is_complaint(first.strip(" ,.!?"), more[0]) else text


def only_says_why(part: str, following: str) -> bool:
    """Whether a part only says why the next is wanted: "he looks grumpy, make him smile"."""
    if not re.match(
        r"(?:she|he|it|they|(?:her|his|the) \w+)(?:'s| looks?| seems?| is| are| feels?) ", part
    ):
        return False
    if wishes.one_wish(part, following):
        return True
    if re.search(r"\bit\b", following) and not mentions(following):
        return False
    about = {m.attribute for m in mentions(part)} & {m.attribute for m in mentions(following)}
    return bool(about - {""})


def is_reason(part: str, caption: str) -> bool:
    """Whether a part says why something is wanted, and names nothing that could be drawn."""
    if not gives_reason(part):
        return False
    if world_of(caption):
        return not any(m.kind in ("value", "color", "unknown") for m in mentions(part))
    return not any(is_own(word) for word in words(part))


def _is_quality(phrase: str, caption: str, *, alone: bool = False) -> bool:
    """Whether a phrase has qualities, or has nothing else."""
    if not world_of(caption):
        return bool(qualities(phrase if alone else phrase.split()[-1]))
    known = mentions(phrase)
    if not alone:
        return any(m.kind in ("color", "more") for m in known)
    plain = all(m.kind in ("value", "color", "more", "other") for m in known)
    return bool(known) and plain and not strangers(phrase) and phrase.split()[0] not in ("a", "an")
