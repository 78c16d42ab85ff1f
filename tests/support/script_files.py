"""Scripts of conversations, written and run."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from agent.scripts.loader import cases
from agent.scripts.suite import How, Result, run

PLAN = "defaults: {plan_only: true}\n"


def script(folder: Path, turns: str, more: str = "", name: str = "one") -> Path:
    """Write a script whose turns are given as they stand in the file."""
    file = folder / f"{name}.chat.yaml"
    body = textwrap.indent(textwrap.dedent(turns).strip(), "  ")
    file.write_text(f"version: 1\nname: {name}\n{textwrap.dedent(more)}turns:\n{body}\n")
    return file


def told(file: Path, **how: Any) -> Result:
    """Run the first case of a script."""
    return run(cases(file)[0], How(**how))


def missed(result: Result) -> list[tuple[str, str]]:
    """Return where expectations failed, and what was found there."""
    return [(".".join(map(str, m.place)), m.found) for m in result.missed]
