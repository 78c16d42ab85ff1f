"""LLM answers, recorded into a readable file and replayed without any network.

A recorded answer is found by the meaning of its request: what was quoted in it (the message, the
captions, what was said before) and the form of the answer, whatever the words of our own around.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from rapidfuzz import fuzz

from agent.context import Llm
from agent.llm.structured_output import LlmError, Unusable
from agent.scripts.loader import ScriptError, document, yaml
from agent.state import Usage

SUFFIX = ".llm.yaml"
ALIKE = 95.0  # of 100; how similar two requests with the same message must be
OURS = "you:"  # lines with earlier replies, which are ours to reword

Schema = TypeVar("Schema", bound=BaseModel)
Messages = list[dict[str, Any]]


class Answer(BaseModel):
    """One request, by its meaning, and what was answered."""

    model_config = ConfigDict(extra="forbid")

    form: str
    asked: list[str]
    answer: Any = None
    failed: str | None = None
    """Why there was no answer, in the sentence that the person saw."""
    unusable: str | None = None
    """Why the answer did not fit its form."""


@dataclass
class Recorder:
    """Passes requests on to an LLM and keeps the answers; `save` writes them."""

    llm: Llm
    file: Path

    def __post_init__(self) -> None:
        """Begin an empty tape."""
        self._tape: list[Answer] = []

    @property
    def sees(self) -> bool | None:
        """Whether the LLM sees pictures."""
        return self.llm.sees

    @sees.setter
    def sees(self, value: bool | None) -> None:
        self.llm.sees = value

    @property
    def used(self) -> Usage:
        """What the LLM has done."""
        return self.llm.used

    def answer(self, messages: Messages, schema: type[Schema], /) -> Schema:
        """Ask the LLM, and remember what it said or why it said nothing."""
        kept = Answer(form=schema.__name__, asked=meaning(messages))
        self._tape.append(kept)
        try:
            given = self.llm.answer(messages, schema)
        except LlmError as error:
            kept.failed = str(error)
            raise
        except Unusable as error:
            kept.unusable = str(error)
            raise
        kept.answer = given.model_dump(mode="json", exclude_defaults=True)
        return given

    def save(self) -> None:
        """Write what was recorded; nothing where nothing was asked."""
        if self._tape:
            kept = [answer.model_dump(exclude_none=True) for answer in self._tape]
            with self.file.open("w", encoding="utf-8") as out:
                yaml().dump(kept, out)


class Player:
    """Answers from a tape; each answer is given once, in order, and the last again and again."""

    sees: bool | None = None
    used = Usage()

    def __init__(self, file: Path) -> None:
        """Read a tape.

        Raises:
            ScriptError: There is none, or it is damaged.
        """
        self.file = file
        if not file.exists():
            raise ScriptError(f"There are no recorded answers in {file}; {_how()}")
        try:
            self._tape = [Answer.model_validate(_bare(kept)) for kept in document(file)]
        except (ValidationError, TypeError, ValueError, RecursionError):
            raise ScriptError(f"{file} holds no recorded answers; {_how()}") from None
        self._given: set[int] = set()

    def answer(self, messages: Messages, schema: type[Schema], /) -> Schema:
        """Return what was recorded for a request of this meaning.

        Raises:
            ScriptError: Nothing was recorded for it.
            LlmError: That is what was recorded.
            Unusable: The same.
        """
        kept = self._find(schema.__name__, meaning(messages))
        if kept.failed is not None:
            raise LlmError(kept.failed)
        if kept.unusable is not None:
            raise Unusable(kept.unusable)
        return schema.model_validate(kept.answer)

    def _find(self, form: str, asked: list[str]) -> Answer:
        likeness = {
            number: _likeness(kept.asked, asked)
            for number, kept in enumerate(self._tape)
            if kept.form == form
        }
        best = max(likeness.values(), default=0.0)
        if best < ALIKE:
            wanted = f'"{asked[-1]}"' if asked else "this"
            raise ScriptError(f"{self.file} holds no answer to {wanted}; {_how()}")
        fitting = [number for number, alike in likeness.items() if alike == best]
        chosen = next((n for n in fitting if n not in self._given), fitting[-1])
        self._given.add(chosen)
        return self._tape[chosen]


def meaning(messages: Messages) -> list[str]:
    """What a request is about: all that is quoted in it, the message last; else all its words.

    Case, spaces, punctuation and the words of our prompts do not count, nor what is drawn.
    """
    words = "\n".join(_words(message) for message in messages if message["role"] == "user")
    lines = (line for line in words.splitlines() if not line.startswith(OURS))
    quoted = [json.loads(q) for line in lines for q in re.findall(r'"(?:[^"\\]|\\.)*"', line)]
    return [" ".join(re.findall(r"\w+", text.lower())) for text in quoted or [words]]


def _likeness(kept: list[str], asked: list[str]) -> float:
    """How similar two meanings are, 0 to 100; the message, which is last, must be the same."""
    if not kept or not asked or kept[-1] != asked[-1]:
        return fuzz.ratio(kept[-1], asked[-1]) if len(kept) == len(asked) == 1 else 0.0
    return float(fuzz.ratio("\n".join(kept), "\n".join(asked)))


def _words(message: dict[str, Any]) -> str:
    content = message["content"]
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if part["type"] == "text")


def _how() -> str:
    return "record them with: palimpsest test --llm record SCRIPT"


def _bare(kept: Any) -> Any:
    return json.loads(json.dumps(kept))
