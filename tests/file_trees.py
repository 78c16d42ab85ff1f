"""The file trees in the folders' READMEs: `python -m tests.file_trees` writes them anew.

A file's line is the first line of its docstring, a folder's that of its package's.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("agent", "editing_core", "tools", "tests")
_BLOCK = re.compile(r"(## Files\n\n```\n)(.*?)(?=```)", re.DOTALL)


def main() -> None:
    """Write the tree of every folder into its README, which is made if it is missing."""
    for folder in packages():
        readme = folder / "README.md"
        text = readme.read_text("utf-8") if readme.exists() else _heading(folder)
        if "## Files" not in text:
            text = f"{text.rstrip()}\n\n## Files\n\n```\n```\n"
        readme.write_text(_replaced(text, tree(folder)), "utf-8")


def packages() -> Iterator[Path]:
    """Yield every folder that holds at least three Python files or packages.

    Folders of tests mirror those of the code, and need no list of their own.
    """
    for top in FOLDERS:
        for folder in (ROOT / top, *sorted((ROOT / top).rglob("*/"))):
            mirrors = top == "tests" and not (folder / "README.md").exists()
            listed = folder.parent == ROOT or (len(_entries(folder)) >= 3 and not mirrors)
            if folder.is_dir() and listed:
                yield folder


def tree(folder: Path) -> str:
    """Return one line for each file and package of a folder."""
    rows = [(_shown(entry), _purpose(entry)) for entry in _entries(folder)]
    width = max((len(name) for name, _ in rows), default=0)
    return "".join(f"{name:<{width}}  {purpose}".rstrip() + "\n" for name, purpose in rows)


def written(folder: Path) -> str | None:
    """Return the tree that stands in a folder's README; None if there is none."""
    readme = folder / "README.md"
    found = _BLOCK.search(readme.read_text("utf-8")) if readme.exists() else None
    return found[2] if found else None


def _replaced(text: str, block: str) -> str:
    return _BLOCK.sub(lambda found: found[1] + block, text)


def _entries(folder: Path) -> list[Path]:
    modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
    inner = {path.parent for path in folder.glob("*/__init__.py")}
    if folder == ROOT / "tests":
        inner |= {path.parent for path in folder.glob("*/*.py")}
    return sorted(modules) + sorted(inner)


def _shown(entry: Path) -> str:
    return f"{entry.name}/" if entry.is_dir() else entry.name


def _purpose(entry: Path) -> str:
    source = entry / "__init__.py" if entry.is_dir() else entry
    if not source.exists():
        readme = entry / "README.md"
        told = readme.read_text("utf-8").split("\n\n")[1] if readme.exists() else ""
        return " ".join(told.split()).partition(". ")[0] or f"Tests of {entry.name}/."
    lines = (ast.get_docstring(ast.parse(source.read_text("utf-8"))) or "").partition("\n\n")[0]
    return " ".join(lines.split())


def _heading(folder: Path) -> str:
    return f"# {folder.relative_to(ROOT)}\n\n{_purpose(folder)}\n"


if __name__ == "__main__":
    main()
