"""Plain operations in a conversation: where the background is, and the turn that one makes."""

from __future__ import annotations

import time

from agent import replies, turn_tree
from agent.choosing import chosen_settings, start
from agent.context import ChatContext
from agent.state import Adjust, Conversation, Turn
from tools.adjust_picture import Operation, Region
from tools.arguments import InputError
from tools.operations import MOVING
from tools.regions import EVERYWHERE

NO_MASK = (
    "nothing here tells the background from the rest: that needs the mask of an edit of the "
    "background, and none led here"
)


class NoMask(InputError):
    """An operation on the background, where no mask shows it."""


def done(state: Conversation, step: Adjust, studio: ChatContext) -> Turn | None:
    """Do a plain operation where the head is, and return the turn that it makes.

    Returns:
        The turn; None where the operation changes nothing, as a crop of a square to a square.

    Raises:
        InputError: It cannot be done; the message says why.
    """
    head, began = start(state), time.perf_counter()
    picture, original = head.picture, head.original
    report = {"seconds": 0.0, "forwards": 0.0}
    if studio.adjust is not None:
        region = _background(state, head) if step.operation == "blur" else None
        first = turn_tree.path(state, head.id)[0].caption
        made = studio.adjust(
            head=head.picture,
            original=head.original,
            operation=Operation(step.operation, step.value, region),
            captions=(head.caption, first),
            request=step.request,
        )
        if (made.picture, made.original) == (picture, original):
            return None
        picture, original = made.picture, made.original
        width, height = studio.pictures.size(picture)
        report = {"width": float(width), "height": float(height)} | report
        report["seconds"] = round(time.perf_counter() - began, 2)
    return Turn(
        id=len(state.turns),
        parent=head.id,
        message=state.messages[-1].id,
        request=replies.request_of(step, state.request),
        step=step,
        caption=head.caption,
        picture=picture if studio.adjust is not None else "",
        original=original,
        report=report,
    )


def region_moved(state: Conversation, turn: Turn, studio: ChatContext) -> str:
    """Say where the session's region is after an operation that moved it; "" if it stayed."""
    before = chosen_settings(state, studio).region
    later = {"turns": [*state.turns, turn], "head": turn.id, "at": None}
    now = chosen_settings(state.model_copy(update=later), studio).region
    if now == before:
        return ""
    if now == EVERYWHERE:
        return "The region of edits lies outside of it, so edits act everywhere here."
    return f"The region of edits moved along: {now}."


def shown_background(line: list[Turn]) -> Turn | None:
    """Return the last turn of a path whose mask shows where the background is, if any."""
    shows = (t for t in reversed(line) if t.step and t.step.change == "background" and t.mask)
    return next(shows, None)


def _background(state: Conversation, head: Turn) -> Region:
    line = turn_tree.path(state, head.id)
    turn = shown_background(line)
    if turn is None or turn.mask is None or turn.parent is None:
        raise NoMask(NO_MASK)
    later = [t.step for t in line[line.index(turn) + 1 :]]
    moved = [s for s in later if isinstance(s, Adjust) and s.operation in MOVING]
    through = tuple((step.operation, step.value) for step in moved)
    return Region(turn.mask, state.turns[turn.parent].picture, turn.picture, through)
