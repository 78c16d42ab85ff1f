"""One conversation, told to a chat of its own, and how it ended."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from agent.bootstrap import studio_of
from agent.chat import Chat
from agent.sessions.database import open_sessions
from agent.settings import AppSettings
from chats.scripts import Script
from editing_core.portraits.classifier import load_classifier
from editing_core.portraits.schema import draw


@dataclass(frozen=True)
class Told:
    """How one conversation ended."""

    right: bool
    """Whether everything asked for shows in the last picture."""
    asked: float
    """The share of what was asked for that shows."""
    spoilt: float
    """The share of what nobody asked for that changed."""
    seconds: float
    tries: float
    """Edits made for an edit asked for."""


def tell_without(model: str, number: int, script: Script) -> Told:
    """Tell a conversation; an edit is made once."""
    return tell(model, number, script, retries=0)


def tell_with(model: str, number: int, script: Script) -> Told:
    """Tell a conversation; an edit that fails its check is tried again."""
    return tell(model, number, script, retries=AppSettings.model_fields["retries"].default)


def tell(model: str, number: int, script: Script, *, retries: int) -> Told:
    """Say all messages to a chat of its own, and compare its last picture with the truth."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        settings = AppSettings(model=model, home=home, seed=number, offline=True, retries=retries)
        studio = studio_of(settings, person=False, plan_only=False, note=lambda _: None)
        saver = open_sessions(home / "sessions.sqlite")
        chat = Chat(studio, saver, "told")
        assert studio.eyes is not None
        first = draw(script.start)
        caption = studio.eyes.describe(first) or ""
        chat.open(studio.pictures.put(first), caption)  # type: ignore[attr-defined]
        for message in script.messages:
            for _ in chat.say(message):
                pass
        turns = chat.conversation.turns
        last = studio.pictures.image(turns[chat.conversation.head].picture)
        saver.conn.close()
    reports = [turn.report for turn in turns if turn.step is not None]
    return _compared(script, load_classifier().classify(last).attributes, reports)


def _compared(script: Script, seen: dict[str, str], reports: list[dict[str, float]]) -> Told:
    hits = [seen.get(name, "none") == value for name, value in script.asked.items()]
    return Told(
        right=all(hits),
        asked=fmean(hits),
        spoilt=fmean(seen.get(name, "none") != value for name, value in script.kept.items()),
        seconds=sum(report["seconds"] for report in reports),
        tries=fmean(report["tries"] for report in reports) if reports else 0.0,
    )
