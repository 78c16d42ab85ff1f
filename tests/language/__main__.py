"""Print how many requests the offline reader reads as meant, by kind; --tuned adds what it misses.

The misses among the held-out requests are never shown, so that nobody tunes the reader on them.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from language import score  # noqa: E402

print("\n".join(score.table()))
if "--tuned" in sys.argv:
    for scope in score.SCOPES:
        for case in score.cases(scope, "tuned"):
            plan = score.plan_of(case)
            if not score.right(case, plan):
                print(f"{case.conversation}: {case.say!r}: {score.found(plan)}, not {case.means}")
