"""A chat with fakes for the editor and the eyes."""

from __future__ import annotations

from langgraph.checkpoint.memory import InMemorySaver
from studio_fakes import CAPTION, fake_studio

from agent.chat import Chat
from agent.sessions.records import serializer


def begin(saver=None, **changes):
    studio, editor, key = fake_studio(**changes)
    chat = Chat(studio, saver or InMemorySaver(serde=serializer()), "s")
    chat.open(key, CAPTION)
    return chat, editor
