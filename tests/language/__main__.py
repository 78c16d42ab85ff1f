"""Print how many requests the offline reader reads as meant, by kind.

--tuned adds what it misses, --absurd the absurd answers. Other misses among the held-out requests
are never shown, so that nobody tunes the reader on them.
"""

import itertools
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / place) for place in (".", "support")]

from language import score  # noqa: E402

print("\n".join(score.table()))
if "--absurd" in sys.argv:
    for scope, split in itertools.product(score.SCOPES, score.SPLITS):
        for case in score.cases(scope, split):
            if score.absurd(case, plan := score.plan_of(case)):
                print(f"{split}: {case.conversation}: {case.say!r}: {score.found(plan)}")
if "--tuned" in sys.argv:
    for scope in score.SCOPES:
        for case in score.cases(scope, "tuned"):
            plan = score.plan_of(case)
            if not score.right(case, plan):
                print(f"{case.conversation}: {case.say!r}: {score.found(plan)}, not {case.means}")
