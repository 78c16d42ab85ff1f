"""A message and its context become a plan: by LLM where one is configured, else offline."""

from __future__ import annotations

import logging
from typing import Literal

from pydantic import BaseModel, Field

import prompts
from agent.captions import edit_step, is_portrait, parse
from agent.grammar import Context, understand_offline
from agent.llm import LlmError
from agent.state import (
    Ask,
    Change,
    Conversation,
    Describe,
    EditStep,
    GoTo,
    Help,
    Plan,
    Redo,
    Retry,
    Revert,
    Step,
    Undo,
)
from agent.studio import Llm, Studio
from agent.words import edit_words

logger = logging.getLogger(__name__)
LONGEST_CAPTION = 500  # characters of a caption that an LLM may write
MOST_STEPS = 8


class Answered(BaseModel):
    """One step as an LLM writes it: flat, since small servers know only simple schemas."""

    step: Literal["edit", "undo", "redo", "goto", "revert", "retry", "describe", "ask", "help"]
    change: Change | None = None
    target_caption: str | None = None
    number: int | None = None
    how: Literal["again", "weaker", "stronger", "other"] | None = None
    question: str | None = None


class Reading(BaseModel):
    """What an LLM makes of a message."""

    note: str = Field(description="How an unclear wish was read, in a few words; else empty.")
    steps: list[Answered]


def understand(message: str, conversation: Conversation, studio: Studio) -> Plan:
    """Return the plan for a message; a failing LLM is said so and the offline reader serves."""
    context = Context.of(conversation)
    if studio.llm is None:
        return understand_offline(message, context)
    try:
        return ask_llm(studio.llm, message, context)
    except LlmError as error:
        logger.info("offline reader takes over: %s", error)
        plan = understand_offline(message, context)
        note = f"{error} The offline reader took over. {plan.note}".strip()
        return plan.model_copy(update={"note": note})


def ask_llm(llm: Llm, message: str, context: Context) -> Plan:
    """Have an LLM read the message. Its answer is data: prompts and turn numbers, nothing else.

    Raises:
        LlmError: it could not be reached, or its answer makes no plan.
    """
    turns = "\n".join(
        f"@{t.id} (from @{t.parent}): {t.request or 'the original'}"
        for t in context.conversation.turns
    )
    system = prompts.load("understand")
    state = (
        f"Turns:\n{turns}\nPath to the head: {', '.join(f'@{t.id}' for t in context.path)}\n"
        f"Caption of the picture at the head: {context.caption}\nMessage: {message}"
    )
    messages = [{"role": "system", "content": system}, {"role": "user", "content": state}]
    answer = llm.answer(messages, Reading)
    steps: list[Step] = []
    caption = context.caption
    for answered in answer.steps[:MOST_STEPS]:
        step = _step(answered, caption, message, context.conversation)
        steps.append(step)
        if isinstance(step, EditStep):
            caption = step.target_prompt
        elif isinstance(step, GoTo):
            caption = context.conversation.turns[step.turn].caption
    if not steps and not answer.note:
        raise LlmError("The LLM's plan was empty.")
    return Plan(steps=tuple(steps), note=answer.note[:LONGEST_CAPTION])


def _step(answered: Answered, caption: str, message: str, conversation: Conversation) -> Step:
    """Check one step of an LLM and make it ours."""
    count = len(conversation.turns)
    if answered.step in ("goto", "revert") and not 0 <= (answered.number or 0) < count:
        raise LlmError(f"The LLM named turn {answered.number}, which does not exist.")
    match answered.step:
        case "edit":
            return _edit(answered, caption, message)
        case "undo":
            return Undo(messages=max(1, answered.number or 1))
        case "redo":
            return Redo()
        case "goto":
            return GoTo(turn=answered.number or 0)
        case "revert":
            if not answered.number:
                raise LlmError("The LLM wanted to revert the original.")
            return Revert(turn=answered.number)
        case "retry":
            return Retry(how=answered.how or "again")
        case "describe":
            return Describe()
        case "ask":
            return Ask(question=(answered.question or "What shall I change?")[:LONGEST_CAPTION])
        case "help":
            return Help()


def _edit(answered: Answered, caption: str, message: str) -> EditStep:
    target = " ".join((answered.target_caption or "").split())[:LONGEST_CAPTION]
    if not target or target == caption:
        raise LlmError("The LLM planned an edit that changes nothing.")
    if is_portrait(caption) and (step := edit_step(caption, parse(target), message)) is not None:
        return step
    return EditStep(
        change=answered.change or "attribute",
        source_prompt=caption,
        target_prompt=target,
        edit_words=edit_words(caption, target),
        request=message,
    )
