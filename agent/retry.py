"""How an edit that fails its check is tried again, and which of the tries is kept."""

from __future__ import annotations

from agent.state import Try

MISSED = ("another seed", "much stronger")
HARMED = ("another seed", "weaker")
"""Ways to try again, best first, for an edit not seen and for one that cost too much of the rest:
the order is that of what they rescue and repair in `python -m editing_core.bench rungs`."""


def next_try(tries: list[Try], retries: int) -> str | None:
    """Return how to try again; None to stop trying."""
    last = tries[-1]
    if last.check is None or last.check.accepted or len(tries) > retries:
        return None
    order = MISSED if last.check.edit_score < 1.0 else HARMED
    tried = {t.rung for t in tries}
    return next((way for way in order if way not in tried), None)


def best(tries: list[Try]) -> Try:
    """Return the try to keep: accepted, then most of the edit, then most of the rest, clean."""

    def rank(attempt: Try) -> tuple[float, ...]:
        check = attempt.check
        if check is None:
            return (0.0,)
        return (
            check.accepted, check.edit_score, check.kept, -len(check.unlike), check.outside_ssim
        )  # fmt: skip

    return max(tries, key=rank)
