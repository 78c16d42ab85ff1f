"""From files to conversations to run: strict reading, includes, and every combination asked for."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from agent.scripts.schema import (
    SUFFIX,
    TAGS,
    Attributes,
    Cost,
    Defaults,
    Expected,
    Include,
    Matrix,
    Picture,
    Said,
    Script,
    Seen,
    Text,
    Words,
)
from editing_core.yaml_files import load_yaml

Place = tuple[str | int, ...]
"""Keys and indices that lead to a value of a file."""


class ScriptError(Exception):
    """A script cannot be used; the message names file and line."""


@dataclass(frozen=True)
class Line:
    """One thing that is said, and where it stands."""

    said: Said
    file: Path
    place: Place
    number: int
    """Line of the file, from 1."""


@dataclass(frozen=True)
class Case:
    """One conversation to run: a script with one combination of its matrix."""

    file: Path
    name: str
    script: Script
    picture: Picture
    defaults: Defaults
    lines: tuple[Line, ...]
    here: Path
    """The folder of the script, absolute: its files are relative to it."""


def find(paths: Sequence[Path]) -> list[Path]:
    """Return the scripts that files and folders name, in order.

    Raises:
        ScriptError: One is not there, or a folder has none.
    """
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.rglob(f"*{SUFFIX}")) if path.is_dir() else [path]
        if not path.exists():
            raise ScriptError(f"There is no script {path}.")
        if not (path.is_file() or path.is_dir()):
            raise ScriptError(f"{path} is no regular file, so it is no script.")
        if not inside:
            raise ScriptError(f"There are no scripts (*{SUFFIX}) in {path}.")
        found += inside
    return list(dict.fromkeys(found))


def cases(file: Path) -> list[Case]:
    """Read a script and return every conversation it asks for.

    Raises:
        ScriptError: It cannot be read, or says something that no script says.
    """
    script, lines = _read(file)
    return [
        Case(file, name, script, picture, defaults, lines, file.parent.absolute())
        for name, picture, defaults in _combinations(file, script)
    ]


def document(file: Path) -> Any:
    """Load a YAML file with its comments and line numbers.

    Raises:
        ScriptError: It cannot be read, or is no YAML.
    """
    return load_yaml(file, yaml(), ScriptError)


def yaml() -> YAML:
    """Return a reader and writer that keeps comments, order and quotes."""
    made = YAML()
    made.preserve_quotes = True
    made.width = 100
    made.indent(mapping=2, sequence=4, offset=2)
    return made


def written(value: Any) -> Any:
    """A value as a person would write it: short lists and mappings in one line."""
    made: Any
    if isinstance(value, dict):
        made = CommentedMap({name: written(held) for name, held in value.items()})
    elif isinstance(value, list):
        made = CommentedSeq(value)
    else:
        return value
    made.fa.set_flow_style()
    return made


def line_of(loaded: Any, place: Sequence[str | int]) -> int:
    """Return the line, from 1, of a value in a loaded file, or of the nearest one around it."""
    line = 0
    for part in place:
        try:
            line = (loaded.lc.key(part) if isinstance(part, str) else loaded.lc.item(part))[0]
            loaded = loaded[part]
        except (AttributeError, KeyError, IndexError, TypeError):
            continue  # the checker names the kinds of value it tried, too
    return int(line) + 1


def _read(file: Path, within: tuple[Path, ...] = ()) -> tuple[Script, tuple[Line, ...]]:
    """Read a script and all that it includes."""
    if file.resolve() in within:
        raise ScriptError(f"{file} includes itself.")
    loaded = document(file)
    try:
        script = Script.model_validate(_plain(loaded))
    except ValidationError as error:
        raise ScriptError("\n".join(_complaints(file, loaded, error))) from None
    lines: list[Line] = []
    for index, turn in enumerate(script.turns):
        place: Place = ("turns", index)
        if isinstance(turn, Include):
            other = file.parent / turn.include
            lines += _read(other, (*within, file.resolve()))[1]
        else:
            lines.append(Line(turn, file, place, line_of(loaded, place)))
    return script, tuple(lines)


def _plain(value: Any) -> Any:
    """The same of Python's own kinds."""
    if isinstance(value, dict):
        return {str(name): _plain(held) for name, held in value.items()}
    if isinstance(value, list):
        return [_plain(held) for held in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def _complaints(file: Path, loaded: Any, error: ValidationError) -> Iterator[str]:
    """Say what is wrong, one line for each place."""
    places: dict[int, list[str]] = {}
    for problem in error.errors():
        if problem["type"] == "too_short" and error.error_count() > 1:
            continue  # its items are wrong, which is told of each
        line = line_of(loaded, problem["loc"])
        places.setdefault(line, []).append(_complaint(problem["loc"], problem["msg"]))
    for line, problems in sorted(places.items()):
        told = [text for text in problems if "is not known" in text] or problems
        yield f"{file}:{line}: {told[0]}"


def _complaint(loc: tuple[int | str, ...], message: str) -> str:
    key = next((k for k in reversed(loc) if isinstance(k, str) and k not in TAGS), "")
    if not key:
        return "a script is a mapping with version, name and turns."
    if message == "Extra inputs are not permitted":
        return f"'{key}' is not known here{_hint(key)}"
    if message == "Field required":
        return f"'{key}' is missing."
    message = message.removeprefix("Value error, ")
    return f"'{key}': {message[0].lower()}{message[1:]}."


def _hint(key: str) -> str:
    """Say where a key belongs, or which one may have been meant."""
    for form, name in _PLACES.items():
        if key in form.model_fields:
            return f"; it belongs under '{name}'."
    forms: list[type[BaseModel]] = [*_PLACES, Script, Said, Words, Text]
    known = {name for form in forms for name in form.model_fields}
    close = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else "."


_PLACES: dict[type[BaseModel], str] = {
    Defaults: "defaults",
    Expected: "expect",
    Seen: "picture",
    Cost: "cost",
    Attributes: "attributes",
}


def _combinations(file: Path, script: Script) -> Iterator[tuple[str, Picture, Defaults]]:
    """Every combination of the matrix, with what tells it apart in its name."""
    axes = {name: getattr(script.matrix, name) for name in Matrix.model_fields}
    axes = {name: values for name, values in axes.items() if values}
    for chosen in itertools.product(*axes.values()):
        values = dict(zip(axes, chosen, strict=True))
        label = ", ".join(f"{name} {_label(value)}" for name, value in values.items())
        name = f"{script.name} [{label}]" if label else script.name
        picture = values.pop("picture", script.picture)
        try:
            defaults = Defaults.model_validate(script.defaults.model_dump() | values)
        except ValidationError as error:
            problem = error.errors()[0]
            told = _complaint(problem["loc"], problem["msg"])
            raise ScriptError(f"{file}: matrix: {told}") from None
        yield name, picture, defaults


def _label(value: Any) -> str:
    if isinstance(value, BaseModel):
        return " ".join(str(held) for held in value.model_dump(exclude_unset=True).values())
    return str(value)
