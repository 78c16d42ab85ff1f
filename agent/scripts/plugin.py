"""pytest collects conversation scripts: every `*.chat.yaml` below its paths, one test each.

Installed with the package; `pytest -p no:palimpsest` does without.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from agent.scripts.loader import Case

SUFFIX = ".chat.yaml"


class Failed(Exception):
    """A conversation missed something; the message says what."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer what `palimpsest test` offers where a model is asked."""
    parser.addoption(
        "--chat-llm", choices=("live", "record", "replay"), help="where conversations want an LLM"
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take up a script."""
    if file_path.name.endswith(SUFFIX):
        return ScriptFile.from_parent(parent, path=file_path)
    return None


class ScriptFile(pytest.File):
    """A script: one item for each combination of its matrix."""

    def collect(self) -> Iterator[pytest.Item]:
        """Read the script; what is wrong with it is an error of collection."""
        from agent.scripts.loader import ScriptError, cases

        try:
            found = cases(self.path)
        except ScriptError as error:
            raise self.CollectError(str(error)) from None
        for case in found:
            yield Conversation.from_parent(self, name=case.name, case=case)


class Conversation(pytest.Item):
    """One conversation."""

    def __init__(self, *, case: Case, **others: Any) -> None:
        """Remember the case; its tags become markers if pytest knows them."""
        super().__init__(**others)
        self.case = case
        known = {line.partition(":")[0] for line in self.config.getini("markers")}
        for tag in case.script.tags:
            if tag in known:
                self.add_marker(tag)

    @property
    def quick(self) -> bool:
        """Whether it takes little time: it is tagged so, or makes no pictures."""
        return self.case.defaults.plan_only or "quick" in self.case.script.tags

    def runtest(self) -> None:
        """Run it, and fail with all that it missed."""
        from agent.scripts.reporting import details
        from agent.scripts.suite import How, run

        result = run(self.case, How(llm=self.config.getoption("--chat-llm")))
        if not result.passed:
            raise Failed("\n".join(details(result)))

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        """Show what was missed, without a traceback."""
        if isinstance(excinfo.value, Failed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where it stands."""
        return self.path, 0, self.name
