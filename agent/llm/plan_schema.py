"""What an LLM makes of a message becomes a plan: it names turns and writes captions, no more."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal, assert_never

from pydantic import BaseModel, Field, field_validator, model_validator

from agent import turn_tree
from agent.llm.caption_edit import LONGEST_CAPTION, Written, edit_of
from agent.llm.structured_output import Unusable, plain
from agent.offline.grammar import Context, understand_offline
from agent.options import EDIT_OPTIONS, declared
from agent.plan_builder import PlanBuilder
from agent.state import (
    Adjust,
    Ask,
    Choose,
    Compare,
    Describe,
    EditStep,
    GoTo,
    Help,
    Plan,
    Redo,
    Reshape,
    Retry,
    Revert,
    Save,
    Step,
    Undo,
)
from tools.arguments import InputError
from tools.operations import normal
from tools.regions import EVERYWHERE, correction, region

MOST_STEPS = 8
MOST_OPTIONS = 4
LONGEST_REPLY = 800  # characters
LONGEST_QUESTION = 300
LONGEST_OPTION = 80
LONGEST_WISH = 200

_NAME = re.compile(r"(?:@|turn )?(\d{1,9})", re.IGNORECASE)
"""A number of a turn, as it stands in what the LLM is told."""

Kind = Literal["edit", "adjust", "undo", "redo", "goto", "revert", "retry", "compare", "describe",
               "save", "ask", "choose", "help", "reshape"]  # fmt: skip
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
    edit_words: list[str] = Field(default_factory=list)
    region: str = ""
    """edit: words for the place that it must keep to, if the message names one."""
    numbers: list[int] = Field(default_factory=list)
    """Turns, or how many messages to undo."""
    how: How = ""
    operation: str = ""
    """adjust: its name and value, such as "crop 16:9"."""
    question: str = ""
    options: list[str] = Field(default_factory=list)
    default: str = ""
    """ask: the option to take where nobody can answer; without one nothing is done there."""
    setting: Literal[("", *EDIT_OPTIONS)] = ""  # type: ignore[valid-type]
    """choose: what holds from now on."""
    value: str = ""
    """choose: what is chosen; save: the file, as the message names it."""

    @field_validator("numbers", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        """Take "@0" for 0, and a number for a list of one."""
        held = value if isinstance(value, list) else [value]
        names = [_NAME.fullmatch(v.strip()) if isinstance(v, str) else None for v in held]
        return [int(name[1]) if name else v for name, v in zip(names, held, strict=True)]


class Reading(Lenient):
    """What an LLM makes of a message."""

    steps: list[LlmStep]
    reply: str = ""
    """What it says to the person, in their language."""

    @model_validator(mode="before")
    @classmethod
    def _only_said(cls, value: Any) -> Any:
        """Take a mere reply for a plan without steps."""
        said = isinstance(value, dict) and value.keys() == {"reply"}
        return value | {"steps": []} if said else value


def plan_of(reading: Reading, message: str, context: Context, *, world: bool) -> Plan:
    """Return the plan that a reading means; everything in it is checked against the conversation.

    What cannot be taken over from it is said in the plan's note.

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
    questions: list[Ask] = []
    for written in reading.steps[:MOST_STEPS]:
        step = planner.step(written)
        if isinstance(step, Ask):
            questions.append(step)
        else:
            planner.take(step)
    planner.left_out += [f"Not asked: {ask.question}" for ask in questions[1:]]
    if len(reading.steps) > MOST_STEPS:
        planner.left_out.append(f"Only the first {MOST_STEPS} steps are done.")
    steps = [*planner.steps, *questions[:1]]
    reply = _sentence(reading.reply)
    if questions and not planner.steps or steps and _echoes(reply, message):
        reply = ""
    if not steps and not reply:
        raise Unusable("The plan has no steps; use ask if the message is not clear.")
    return Plan(steps=tuple(steps), note=" ".join(planner.left_out), reply=reply)


@dataclass
class _Planner(PlanBuilder):
    """The plan that an LLM's steps make."""

    message: str = ""
    world: bool = False
    alone: bool = True
    left_out: list[str] = field(default_factory=list)
    """Sentences on what was not taken over."""

    def step(self, written: LlmStep) -> Step:
        """Check one step and make it ours.

        Raises:
            Unusable: it names a turn that there is not, or changes nothing, or asks nothing.
        """
        match written.step:
            case "edit" | "adjust":
                return (self._edit if written.step == "edit" else self._adjust)(written)
            case "undo" | "redo":
                back = Undo if written.step == "undo" else Redo
                return back(messages=min(max(self._number(written, 1), 1), 100))
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
                return self._save(written)
            case "ask":
                return _question(written)
            case "choose" | "reshape":
                return (_choice if written.step == "choose" else _reshape)(written)
            case "help":
                return Help()
            case _:
                assert_never(written.step)

    def _edit(self, written: LlmStep) -> EditStep:
        wish = plain(written.wish, LONGEST_WISH)
        step, left_out = edit_of(
            self.caption,
            Written(
                source=self._caption(written.source_caption),
                target=self._caption(written.target_caption),
                change=written.change or None,
                words=[plain(word, LONGEST_OPTION) for word in written.edit_words],
            ),
            world=self.world,
        )
        self.left_out += [left_out] if left_out else []
        request = self.message if self.alone or not wish else wish
        strength = {"weaker": -1, "stronger": 1}.get(written.how, 0)
        where = _region(written.region)
        return step.model_copy(update={"request": request, "strength": strength, "region": where})

    def _caption(self, written: str) -> str:
        """Return a caption as it can be used; what is too long is cut, and that is said."""
        caption = plain(written, LONGEST_CAPTION)
        if len(plain(written, 2 * LONGEST_CAPTION)) > LONGEST_CAPTION:
            self.left_out.append("The new caption is very long, so its end was left out.")
        return caption

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

    def _save(self, written: LlmStep) -> Save:
        """Take where to save from the person's own words: an LLM writes no paths."""
        named = re.escape(written.value.strip())
        if named and re.search(rf"(?<![\w/.~]){named}(?![\w/])", self.message):
            return Save(path=written.value.strip())
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


def _region(words: str) -> str:
    """Return where an edit may act; what is no region is refused.

    Raises:
        Unusable: it is none.
    """
    said = plain(words, LONGEST_WISH)
    if not said or said.lower() == EVERYWHERE:
        return ""
    try:
        return region(said)
    except InputError as error:
        raise Unusable(f"region: {error}") from None


def _question(written: LlmStep) -> Ask:
    question = plain(written.question, LONGEST_QUESTION)
    if not question:
        raise Unusable("ask needs a question.")
    options = [plain(option, LONGEST_OPTION) for option in written.options[: 2 * MOST_OPTIONS]]
    kept = tuple(dict.fromkeys(option for option in options if option))[:MOST_OPTIONS]
    default = plain(written.default, LONGEST_OPTION)
    return Ask(question=question, options=kept, default=default if default in kept else "")


def _reshape(written: LlmStep) -> Reshape:
    """Return how the region of the last edit is to be corrected."""
    how = correction(plain(written.region, LONGEST_WISH))
    if how is None:
        raise Unusable(
            "reshape needs region: larger, smaller, left, right, up, down, other, not WORDS or "
            "and WORDS."
        )
    return Reshape(how=str(how))


def _choice(written: LlmStep) -> Choose:
    """Return what is to hold from now on, if it can."""
    name, value = written.setting, written.value.strip().lower()
    if not name:
        raise Unusable("choose needs a setting.")
    held = declared()[name]
    if known := held.option.choices():
        if value not in known:
            raise Unusable(f"{name} is one of: {', '.join(known)}.")
        return Choose(setting=name, value=value)
    try:
        read = held.option.read or held.number
        return Choose(setting=name, value=read(value.removeprefix("+")))
    except InputError as error:
        raise Unusable(plain(str(error), LONGEST_QUESTION)) from None


def _sentence(reply: str) -> str:
    """Return a reply so that other sentences can follow."""
    words = plain(reply, LONGEST_REPLY)
    if not re.search(r"\w", words):
        return ""
    return words if words[-1] in ".!?…。！？" else f"{words}."


def _echoes(reply: str, message: str) -> bool:
    """Whether a reply says nothing of what is done that the message did not say."""
    return reply.strip(" .!?").lower() in message.lower()
