"""The JSON in what an LLM wrote: found among other words, mended, taken out of what wraps it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from agent.llm.structured_output import Unusable, plain

Schema = TypeVar("Schema", bound=BaseModel)
LONGEST_REASON = 300  # characters of what was wrong with an answer
DEEPEST = 3  # objects around the answer: {"response": {"plan": {…}}}
_THOUGHT = "</think>"  # what reasoning models write before their answer ends so
_OPENS = re.compile(r"[\[{]")
_BROKEN = re.compile(r"[\[{]\s*(?:[\"'“{\[,]|\w+\s*:)")
"""The beginning of JSON, which is broken if it stands outside of all that can be read."""


def read(text: str, schema: type[Schema], *, repair: bool = True) -> Schema:
    """Read an answer as the schema.

    Prose and braces around the JSON, fences, broken JSON, an object around the answer, and a bare
    list or a single item where the schema is an object with one list, are all seen through.

    Args:
        text: what was written.
        schema: the form of the answer.
        repair: whether the answer may be anything but the plain JSON. Half an answer may not: its
            whole pieces are not all that was meant.

    Raises:
        Unusable: it does not fit.
    """
    bare = text.rpartition(_THOUGHT)[2].strip()
    try:
        return schema.model_validate_json(bare)
    except ValidationError as error:
        wrong = error
    if repair:
        for value, depth in _values(bare):
            try:
                return _validated(value, schema, depth)
            except ValidationError as error:
                wrong = error if _no_json(wrong) else wrong
            except (ValueError, RecursionError):
                continue
    first = wrong.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    reason = f"{where}: {first['msg']}" if where else first["msg"]
    raise Unusable(plain(reason, LONGEST_REASON), text)


def _no_json(error: ValidationError) -> bool:
    return error.errors(include_url=False)[0]["type"] == "json_invalid"


def _validated(value: object, schema: type[Schema], depth: int) -> Schema:
    """Return what fits of a value: itself, or what it wraps.

    Raises:
        ValidationError: nothing does; the error is that of the value itself.
        ValueError: it is nothing that could fit.
    """
    wrong: ValidationError | None = None
    for form in _forms(value, _list_of(schema), depth):
        try:
            return schema.model_validate_json(json.dumps(form))  # as strict as on text
        except ValidationError as error:
            wrong = wrong or error
    raise wrong or ValueError("nothing fits")


def _values(text: str) -> Iterator[tuple[object, int]]:
    """Yield the values that a text may mean, the likeliest first, and how deep they stand.

    Of several values, one that is a single item is not taken for all that was meant.
    """
    pieces, rest = _pieces(text)
    if _BROKEN.search(rest):
        import json_repair

        start = _BROKEN.search(text)
        try:
            mended = json_repair.loads(text[start.start() if start else 0 :], skip_json_loads=True)
        except (ValueError, RecursionError):
            return
        pieces = mended if isinstance(mended, list) else [mended]
    if len(pieces) == 1:
        yield pieces[0], 0
        return
    if pieces:
        yield pieces, 0
    for piece in reversed(pieces):  # what is said last counts
        yield piece, 1


def _pieces(text: str) -> tuple[list[object], str]:
    """Return the JSON objects and lists in a text, and the text around them."""
    decoder, pieces, rest, place = json.JSONDecoder(), [], "", 0
    for opening in _OPENS.finditer(text):
        start = opening.start()
        if start < place:
            continue
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        pieces.append(value)
        rest += text[place:start]
        place = end
    return pieces, rest + text[place:]


def _forms(value: object, many: str | None, depth: int) -> Iterator[dict[str, Any]]:
    """Yield the objects that a value may stand for.

    Args:
        value: as it was read.
        many: the only field of the schema that is a list of objects, if there is one.
        depth: how many objects stand around it.
    """
    if isinstance(value, str) and _OPENS.match(value.lstrip()):  # JSON within JSON
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return
    if isinstance(value, list):
        if many:
            yield {many: value}
        if len(value) == 1:
            yield from _forms(value[0], many, depth)
    elif isinstance(value, dict):
        yield value
        if many and not depth:
            yield {many: [value]}
        for name, inner in value.items() if depth < DEEPEST else ():
            beside = {n: held for n, held in value.items() if n != name}
            for form in _forms(inner, many, depth + 1):
                yield beside | form


def _list_of(schema: type[BaseModel]) -> str | None:
    """Return the only field that is a list of objects."""
    fields = [
        name
        for name, field in schema.model_fields.items()
        if get_origin(field.annotation) is list
        and all(isinstance(kind, type) and issubclass(kind, BaseModel)
                for kind in get_args(field.annotation))
    ]  # fmt: skip
    return fields[0] if len(fields) == 1 else None
