"""Print how often the last picture of a chat is right: python -m tests.chats --count 100.

Every conversation has six messages about a held-out portrait: edits in ordinary words, two at once
now and then, and one undo. It is told offline, with and without trying again after a failed check.
With --long METHOD ...: how the bench's sessions of ten edits come out in a chat, by each method.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import fmean

from editing_core.bench.__main__ import markdown
from editing_core.bench.parallel import Row, map_parallel
from editing_core.methods.registry import METHODS

sys.path[:0] = [str(Path(__file__).parents[1] / place) for place in (".", "support")]

from chats.long import table  # noqa: E402
from chats.scripts import scripts  # noqa: E402
from chats.telling import tell_with, tell_without  # noqa: E402


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.chats")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--long", nargs="+", choices=METHODS, metavar="METHOD")
    args = parser.parse_args()
    if args.long:
        print(f"\n{args.count} sessions of 10 edits\n{markdown(table(args.long, args.count))}")
    else:
        print(f"\n{args.count} conversations of 6 messages\n{markdown(short(args.count))}")


def short(count: int) -> list[Row]:
    """Tell conversations in words, with and without trying again."""
    rows: list[Row] = []
    for name, tell in (("off", tell_without), ("on", tell_with)):
        told = list(map_parallel(f"ladder {name}", tell, "portraits-128", scripts(count)))
        rows.append(
            {
                "ladder": name,
                "all asked for is right": fmean(t.right for t in told),
                "of what was asked for": fmean(t.asked for t in told),
                "wrongly changed": fmean(t.spoilt for t in told),
                "tries an edit": fmean(t.tries for t in told),
                "seconds a conversation": fmean(t.seconds for t in told),
            }
        )
    return rows


if __name__ == "__main__":
    main()
