"""All methods, found in the files of this folder: one more file is one more method.

Files of methods import torch only where they use it, so that the list costs no time.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from editing_core import methods
from editing_core.errors import EditError
from editing_core.methods.base import GROUPS, MethodSpec

if TYPE_CHECKING:
    from editing_core.models.base import ModelSpec


def _found() -> dict[str, MethodSpec]:
    modules = [
        import_module(f"{methods.__name__}.{found.name}")
        for found in iter_modules(methods.__path__)
        if found.name != "registry"
    ]
    specs = [
        spec for module in modules for spec in vars(module).values() if isinstance(spec, MethodSpec)
    ]
    specs.sort(key=lambda spec: (GROUPS.index(spec.group), spec.name))
    return {spec.name: spec for spec in specs}


METHODS = _found()
"""All methods by name, ours first, then the paper's."""


def method_named(name: str) -> MethodSpec:
    """Return the method of that name.

    Raises:
        EditError: There is none.
    """
    if name not in METHODS:
        raise EditError(f"There is no method {name}; choose one of: {', '.join(METHODS)}.")
    return METHODS[name]


def refuse_model(method: MethodSpec, model: ModelSpec, *, attention: bool = True) -> None:
    """Refuse a model that lacks what a method needs, and name methods for which it would do.

    Raises:
        EditError: It lacks something.
    """
    others = [
        other.name for other in METHODS.values() if not other.lacking(model, attention=attention)
    ]
    method.refuse(model, attention=attention, others=" or ".join(others[:2]))


def paired(method: str, preset: str) -> tuple[str, str]:
    """Fill in what was not chosen: the method a preset was made for, or the method's own preset."""
    if not method:
        made_for = [spec.name for spec in METHODS.values() if preset in spec.presets]
        method = next(iter([*made_for, *METHODS]))
    spec = METHODS.get(method, next(iter(METHODS.values())))  # an unknown one is refused later
    return method, preset or spec.presets[0]
