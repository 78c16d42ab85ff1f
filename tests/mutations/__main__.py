"""Print which conversation finds which deliberate defect: python -m tests.mutations.

Every defect is put into a process of its own, which runs the corpus until a conversation fails.
The unbroken program runs it five times, and must never fail.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from agent.scripts.reading import Case, cases, find
from agent.scripts.suite import run
from editing_core.bench.__main__ import markdown

CORPUS = Path(__file__).parents[1] / "conversations"
ROUNDS = 5


def main() -> int:
    """Print the table; 1 if a defect is not found, or one is found where none is."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations")
    parser.add_argument("-k", default="", metavar="NAME", help="only defects with this in the name")
    parser.add_argument("-j", type=int, default=2, metavar="N", help="this many side by side")
    flags = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from mutations.defects import DEFECTS

    named = {made.__name__: made.__doc__ for made in DEFECTS if flags.k in made.__name__}
    wanted = [*([""] * (0 if flags.k else ROUNDS)), *named]
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(flags.j, mp_context=fresh, max_tasks_per_child=1) as pool:
        rows, wrong = [], 0
        for name, (found, why) in zip(wanted, pool.map(first_failure, wanted), strict=True):
            wrong += bool(found) != bool(name)
            rows.append({"defect": named[name] if name else "none", "found by": found or "nobody"})
            print(f"{name or 'no defect'}: {found or 'nobody'}  {why}", file=sys.stderr, flush=True)
    print(markdown(rows))
    return int(wrong > 0)


def first_failure(name: str) -> tuple[str, str]:
    """Return the first conversation that fails with a defect, and what it missed."""
    if name:
        sys.path.insert(0, str(Path(__file__).parent.parent))
        from mutations import defects

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


if __name__ == "__main__":
    sys.exit(main())
