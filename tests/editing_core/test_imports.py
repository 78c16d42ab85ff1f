"""Imports point one way, in no circle, and what is for training or measuring stays out of chats."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from paths import ROOT

LEVELS = {"chat": 3, "agent": 2, "tools": 1, "editing_core": 0, "prompts": -1}
"""Each may import those below it; `prompts` is imported from everywhere and imports nothing."""
NEVER_AT_RUN_TIME = (
    "editing_core.bench",
    "editing_core.portraits.trainer",
    "editing_core.portraits.augmentations",
    "editing_core.portraits.distributed",
    "editing_core.portraits.edit_sequences",
    "editing_core.portraits.train",
    "editing_core.portraits.train_classifier",
    "editing_core.portraits.train_vae",
    "editing_core.anchor.bidirectional",
    "editing_core.anchor.data",
    "editing_core.anchor.distillation",
    "editing_core.anchor.evaluate",
    "editing_core.anchor.train",
)
GENERAL = ("agent", "tools", "editing_core")
"""Where no world may be named, but in ``OF_A_WORLD``."""
OF_A_WORLD = (
    "editing_core/worlds/",
    "editing_core/portraits/",
    "editing_core/anchor/",
    "editing_core/bench/",
    "tools/measure_",
)


@cache
def modules() -> dict[str, Path]:
    """Every module by name."""
    files = [ROOT / "chat.py"]
    for top in ("agent", "tools", "editing_core", "prompts"):
        files += sorted((ROOT / top).rglob("*.py"))
    named = {}
    for file in files:
        parts = file.relative_to(ROOT).with_suffix("").parts
        named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return named


def imports_of(name: str, *, lazy: bool = True, types: bool = True) -> set[str]:
    """Return which modules of ours a module imports.

    Args:
        name: The module.
        lazy: Whether imports inside of functions count.
        types: Whether imports for type checkers count.
    """
    tree = ast.parse(modules()[name].read_text("utf-8"))
    found: set[str] = set()
    for node in walked(tree, lazy=lazy, types=types):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {one if one in modules() else node.module for one in whole}
    return {one for one in found if one in modules()} - {name}


def walked(tree: ast.AST, *, lazy: bool, types: bool) -> Iterator[ast.AST]:
    """Yield every node that counts."""
    for node in ast.iter_child_nodes(tree):
        if not lazy and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if not types and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield node
        yield from walked(node, lazy=lazy, types=types)


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that lead to each other (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in edges[name]:
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            group = []
            while not group or group[-1] != name:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    for name in edges:
        if name not in index:
            visit(name)
    return sorted(found)


def test_circles_are_found() -> None:
    edges = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": {"f"}, "f": set()}
    assert circles(edges) == [["a", "b", "c"]]


@pytest.mark.parametrize("top", ["editing_core", "tools"])
def test_no_circle_even_for_types_or_inside_functions(top: str) -> None:
    edges = {name: imports_of(name) for name in modules()}
    found = [group for group in circles(edges) if any(name.startswith(top) for name in group)]
    assert not found


def test_no_circle_anywhere_when_modules_are_loaded() -> None:
    assert not circles({name: imports_of(name, lazy=False, types=False) for name in modules()})


@pytest.mark.parametrize("name", modules())
def test_imports_point_downward(name: str) -> None:
    own = LEVELS[name.partition(".")[0]]
    upward = {one for one in imports_of(name) if LEVELS[one.partition(".")[0]] > own}
    assert not upward


def test_nothing_of_training_or_bench_is_imported_at_run_time() -> None:
    reached, waiting = set(), {"chat"} | methods()
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= imports_of(name, types=False) - reached
    assert {"editing_core.editor", "editing_core.anchor.engine"} <= reached
    assert not [one for one in reached if one.startswith(NEVER_AT_RUN_TIME)]


def methods() -> set[str]:
    """Modules that the registry of methods imports by name."""
    return {name for name in modules() if name.startswith("editing_core.methods.")}


def test_no_world_is_named_in_general_code() -> None:
    found = []
    for name, file in modules().items():
        where = file.relative_to(ROOT).as_posix()
        if name.partition(".")[0] in GENERAL and not where.startswith(OF_A_WORLD):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                compared = isinstance(node, ast.Compare) and any(
                    isinstance(part, ast.Constant) and part.value == "portraits"
                    for part in (node.left, *node.comparators)
                )
                asked = isinstance(node, ast.Call) and "is_portrait" in ast.dump(node.func)
                if compared or asked:
                    found.append(f"{where}:{node.lineno}")
    assert not found


def test_only_worlds_reach_into_the_portraits() -> None:
    inside = ("editing_core.worlds", "editing_core.portraits", "editing_core.anchor")
    found = [
        f"{name} imports {one}"
        for name in modules()
        for one in imports_of(name)
        if one.startswith("editing_core.portraits")
        and not name.startswith((*inside, "editing_core.bench"))
    ]
    assert not found


def test_a_file_holds_one_concept_and_a_function_fits_a_screen() -> None:
    """Under 500 lines a file, at most 50 a function (CONTRIBUTING)."""
    long = []
    for top in (*GENERAL, "prompts"):
        for file in (ROOT / top).rglob("*.py"):
            text = file.read_text("utf-8")
            long += [file.name] if text.count("\n") >= 500 else []
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    lines = (node.end_lineno or 0) - node.lineno + 1
                    long += [f"{file.name}:{node.name}"] if lines > 50 else []
    assert long == []
