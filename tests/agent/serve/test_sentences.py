"""What those without a command line are told."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from paths import ROOT

from agent.serve.sentences import for_clients, hiding

SAYING = (
    *("agent/bootstrap.py", "agent/chat.py", "agent/terminal/file_io.py", "editing_core/editor.py"),
    *(
        f"agent/sessions/{name}.py"
        for name in ("catalog", "database", "listing", "postgres", "store")
    ),
    *("tools/inspection.py", "tools/pictures.py", "tools/find_region.py", "tools/edit_picture.py"),
)
"""Modules whose sentences reach people who have no command line."""


def texts(module: Path) -> Iterator[str]:
    """Yield what a module says, with X for what it fills in, without what explains its code."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    explained = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else "X" for p in node.values)
            yield "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and id(node) not in explained:
            yield str(node.value)


def test_nobody_without_a_command_line_hears_of_flags() -> None:
    flagged = [t for name in SAYING for t in texts(ROOT / name) if re.search(r"--[a-z]", t)]
    assert len(flagged) > 10
    for text in flagged:
        told = for_clients(text)
        assert not re.search(r"--[a-z]", told), (text, told)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "There is no session bob; --list-sessions lists them.",
            "There is no session bob; the list of sessions names them.",
        ),
        (
            "The session a is open in another process. With --fork you go on in a copy of it.",
            "The session a is open in another process.",
        ),
        (
            "Cannot keep pictures there: full; make room there, or choose another folder with "
            "--home.",
            "Cannot keep pictures there: full; make room there.",
        ),
        (
            'Nobody here can tell what it shows; say it with --caption "…".',
            "Nobody here can tell what it shows; give a caption.",
        ),
        ("I do not know what “--wide” means; say it\nin other words.", ""),
    ],
)
def test_what_flags_do_is_left_out_or_said_otherwise(said: str, told: str) -> None:
    assert for_clients(said) == (told or said)


def test_nobody_is_told_where_the_home_is(tmp_path: Path) -> None:
    assert hiding(f"{tmp_path / 'a.png'} is damaged.", tmp_path) == "HOME/a.png is damaged."
