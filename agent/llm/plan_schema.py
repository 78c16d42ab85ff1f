"""What an LLM makes of a message becomes a plan: it names turns and writes captions, no more."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, assert_never

from pydantic import BaseModel, Field, model_validator

from agent import turn_tree
from agent.llm.caption_edit import LONGEST_CAPTION, edit_of
from agent.llm.structured_output import Unusable, plain
from agent.offline.grammar import Context, understand_offline
from agent.plan_builder import PlanBuilder
from agent.state import (
    Adjust,
    Ask,
    Compare,
    Describe,
    EditStep,
    GoTo,
    Help,
    Plan,
    Redo,
    Retry,
    Revert,
    Save,
    Step,
    Undo,
)
from tools.arguments import InputError
from tools.operations import normal

MOST_STEPS = 8
MOST_OPTIONS = 4
LONGEST_NOTE = 160  # characters of how a wish was read
LONGEST_QUESTION = 300
LONGEST_OPTION = 80
LONGEST_WISH = 200

Kind = Literal["edit", "adjust", "undo", "redo", "goto", "revert", "retry", "compare", "describe",
               "save", "ask", "help"]  # fmt: skip
How = Literal["", "again", "weaker", "stronger", "other", "picture", "edits", "turn"]
Changed = Literal["", "add", "remove", "replace", "attribute", "color", "background", "style",
                  "pose"]  # fmt: skip


class Lenient(BaseModel):
    """A form that an LLM fills in: null is the same as leaving a field out."""

    @model_validator(mode="before")
    @classmethod
    def _without_null(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: held for name, held in value.items() if held is not None}
        return value


class LlmStep(Lenient):
    """One step as an LLM writes it: flat, since small servers know only simple schemas."""

    step: Kind
    wish: str = ""
    """edit: the part of the message that asks for it."""
    change: Changed = ""
    source_caption: str = ""
    target_caption: str = ""
    numbers: list[int] = Field(default_factory=list)
    """Turns, or how many messages to undo."""
    how: How = ""
    operation: str = ""
    """adjust: its name and value, such as "crop 16:9"."""
    question: str = ""
    options: list[str] = Field(default_factory=list)


class Reading(Lenient):
    """What an LLM makes of a message."""

    note: str = ""
    """How an unclear wish was read, in a few words; else empty."""
    steps: list[LlmStep]


def plan_of(reading: Reading, message: str, context: Context, *, world: bool) -> Plan:
    """Return the plan that a reading means; everything in it is checked against the conversation.

    Args:
        reading: the LLM's answer.
        message: what the person said.
        context: the conversation it was said in.
        world: whether only the world of portraits can be drawn.

    Raises:
        Unusable: it makes no plan; the reason is for the LLM.
    """
    heads = turn_tree.heads(context.conversation)
    planner = _Planner(context.conversation, heads, message=message, world=world)
    planner.alone = sum(s.step == "edit" for s in reading.steps) == 1
    question: Ask | None = None
    for written in reading.steps[:MOST_STEPS]:
        step = planner.step(written)
        if isinstance(step, Ask):
            question = question or step
        else:
            planner.take(step)
    steps = [*planner.steps, *([question] if question else [])]
    note = _sentence(reading.note, message)
    if not steps and not note:
        raise Unusable("The plan has no steps; use ask if the message is not clear.")
    if len(reading.steps) > MOST_STEPS:
        note = f"{note} Only the first {MOST_STEPS} steps are done.".strip()
    return Plan(steps=tuple(steps), note=note)


@dataclass
class _Planner(PlanBuilder):
    """The plan that an LLM's steps make."""

    message: str = ""
    world: bool = False
    alone: bool = True

    def step(self, written: LlmStep) -> Step:
        """Check one step and make it ours.

        Raises:
            Unusable: it names a turn that there is not, or changes nothing, or asks nothing.
        """
        match written.step:
            case "edit":
                return self._edit(written)
            case "adjust":
                return self._adjust(written)
            case "undo" | "redo":
                move = Undo if written.step == "undo" else Redo
                return move(messages=min(max(self._number(written, 1), 1), 100))
            case "goto":
                return GoTo(turn=self._turn(written, 0))
            case "revert":
                return self._revert(written)
            case "retry":
                how = written.how if written.how in ("weaker", "stronger", "other") else "again"
                return Retry(how=how)
            case "compare":
                here = self.heads.head
                return Compare(a=self._turn(written, 0), b=self._turn(written, 1, default=here))
            case "describe":
                return self._describe(written)
            case "save":
                return self._save()
            case "ask":
                return _question(written)
            case "help":
                return Help()
            case _:
                assert_never(written.step)

    def _edit(self, written: LlmStep) -> EditStep:
        wish = plain(written.wish, LONGEST_WISH)
        step = edit_of(
            self.caption,
            plain(written.source_caption, LONGEST_CAPTION),
            plain(written.target_caption, LONGEST_CAPTION),
            written.change or None,
            world=self.world,
        )
        request = self.message if self.alone or not wish else wish
        strength = {"weaker": -1, "stronger": 1}.get(written.how, 0)
        return step.model_copy(update={"request": request, "strength": strength})

    def _adjust(self, written: LlmStep) -> Adjust:
        name, _, value = plain(written.operation, LONGEST_WISH).lower().partition(" ")
        try:
            value = normal(name, value)
        except InputError as error:
            raise Unusable(str(error)) from None
        request = plain(written.wish, LONGEST_WISH) or self.message
        return Adjust.model_validate({"operation": name, "value": value, "request": request})

    def _revert(self, written: LlmStep) -> Revert:
        number = self._turn(written, 0)
        line = turn_tree.path(self.conversation)
        if number not in [t.id for t in line if t.step is not None]:
            raise Unusable(f"Turn {number} is no edit on the path to the head; revert one of them.")
        return Revert(turn=number)

    def _describe(self, written: LlmStep) -> Describe:
        if written.how == "edits":
            return Describe(what="edits")
        turn = self._turn(written, 0) if written.numbers else None
        return Describe(what="turn" if written.how == "turn" else "picture", turn=turn)

    def _save(self) -> Save:
        """Take where to save from the person's own words: an LLM writes no paths."""
        asked = understand_offline(self.message, Context.of(self.conversation)).steps
        for step in asked:
            if isinstance(step, Save):
                return step
        raise Unusable("The message does not ask to save; only the person can.")

    def _number(self, written: LlmStep, default: int) -> int:
        return written.numbers[0] if written.numbers else default

    def _turn(self, written: LlmStep, place: int, *, default: int | None = None) -> int:
        """Return a turn that is named and exists."""
        count = len(self.conversation.turns)
        if place >= len(written.numbers):
            if default is not None:
                return default
            raise Unusable(f"{written.step} needs the number of a turn in numbers.")
        number = written.numbers[place]
        if not 0 <= number < count:
            shown = number if abs(number) < 10**6 else "of that number"
            raise Unusable(f"There is no turn {shown}; the turns are 0 to {count - 1}.")
        return number


def _question(written: LlmStep) -> Ask:
    question = plain(written.question, LONGEST_QUESTION)
    if not question:
        raise Unusable("ask needs a question.")
    options = [plain(option, LONGEST_OPTION) for option in written.options[: 2 * MOST_OPTIONS]]
    kept = tuple(dict.fromkeys(option for option in options if option))[:MOST_OPTIONS]
    return Ask(question=question, options=kept, default=kept[0] if kept else "")


def _sentence(note: str, message: str) -> str:
    """Return a note so that other sentences can follow it; an echo of the message says nothing."""
    words = plain(note, LONGEST_NOTE)
    if not re.search(r"\w\w", words) or words.strip(" .!?").lower() in message.lower():
        return ""
    return words if words[-1] in ".!?…" else f"{words}."
