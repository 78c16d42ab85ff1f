"""The README stays true: its commands, its files, its code."""

import re
import subprocess
import sys
from pathlib import Path

from agent.terminal.commands import names, usage
from agent.terminal.flags import parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def test_every_command_stands_there_as_its_docstring_says() -> None:
    """``python -m agent.terminal.commands`` prints the table, and loads no model for that."""
    code = (
        "import runpy, sys; runpy.run_module('agent.terminal.commands', run_name='__main__');"
        "assert 'torch' not in sys.modules"
    )
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert not printed.returncode, printed.stderr
    assert printed.stdout.strip().startswith("| command |")
    assert f"\n\n{printed.stdout.strip()}\n\n" in README
    assert all(f"| `{usage(name)}` | " in printed.stdout for name in names())


def test_every_flag_it_names_exists() -> None:
    known = {option for action in parser()._actions for option in action.option_strings}
    assert set(re.findall(r"python chat.py[^\n`]*?(--[a-z-]+)", README)) <= known


def test_every_module_has_its_place_in_the_tree() -> None:
    tree = README.partition("## Files")[2].partition("## Credit")[0]
    for folder in ("agent", "tools", "editing_core"):
        for module in (ROOT / folder).glob("*.py"):
            if module.name not in ("__init__.py", "errors.py", "recent.py"):
                assert module.name in tree, module.name
    assert all((ROOT / name).exists() for name in re.findall(r"^([\w.]+/?) ", tree, re.MULTILINE))


def test_its_pictures_and_links_exist() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_its_python_runs_up_to_the_model() -> None:
    code = README.partition("```python")[2].partition("```")[0]
    compile(code, "README", "exec")
    exec("\n".join(re.findall(r"^from .*$", code, re.MULTILINE)))
