"""Chats about the sample portrait whose editor draws the answer exactly, and ways to talk."""

from __future__ import annotations

import io
import json
import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from perfect_editor import draw_the_target

import chat as door
from agent.chat import Chat
from agent.context import ChatContext
from agent.sessions.catalog import Sessions
from agent.sessions.pruning import YOUNG
from agent.settings import AppSettings
from agent.terminal.commands import Commands, run
from agent.terminal.run_message import play
from agent.terminal.screen import TextScreen
from tools.adjust_picture import adjust_picture
from tools.edit_picture import PRESETS
from tools.inspection import WorldEyes, sample_portrait


def begin(sessions: Sessions, name: str, *messages: str) -> Chat:
    """Take up a session, or begin it with the sample portrait, and chat a little."""
    store = sessions.store
    settings = AppSettings(home=sessions.home, offline=True)
    edit = partial(draw_the_target, store)
    adjust = partial(adjust_picture, store)
    studio = ChatContext(
        settings=settings, edit=edit, adjust=adjust, pictures=store, presets=PRESETS
    )
    chat = Chat(studio, sessions.saver, name)
    if not chat.conversation.turns:
        image, caption = sample_portrait()
        chat.open(store.put(image), caption)
    for message in messages:
        list(chat.say(message))
    return chat


def with_eyes(studio: ChatContext) -> ChatContext:
    """Let a studio see portraits."""
    return replace(studio, eyes=WorldEyes())


def desk_of(chat: Chat) -> Commands:
    """Return the commands of a chat, which print to memory."""
    return Commands(chat, TextScreen(out=io.StringIO()), chat.studio.pictures)


def typed(desk: Commands, line: str) -> str:
    """Type one line; return what was printed."""
    before = len(desk.screen.out.getvalue())
    if line.startswith("/"):
        run(desk, line)
    else:
        play(desk.chat, desk.chat.say(line), desk.screen)
    return desk.screen.out.getvalue()[before:]


def head(desk: Commands) -> int:
    """Return the number of the turn where one is."""
    return desk.chat.conversation.head


def talk(capsys: Any, *argv: Any, code: int = 0) -> tuple[list[dict[str, Any]], str]:
    """Run the program; return its events, and what it wrote beside them."""
    assert door.main(["--offline", "--json", "--seed", "7", *map(str, argv)]) == code
    captured = capsys.readouterr()
    return [json.loads(line) for line in captured.out.splitlines()], captured.err


def age(folder: Path, seconds: float = 2 * YOUNG) -> None:
    """Make every picture look as if it was stored long ago."""
    for file in folder.rglob("*.*"):
        os.utime(file, (time.time() - seconds,) * 2)
