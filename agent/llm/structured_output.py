"""What an LLM wrote, taken as data: asked for once more if unusable, words made safe to show."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

import prompts

if TYPE_CHECKING:
    from agent.context import Llm

Schema = TypeVar("Schema", bound=BaseModel)
Made = TypeVar("Made")
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)", re.DOTALL)
_LEFT_OUT = ("title", "default")  # of a schema: words that only cost, and what is required anyway


class LlmError(Exception):
    """No usable answer; the message is one clear sentence for the person."""


class Unusable(Exception):
    """An answer came that cannot be used; the message tells the LLM why, in one sentence."""

    def __init__(self, reason: str, text: str = "") -> None:
        """Keep the reason, and the answer as it was written."""
        super().__init__(reason)
        self.text = text


def consult(
    llm: Llm, messages: list[dict[str, Any]], schema: type[Schema], make: Callable[[Schema], Made]
) -> Made:
    """Ask, and if the answer cannot be used, once more with what was wrong.

    Args:
        llm: whom to ask.
        messages: the question.
        schema: the form of the answer.
        make: turns an answer into what is wanted, or raises Unusable.

    Raises:
        LlmError: there is no answer, or the second cannot be used either.
    """
    said = ""
    try:
        answer = llm.answer(messages, schema)
        said = answer.model_dump_json()
        return make(answer)
    except Unusable as error:
        wrong = prompts.load("again", wrong=str(error))
        again = [{"role": "assistant", "content": error.text or said}]
        again += [{"role": "user", "content": wrong}]
    try:
        return make(llm.answer([*messages, *again], schema))
    except Unusable as error:
        raise LlmError("The LLM twice gave an answer that cannot be used.") from error


def plain(text: str, most: int) -> str:
    """Return words from outside as one line that is safe to print, store and send on.

    Terminal escapes, control, invisible and unassigned characters go, runs of spaces become one,
    and what is too long ends at a word.
    """
    text = _ESCAPE.sub(" ", text[: 4 * most + 1000])
    kept = (" " if c.isspace() else c for c in text if c.isspace() or _shows(c))
    line = " ".join("".join(kept).split())
    if len(line) <= most:
        return line
    return line[:most].rpartition(" ")[0] or line[:most]


def _shows(character: str) -> bool:
    return unicodedata.category(character)[0] != "C"


def strict_schema(schema: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema with every field required and no other allowed.

    OpenAI demands that, and small models leave out what they may. Reading stays lenient: a field
    that is left out after all takes its default.
    """
    strict: dict[str, Any] = _strict(schema.model_json_schema())
    return strict


def _strict(part: Any) -> Any:
    if isinstance(part, list):
        return [_strict(item) for item in part]
    if not isinstance(part, dict):
        return part
    names = part.get("properties")
    if isinstance(names, dict):
        fields = {name: _strict(field) for name, field in names.items()}
        part = part | {"required": list(fields), "additionalProperties": False}
        return {**_strict(part | {"properties": None}), "properties": fields}
    return {name: _strict(value) for name, value in part.items() if name not in _LEFT_OUT}
