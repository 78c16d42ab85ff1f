"""Wishes with a condition, "if she wears a hat, make it red, otherwise add one".

What the caption tells is decided; anything else is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from agent.captions import ABSENT
from agent.offline import lexicon
from agent.offline.caption_phrases import mentioned
from agent.offline.captions import same
from agent.offline.portrait_clauses import GENERIC, read_portrait_clause
from agent.offline.portrait_words import PortraitContext, mentions, strangers
from agent.state import Ask, Plan
from editing_core.prompt_diff import words_of
from editing_core.worlds.registry import world_of

_NOT = re.compile(r"n't\b|\b(?:not|no|never|without)\b")
_SAYS_NOTHING = frozenset(lexicon.load("talk")["condition"]["plain"].split())


def read_condition(
    text: str, caption: str, at: PortraitContext, read: Callable[[str], Plan]
) -> Plan | None:
    """Read a wish with a condition, or return None for any other message.

    Args:
        text: in lower case and without courtesies.
        caption: what the picture shows.
        at: the same as attributes.
        read: reads the wish that is left.
    """
    forms = (lexicon.said("talk", "condition", name, text) for name in ("first", "last"))
    said = next((found for found in forms if found is not None), None)
    if said is None:
        return None
    condition = _named(said["if"], said["then"], "one")
    wish, other = (_named(said.get(name, ""), condition) for name in ("then", "else"))
    portrait = bool(world_of(caption))
    holds = _portrait_is(condition, at) if portrait else _caption_says(condition, caption)
    if holds is None:
        return _asked(f"{said.get('word', 'if')} {condition}", wish, other)
    if said.get("word") == "unless":
        wish, other = other, wish
    chosen, so = (wish, "is so") if holds else (other, "is not so")
    if not chosen:
        return Plan(note=f"“{condition}” {so} here, so I left it as it is.")
    plan = read(chosen)
    note = f"“{condition}” {so} here, so I read “{chosen}”. {plan.note}".strip()
    return plan.model_copy(update={"note": note})


def _asked(condition: str, *wishes: str) -> Plan:
    options = tuple(filter(None, wishes))
    question = f"I cannot judge “{condition}”. Shall I “{options[0]}”?"
    return Plan(steps=(Ask(question=question, options=options),))


def _named(text: str, other: str, pronouns: str = "one it them") -> str:
    """Write the thing that the other half of a message names for pronouns."""
    worn = [m for m in mentions(other) if m.kind == "value" and m.attribute in ABSENT]
    nouns = [other[m.start : m.end] for m in worn] or _content(other)[-1:]
    if not nouns or mentioned(other):
        return text
    for pronoun in pronouns.split():
        article = "a" if pronoun == "one" else "the"
        text = re.sub(rf"\b{pronoun}\b", f"{article} {nouns[-1]}", text)
    return text


def _portrait_is(condition: str, at: PortraitContext) -> bool | None:
    """Whether a portrait is so already that a condition, read as a wish, would change nothing."""
    plain = " ".join(_NOT.sub("", condition).split())
    reading = read_portrait_clause(plain, at)
    if reading.ask or strangers(plain):
        return None
    wanted = {name: value for one in reading.changes for name, value in one.items()}
    if not wanted:  # "she is a woman"
        known = [m for m in mentions(plain) if m.kind == "value"]
        wanted = {m.attribute: m.value for m in known}
    if not wanted or not set(wanted) <= set(at.now):
        return None
    so = all(at.now[name] == value or value in GENERIC and at.now[name] != "none"
             for name, value in wanted.items())  # fmt: skip
    return so != bool(_NOT.search(condition))


def _caption_says(condition: str, caption: str) -> bool | None:
    """Whether a caption says what a condition asks for; None where it does not tell."""
    negated = bool(_NOT.search(condition))
    for group, phrase, *_ in mentioned(condition):
        shown = [other for kind, other, *_ in mentioned(caption.lower()) if kind == group]
        return (phrase in shown) != negated if shown else None
    wanted, shown = _content(condition), words_of(caption)
    so = bool(wanted) and all(any(same(word, other) for other in shown) for word in wanted)
    return (not negated) if so else None


def _content(condition: str) -> list[str]:
    return [word for word in words_of(_NOT.sub("", condition)) if word not in _SAYS_NOTHING]
