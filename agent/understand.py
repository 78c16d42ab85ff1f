"""A message and its context become a plan: by LLM where one is configured, else offline."""

from __future__ import annotations

import logging
import re

from agent.choosing import chosen_settings
from agent.context import ChatContext
from agent.llm.plan_schema import Reading, plan_of
from agent.llm.prompt_builder import briefing
from agent.llm.structured_output import LlmError, consult
from agent.llm.vision import can_see
from agent.offline.grammar import Context, understand_offline
from agent.options import EDIT_OPTIONS
from agent.state import Conversation, Plan, Reshape
from editing_core.worlds.registry import world_named
from tools.regions import correction

logger = logging.getLogger(__name__)
_SHOWN = re.compile(r"/show (?:region|mask(?: (?P<turn>\d+))?)")
"""The message that is remembered of /show mask and /show region."""


def understand(
    message: str, conversation: Conversation, studio: ChatContext, *, question: str = ""
) -> Plan:
    """Return the plan for a message; if the LLM fails, that is said and the offline reader serves.

    Args:
        message: what the person said.
        conversation: where it was said.
        studio: holds the LLM, if there is one.
        question: what the message answers.
    """
    if (reshaped := reshaping(message, conversation)) is not None:
        return Plan(steps=(reshaped,))
    context = Context.of(conversation)
    world = world_named(studio.settings.model) is not None
    if studio.llm is None:
        return understand_offline(message, context, world=world)
    try:
        return ask_llm(message, context, studio, question=question)
    except LlmError as error:
        logger.info("the offline reader takes over: %s (%s)", error, error.__cause__)
        plan = understand_offline(message, context, world=world)
        why = f"{str(error).rstrip('.')}, so I read your message without it."
        note = f"{why} {plan.note}".strip()
        return plan.model_copy(update={"note": note})


def reshaping(message: str, conversation: Conversation) -> Reshape | None:
    """Read how a mask that was just shown is to be corrected: "larger", "not the hair".

    After a correction another one may follow.
    """
    how = correction(message)
    said = [m.text for m in conversation.messages if not m.forgotten]
    while said and correction(said[-1].removeprefix("/region ")):
        said.pop()
    shown = _SHOWN.fullmatch(said[-1]) if said else None
    if how is None or shown is None:
        return None
    same = said[-1] == conversation.messages[-1].text
    turn = int(shown["turn"]) if shown["turn"] and same else None
    return Reshape(how=str(how), turn=turn)


def ask_llm(message: str, context: Context, studio: ChatContext, *, question: str = "") -> Plan:
    """Have the LLM read the message. Its answer is data: captions and turn numbers, nothing else.

    Raises:
        LlmError: there is no answer, or twice none that makes a plan.
    """
    assert studio.llm is not None
    world = world_named(studio.settings.model) is not None
    picture = context.path[-1].picture
    image = (
        studio.pictures.image(picture) if picture and not world and can_see(studio.llm) else None
    )
    settings = chosen_settings(context.conversation, studio)
    chosen = {name: getattr(settings, name) for name in EDIT_OPTIONS}
    messages = briefing(
        message, context, world=world, chosen=chosen, image=image, question=question
    )

    def plan(reading: Reading) -> Plan:
        return plan_of(reading, message, context, world=world)

    return consult(studio.llm, messages, Reading, plan)
