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

from editing_core.bench.__main__ import markdown

sys.path[:0] = [str(Path(__file__).parents[1] / place) for place in (".", "support")]

from mutations.defects import DEFECTS  # noqa: E402
from mutations.finding import first_failure  # noqa: E402

ROUNDS = 5


def main() -> int:
    """Print the table; 1 if a defect is not found, or one is found where none is."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations")
    parser.add_argument("-k", default="", metavar="NAME", help="only defects with this in the name")
    parser.add_argument("-j", type=int, default=2, metavar="N", help="this many side by side")
    flags = parser.parse_args()
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


if __name__ == "__main__":
    sys.exit(main())
