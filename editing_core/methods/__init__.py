"""The paper's method and its rivals, one small file each, one signature."""

from __future__ import annotations

import ast
from collections.abc import Callable
from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from editing_core.methods.task import Outcome, Task

    Method = Callable[[Task], Outcome]

METHODS = (
    "steady",
    "mtc",
    "fireflow",
    "rf-inversion",
    "rf-solver",
    "flowedit",
    "stableflow",
    "masactrl",
    "pnp",
    "euler",
    "regenerate",
    "anchor",
)
"""What methods are called; each is the module of that name, imported when it is asked for."""


def summaries() -> dict[str, str]:
    """Return each method with the first sentence of its module, which is not imported for that."""
    found = {}
    for name in METHODS:
        source = (files(__package__) / f"{_module(name)}.py").read_text("utf-8")
        found[name] = (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
    return found


def method_of(name: str) -> Method:
    """Return the method of that name."""
    return cast("Method", import_module(f"editing_core.methods.{_module(name)}").edit)


def _module(name: str) -> str:
    return name.replace("-", "_")
