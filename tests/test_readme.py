"""The READMEs stay true: their commands, their files, their code."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

from agent.terminal.commands import names, usage
from agent.terminal.flags import parser
from tests import file_trees

README = (ROOT / "README.md").read_text("utf-8")
ALL = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
]


def test_every_command_stands_there_as_its_docstring_says() -> None:
    """``python -m agent.terminal.commands`` prints the table, and loads no model for that."""
    code = (
        "import runpy, sys; runpy.run_module('agent.terminal.commands', run_name='__main__');"
        "assert 'torch' not in sys.modules"
    )
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert not printed.returncode, printed.stderr
    assert printed.stdout.strip().startswith("| command |")
    page = (ROOT / "agent/terminal/README.md").read_text("utf-8")
    assert f"\n\n{printed.stdout.strip()}\n\n" in page
    assert all(f"| `{usage(name)}` | " in printed.stdout for name in names())


def test_every_flag_it_names_exists() -> None:
    known = {option for action in parser()._actions for option in action.option_strings}
    assert set(re.findall(r"python chat.py[^\n`]*?(--[a-z-]+)", README)) <= known


@pytest.mark.parametrize(
    "folder", list(file_trees.packages()), ids=lambda f: str(f.relative_to(ROOT))
)
def test_every_folder_lists_its_files_with_their_purpose(folder: Path) -> None:
    """``python -m tests.file_trees`` writes the lists."""
    assert file_trees.written(folder) == file_trees.tree(folder)


def test_it_fits_two_screens() -> None:
    assert len(README.splitlines()) < 200


@pytest.mark.parametrize("page", ALL, ids=lambda page: str(page.relative_to(ROOT)))
def test_pictures_and_links_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_its_python_runs_up_to_the_model() -> None:
    core = (ROOT / "editing_core" / "README.md").read_text(encoding="utf-8")
    code = core.partition("```python")[2].partition("```")[0]
    compile(code, "README", "exec")
    exec("\n".join(re.findall(r"^from .*$", code, re.MULTILINE)))
