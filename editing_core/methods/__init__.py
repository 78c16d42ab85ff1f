"""The paper's method and its rivals, one small file each, one signature."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import fields
from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING, cast

from editing_core.errors import EditError
from editing_core.settings import EditSettings

if TYPE_CHECKING:
    from editing_core.methods.context import EditContext, EditOutput

    Method = Callable[[EditContext], EditOutput]

SAMPLING = ("steps", "guidance", "keep", "draft")
INVERTING = (*SAMPLING, "invert_guidance", "inversion_prompt")
READS = {
    "steady": SAMPLING,
    "mtc": tuple(field.name for field in fields(EditSettings)),
    "fireflow": INVERTING,
    "rf-inversion": (*SAMPLING, "invert_guidance"),
    "rf-solver": INVERTING,
    "flowedit": SAMPLING,
    "stableflow": INVERTING,
    "masactrl": INVERTING,
    "pnp": INVERTING,
    "euler": INVERTING,
    "regenerate": SAMPLING,
    "anchor": ("guidance", "keep"),
}
"""The methods, each with the settings that an edit by it reads; its other numbers are its own."""

METHODS = tuple(READS)
"""What methods are called; each is the module of that name, imported when it is asked for."""

TRAINED_ON = {"anchor": "portraits"}
"""Methods with weights of their own, each with the one model whose latents those know."""


def refuse_model(method: str, model: str) -> None:
    """Refuse a method that cannot work with a model.

    Raises:
        EditError: Its own weights were trained on another.
    """
    if TRAINED_ON.get(method, model) != model:
        raise EditError(
            f"The method {method} was trained on the {TRAINED_ON[method]} alone; "
            f"choose another method for the model {model}."
        )


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
