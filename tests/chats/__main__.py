"""Print how often the last picture of a chat is right: python -m tests.chats --count 100.

Every conversation has six messages about a held-out portrait: edits in ordinary words, two at once
now and then, and one undo. It is told offline, with and without trying again after a failed check.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import fmean

from editing_core.bench.__main__ import markdown
from editing_core.bench.spread import Row, spread

sys.path.insert(0, str(Path(__file__).parent.parent))

from chats.scripts import scripts  # noqa: E402
from chats.telling import tell_with, tell_without  # noqa: E402


def main() -> None:
    """Tell all conversations in both ways and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.chats")
    parser.add_argument("--count", type=int, default=100)
    count = parser.parse_args().count
    rows: list[Row] = []
    for name, tell in (("off", tell_without), ("on", tell_with)):
        told = list(spread(f"ladder {name}", tell, "portraits", scripts(count)))
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
    print(f"\n{count} conversations of 6 messages\n{markdown(rows)}")


if __name__ == "__main__":
    main()
