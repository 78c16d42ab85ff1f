"""Where the edit that is due starts, and by which numbers it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.context import ChatContext
from agent.options import EDIT_OPTIONS, declared
from agent.regions import region_at
from agent.settings import AppSettings
from agent.state import Choices, Conversation, EditStep, Turn
from agent.turn_tree import path
from tools.arguments import InputError, short
from tools.edit_picture import paired
from tools.regions import EVERYWHERE


def start(state: Conversation) -> Turn:
    """Return the turn that the current edit starts from."""
    return state.turns[state.head if state.at is None else state.at]


def seed_of(state: Conversation, studio: ChatContext) -> int:
    """Return the seed of the turn being made: the session's plus the turn's number.

    An edit that is made again in another region keeps its own.
    """
    step = state.plan.steps[state.position] if state.plan else None
    if isinstance(step, EditStep) and step.seed is not None:
        return step.seed
    return chosen_settings(state, studio).seed + len(state.turns)


def chosen_settings(state: Conversation, studio: ChatContext) -> AppSettings:
    """Return the settings with what was chosen in this session."""
    chosen = {k: v for k, v in state.chosen.made.items() if k in EDIT_OPTIONS}
    if "method" in chosen or "preset" in chosen:
        pair = paired(chosen.get("method", ""), chosen.get("preset", ""))
        chosen |= dict(zip(("method", "preset"), pair, strict=True))
    if (value := chosen.get("region", studio.settings.region)) != EVERYWHERE and state.turns:
        chosen["region"] = region_at(state, start(state).id, value, studio.pictures)
    return studio.settings.model_copy(update=chosen)


def region_of(state: Conversation, studio: ChatContext, step: EditStep) -> str:
    """Return where the edit that is due may act: where its message says, else as chosen."""
    return step.region or chosen_settings(state, studio).region


def choices_of(given: Mapping[str, object]) -> Choices:
    """Return choices as the /commands read them.

    Raises:
        InputError: There is no such option, or it has no such value.
    """
    return Choices(**{name: _read(name, str(value)) for name, value in given.items()})


def _read(name: str, value: str) -> str | int:
    if name not in EDIT_OPTIONS:
        raise InputError(f"There is no option {short(name)}, but {', '.join(EDIT_OPTIONS)}.")
    held = declared()[name]
    if known := held.option.choices():
        if value not in known:
            raise InputError(f"There is no {name} {short(value)}, but {', '.join(known)}.")
        return value
    read = held.option.read or held.number
    return read(value)


def settings_of(state: Conversation, studio: ChatContext, step: EditStep) -> Any:
    """Return the preset's numbers for the edit that is due, as strong as asked."""
    chosen = chosen_settings(state, studio)
    preset: Any = studio.presets.get(chosen.preset)
    edits = sum(isinstance(turn.step, EditStep) for turn in path(state, start(state).id))
    settings = preset.fitted(step.change, edits)
    notches = step.strength + chosen.strength
    for _ in range(abs(notches)):
        settings = settings.stronger() if notches > 0 else settings.weaker()
    settings = settings if chosen.keep == "auto" else settings.keeping(chosen.keep)
    return settings.drafted() if chosen.draft == "on" else settings
