"""A person is offered the LLM that runs on their machine, once, if they have configured none."""

from __future__ import annotations

import re
from collections.abc import Callable

from agent.bootstrap import llm_is_configured
from agent.llm import local
from agent.llm.local import LocalLlm
from agent.settings import AppSettings

Note = Callable[[str], None]
_YES = re.compile(r"y|yes|j|ja|oui|si|sí|i|igen", re.IGNORECASE)


def with_local_llm(
    settings: AppSettings, note: Note, ask: Callable[[str], str] | None = None
) -> AppSettings:
    """Return the settings with a local LLM, if the person wants it now or did before.

    Only for a person at a terminal: nobody else is asked, and what they answered counts only there.

    Args:
        settings: what was chosen; with an LLM or ``offline`` nothing is looked for.
        note: told which LLM is used.
        ask: puts a question and returns the answer, or raises EOFError or KeyboardInterrupt.
    """
    if settings.offline or llm_is_configured(settings):
        return settings
    known = local.answers(settings.home)
    for llm in local.found():
        wanted = known.get(local.key(llm))
        if wanted is None:
            wanted = _asked(settings, llm, ask or _prompt)
        if wanted:
            forget = settings.home / local.ANSWERS
            note(f"{llm.name} at {llm.server} reads your messages; delete {forget} to be asked.")
            return settings.model_copy(update={"llm_url": llm.url, "llm_model": llm.model})
    return settings


def _asked(settings: AppSettings, llm: LocalLlm, ask: Callable[[str], str]) -> bool:
    """Offer an LLM and remember the answer; Ctrl-C and Ctrl-D are none."""
    try:
        answer = ask(f"{llm.server} is here with {llm.name}: use it? y/N ")
    except (EOFError, KeyboardInterrupt):
        return False
    wanted = _YES.fullmatch(answer.strip(" .!")) is not None
    local.remember(settings.home, llm, wanted)
    return wanted


def _prompt(question: str) -> str:
    from prompt_toolkit import prompt

    return prompt(question)
