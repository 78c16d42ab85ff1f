"""Where the region of a session is: a box of one picture, carried along to another of its tree.

A box is chosen in the picture of some turn. Crops, rotations and the like move it with what it was
drawn around, forwards and, where the head goes back, backwards. Words mean what they name in any
picture, so they stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

import numpy as np

from agent import turn_tree
from agent.context import Pictures
from agent.state import Adjust, Conversation, Turn
from tools.operations import MOVING
from tools.regions import EVERYWHERE, Matrix, Move, box_of, moved, shares, written

CHOSEN_AT = "region_of"
"""Under which name a conversation remembers the turn that its region was chosen at."""


def region_at(conversation: Conversation, number: int, value: str, pictures: Pictures) -> str:
    """Return where a session's region is in the picture of a turn; "off" where it has no place.

    In a picture that was opened beside the one where it was chosen a box is where it was there.

    Args:
        conversation: The session.
        number: The turn.
        value: The region, as it was chosen.
        pictures: Tell their sizes.
    """
    box = box_of(value)
    if box is None or not conversation.turns:
        return value
    line = _line(conversation, number)
    chosen_at = conversation.chosen.made.get(CHOSEN_AT, line[0].id)
    before = _line(conversation, chosen_at)
    if before[0].id != line[0].id:
        return value
    common = sum(1 for a, b in zip(before, line, strict=False) if a.id == b.id)
    back, on = (list(_moves(turns[common - 1 :], pictures)) for turns in (before, line))
    if not (back or on):
        return value
    since, to_here = (reduce(_after, moves, np.eye(3)) for moves in (back, on))
    way = to_here @ np.linalg.inv(since)
    there = moved(box, way, pictures.size(line[-1].picture)) if line[-1].picture else box
    return EVERYWHERE if there is None else value.replace(written(box), written(there), 1)


def refuse_outside(value: str, conversation: Conversation, pictures: Pictures) -> None:
    """Refuse a box that does not lie in the picture at the head.

    Raises:
        tools.arguments.InputError: It does not.
    """
    box = box_of(value)
    picture = conversation.turns[conversation.head].picture if conversation.turns else ""
    if box is not None and picture:
        shares(box, pictures.size(picture))


def _line(conversation: Conversation, number: int) -> list[Turn]:
    """Return the turns to a turn, with those before an original that was made of an earlier one."""
    line = turn_tree.path(conversation, number)
    first = line[0]
    earlier = [
        t for t in conversation.turns[: first.id] if t.picture and t.picture == first.picture
    ]
    return [*_line(conversation, earlier[0].id), *line] if earlier else line


def _after(way: Matrix, move: Move) -> Matrix:
    """Return the way of points through one more operation."""
    return move.matrix @ way


def _moves(line: list[Turn], pictures: Pictures) -> Iterator[Move]:
    """Return the operations after the first turn of a line that moved pixels."""
    for before, turn in zip(line, line[1:], strict=False):
        step = turn.step
        if isinstance(step, Adjust) and step.operation in MOVING and turn.picture:
            sizes = pictures.size(before.picture), pictures.size(turn.picture)
            yield Move(step.operation, step.value, *sizes)
