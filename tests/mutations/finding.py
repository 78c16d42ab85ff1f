"""Put one defect into this process and run the corpus until a conversation fails."""

from __future__ import annotations

from pathlib import Path

from agent.scripts.loader import Case, cases, find
from agent.scripts.suite import run
from mutations import defects

CORPUS = Path(__file__).parents[1] / "conversations"


def first_failure(name: str) -> tuple[str, str]:
    """Return the first conversation that fails with a defect, and what it missed."""
    if name:
        getattr(defects, name)()
    for case in sorted((c for f in find([CORPUS]) for c in cases(f)), key=_cost):
        result = run(case)
        if not result.passed:
            first = result.missed[0] if result.missed else None
            why = f"{'.'.join(map(str, first.place))}: {first.found}" if first else result.broken
            return case.file.name, why[:80]
    return "", ""


def _cost(case: Case) -> tuple[bool, bool, str]:
    """Plans before pictures, quick ones before others."""
    return not case.defaults.plan_only, "quick" not in case.script.tags, case.name
