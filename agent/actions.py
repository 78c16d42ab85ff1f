"""Carrying out the steps that make no picture: all of them only move the head, or speak."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_never

from agent import replies, turn_tree
from agent.captions import replay
from agent.regions import CHOSEN_AT
from agent.state import (
    Adjust,
    Ask,
    Choose,
    Compare,
    Conversation,
    Describe,
    EditStep,
    GoTo,
    Help,
    Plan,
    Redo,
    Reshape,
    Retry,
    Revert,
    Rewind,
    Save,
    Show,
    Step,
    Turn,
    Undo,
)
from agent.turn_tree import Heads, NoSuchTurn
from tools.operations import LEAST, MOST, MOVING
from tools.regions import EVERYWHERE, MASK, box_of, corrected, correction

Update = dict[str, Any]
MOST_NOTCHES = 3
ANEW = {"again": "again", "weaker": "a bit less", "stronger": "stronger", "other": "another way"}
"""What an edit that is made once more is called by."""
CORRECTED_BY = (
    "Say “larger”, “smaller”, “a bit to the left” or “not the hair” to correct it; an edit is made "
    "again there."
)
MORE_OR_LESS = {"weaker": 0.5, "stronger": 1.5}
"""What the amount of a plain operation is multiplied by."""


def carry_out(step: Step, state: Conversation) -> Update:
    """Return what a step changes in the conversation.

    Raises:
        NoSuchTurn: the step cannot be done; the message says why.
    """
    match step:
        case Undo() | Redo():
            move = turn_tree.undo if isinstance(step, Undo) else turn_tree.redo
            return _heads(move(_now(state), step.messages), state)
        case GoTo():
            return _goto(step, state)
        case Rewind():
            return _rewind(step, state)
        case Revert():
            return _revert(step, state)
        case Retry():
            return _retry(step, state)
        case Reshape():
            return _reshape(step, state)
        case Choose():
            return _choose(step, state)
        case Compare() | Describe() | Save() | Show() | Help():
            return _told(step, state)
        case Ask() | EditStep() | Adjust():
            raise ValueError(f"{step.step} is not carried out here")
        case _:
            assert_never(step)


def _told(step: Compare | Describe | Save | Show | Help, state: Conversation) -> Update:
    """Answer a step that moves nothing."""
    match step:
        case Compare():
            return _say(state, replies.compared(state, step.a, step.b))
        case Describe():
            return _say(state, replies.described(state, step))
        case Save():
            return {"save": step, **_say(state, f"Saved @{state.head}.")}
        case Show():
            return _say(state, _shown(step, state))
        case Help():
            return _say(state, replies.HELP)


def _choose(step: Choose, state: Conversation) -> Update:
    """Choose how coming edits are made; a box is of the picture that it was chosen in."""
    chosen: dict[str, object] = {step.setting: step.value}
    if step.setting == "region":
        chosen[CHOSEN_AT] = state.head
    return _chosen(state, chosen) | _say(state, replies.of_choice(step))


def _now(state: Conversation) -> Heads:
    """Return the heads as if the message ended here: edits of the same message can be undone."""
    past, future = list(state.past), list(state.future)
    if state.head != state.before:
        past, future = [*past, state.before], []
    return Heads(state.head, tuple(past), tuple(future))


def _heads(at: Heads, state: Conversation) -> Update:
    place = _say(state, replies.of_place(state.turns[at.head]))
    return {"head": at.head, "before": at.head, "past": list(at.past), "future": list(at.future),
            **place}  # fmt: skip


def _goto(step: GoTo, state: Conversation) -> Update:
    """Move the head; if an edit follows, the head waits for it and moves with it."""
    place = _say(state, replies.of_place(turn_tree.turn(state, step.turn)))
    plan = state.plan or Plan()
    following = plan.steps[state.position + 1 : state.position + 2]
    edits = bool(following) and isinstance(following[0], EditStep | Adjust)
    return place | ({"at": step.turn} if edits else {"head": step.turn})


def _rewind(step: Rewind, state: Conversation) -> Update:
    """Go to where the head was before a message; forget what was said since, or do either."""
    *earlier, now = state.messages
    if not 1 <= step.message <= len(earlier):
        raise NoSuchTurn(f"there is no message {step.message}")
    message = earlier[step.message - 1]
    update = _say(state, f"Back before “{message.text}”.")
    if step.what != "picture":
        later = [m.model_copy(update={"forgotten": True}) for m in earlier[message.id - 1 :]]
        update["messages"] = [*earlier[: message.id - 1], *later, now]
    if step.what != "chat":
        update["head"] = message.before
        update["said"] = [*update["said"], replies.of_place(state.turns[message.before])]
    return update


def _revert(step: Revert, state: Conversation) -> Update:
    """Take back one edit: at the head a mere move, else replay the later edits on a branch."""
    replayed = turn_tree.later(state, step.turn)
    parent = state.turns[step.turn].parent
    assert parent is not None
    if not replayed:
        past = list(state.past)
        if past and past[-1] == parent:
            past.pop()
        at = Heads(parent, tuple(past), (*state.future, state.head))
        return _heads(at, state)
    undone = state.turns[step.turn].step
    without = replies.undone(undone) if undone else ""
    caption = state.turns[parent].caption
    again: list[EditStep | Adjust] = []
    for turn in replayed:
        shown = state.turns[turn.parent or 0].caption
        edit = replay(turn.step, caption, shown=shown) if turn.step else None
        if edit is not None:
            again.append(_elsewhere(edit, undone).model_copy(update={"without": without}))
            caption = edit.target_prompt or caption
    rest = "what came later is made again." if again else f"back at @{parent}."
    return _instead(parent, again, state) | _say(state, f"Without {without}: {rest}")


def _elsewhere(edit: EditStep | Adjust, undone: EditStep | Adjust | None) -> EditStep | Adjust:
    """Return a step for a picture that was not moved, without a box or mask of the moved one."""
    if not (isinstance(undone, Adjust) and undone.operation in MOVING):
        return edit
    of_one_picture = edit.region.startswith(MASK) or box_of(edit.region) is not None
    return edit.model_copy(update={"region": ""}) if of_one_picture else edit


def _retry(step: Retry, state: Conversation) -> Update:
    """Go back one turn and make its edit once more, with the next seed."""
    head = state.turns[state.head]
    if head.step is None or head.parent is None:
        raise NoSuchTurn("there is no edit yet to try again")
    if isinstance(head.step, Adjust):
        return _instead(head.parent, [_more_or_less(head.step, step)], state)
    notch = {"weaker": -1, "stronger": 1}.get(step.how, 0)
    strength = min(max(head.step.strength + notch, -MOST_NOTCHES), MOST_NOTCHES)
    again = head.step.model_copy(
        update={"strength": strength, "seed": None, "anew": ANEW[step.how]}
    )
    return _instead(head.parent, [again], state)


def _shown(step: Show, state: Conversation) -> str:
    """Say what is shown of where an edit acted, or will act, and how that is corrected."""
    if step.what == "region":
        return f"That is where edits act. {CORRECTED_BY}"
    turn = _with_mask(step.turn, state)
    return f"That is where @{turn.id} acted. {CORRECTED_BY}"


def _with_mask(number: int | None, state: Conversation) -> Turn:
    """Return a turn of which it is known where it acted.

    Raises:
        NoSuchTurn: nothing tells that.
    """
    turn = turn_tree.turn(state, state.head if number is None else number)
    if turn.mask is None or turn.parent is None:
        raise NoSuchTurn(f"@{turn.id} has no mask: nothing says where it was made")
    return turn


def _reshape(step: Reshape, state: Conversation) -> Update:
    """Correct the region that the session chose, and make an edit again in its corrected region."""
    how, chosen = correction(step.how), str(state.chosen.made.get("region", EVERYWHERE))
    assert how is not None
    update: Update = {}
    if chosen != EVERYWHERE and step.turn is None:
        now = corrected(chosen, how)
        update = _chosen(state, {"region": now})
        update |= _say(state, replies.of_choice(Choose(setting="region", value=now)))
    turn = turn_tree.turn(state, state.head if step.turn is None else step.turn)
    if not isinstance(turn.step, EditStep) or turn.parent is None:
        if not update:
            raise NoSuchTurn("there is no edit here whose region could be corrected")
        return update
    region = turn.region or f"{MASK}{_with_mask(turn.id, state).mask}"
    new = {"region": corrected(region, how), "seed": turn.seed, "anew": f"region {how}"}
    return update | _instead(turn.parent, [turn.step.model_copy(update=new)], state)


def _chosen(state: Conversation, values: Update) -> Update:
    return {"chosen": state.chosen.model_copy(update=values)}


def _more_or_less(done: Adjust, step: Retry) -> Adjust:
    """Return a plain operation with more or less of its amount, if it has one.

    Raises:
        NoSuchTurn: doing it again would make the same picture.
    """
    if step.how not in MORE_OR_LESS or not done.has_amount:
        raise NoSuchTurn(f"“{done.words}” comes out the same every time; say another value")
    amount = round(int(done.value) * MORE_OR_LESS[step.how])
    value = f"{min(max(amount, LEAST), MOST):+d}"
    return done.model_copy(update={"value": value, "anew": ANEW[step.how]})


def _instead(start: int, edits: Sequence[EditStep | Adjust], state: Conversation) -> Update:
    """Make edits from another turn in the place of the current step."""
    plan = state.plan or Plan()
    steps = (*plan.steps[: state.position + 1], *edits, *plan.steps[state.position + 1 :])
    where = {"at": start} if edits else {"head": start}
    return where | {"plan": plan.model_copy(update={"steps": steps})}


def _say(state: Conversation, text: str) -> Update:
    return {"said": [*state.said, text]}
