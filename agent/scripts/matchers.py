"""How texts and numbers are wanted in scripts: whether they fit, and how that is said."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from agent.scripts.schema import Text, Wording, limit_of
from editing_core.prompt_diff import words_of


def fits(found: str, wanted: Wording) -> bool:
    """Whether a text is worded as wanted."""
    if not isinstance(wanted, Text):
        wanted = Text(contains=wanted)
    return (
        (wanted.equals is None or found.strip().lower() == wanted.equals.strip().lower())
        and all(has(found, words) for words in several(wanted.contains))
        and not any(has(found, words) for words in several(wanted.lacks))
        and (wanted.matches is None or re.search(wanted.matches, found, re.I) is not None)
    )


def has(text: str, phrase: str) -> bool:
    """Whether whole words are found in a text, in this order, whatever lies between as signs."""
    words, wanted = words_of(text), words_of(phrase)
    runs = (words[at : at + len(wanted)] for at in range(len(words) - len(wanted) + 1))
    return any(run == wanted for run in runs)


def first(text: str) -> str:
    """The first sentence of what was said, which is enough to know it by."""
    return re.split(r"(?<=[.!?]) ", text)[0]


def several(words: str | tuple[str, ...]) -> tuple[str, ...]:
    """One or several texts as several."""
    return (words,) if isinstance(words, str) else words


def lower(words: Iterable[str]) -> set[str]:
    """Words in small letters, each once."""
    return {word.lower() for word in words}


def shown(wanted: Wording) -> str:
    """Say what wording is wanted."""
    if not isinstance(wanted, Text):
        return " and ".join(f'"{words}"' for words in several(wanted))
    return listed(wanted.model_dump(exclude_defaults=True))


def listed(wanted: dict[str, Any]) -> str:
    """Say what is wanted, name by name."""
    return "; ".join(
        f"{name} {', '.join(value) if isinstance(value, tuple) else value}"
        for name, value in wanted.items()
    )


def bound_for(bound: str | float, found: float) -> str | float:
    """The same bound with room for what was found, in two digits."""
    if not isinstance(bound, str):
        return round(found, 4)
    sign, _ = limit_of(bound)
    step = 0.01 if abs(found) < 10 else 1.0
    down = sign.startswith(">")
    limit = (found // step if down else -(-found // step)) * step
    unit = " calls" if bound.endswith("calls") else ""
    return f"{sign} {limit:.4g}{unit}"
