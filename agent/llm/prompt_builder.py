"""What an LLM is told before it reads a message: the tree of turns, the talk so far, the picture.

Words of the person, of captions and of earlier replies are quoted as JSON strings, so that nothing
inside them can pass for a line of ours.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import prompts
from agent import turn_tree
from agent.captions import VALUES
from agent.llm.structured_output import plain
from agent.offline.grammar import Context
from agent.state import Adjust, Turn

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_TURNS = 30  # turns that are listed, the newest; their path is listed whole
MOST_MESSAGES = 6  # earlier messages that are told with their replies
LONGEST_LINE = 300  # characters of an earlier message or reply
LONGEST_MESSAGE = 2000  # characters of the message itself
SIDE = 768  # pixels of the longer side of a picture that is sent
QUALITY = 85


def briefing(
    message: str, context: Context, *, world: bool, image: Image | None = None, question: str = ""
) -> list[dict[str, Any]]:
    """Return the messages that ask an LLM to read one message of a person."""
    conversation = context.conversation
    tips = [t for t in turn_tree.branches(conversation) if t.id != conversation.head]
    words = prompts.load(
        "situation",
        turns="\n".join(_line(t) for t in conversation.turns[-MOST_TURNS:]),
        path=_names(context.path),
        branches=_names(tips) or "none",
        talk="\n".join(_talk(context)) or "nothing yet",
        world=prompts.load("world", values=_values()) if world else "",
        caption=_quoted(context.caption),
        question=f"This was asked: {_quoted(question)}\n" if question else "",
        message=_quoted(message),
    )
    content = [text_part(words), image_part(image)] if image is not None else words
    system = {"role": "system", "content": prompts.load("understand")}
    return [system, {"role": "user", "content": content}]


def text_part(words: str) -> dict[str, Any]:
    """Return words as one part of a message."""
    return {"type": "text", "text": words}


def image_part(image: Image) -> dict[str, Any]:
    """Return a picture as one part of a message: a small JPEG inside a data URL."""
    small = image.convert("RGB")
    small.thumbnail((SIDE, SIDE))
    held = io.BytesIO()
    small.save(held, "JPEG", quality=QUALITY)
    data = base64.b64encode(held.getvalue()).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}}


def _line(turn: Turn) -> str:
    if turn.step is None or turn.parent is None:
        return f"@{turn.id}: an original, {_quoted(turn.caption)}"
    words = ", ".join(turn.step.edit_words)
    changed = turn.step.words if isinstance(turn.step, Adjust) else f"{turn.step.change}: {words}"
    return f"@{turn.id}: from @{turn.parent}, {_quoted(turn.request, LONGEST_LINE)} ({changed})"


def _names(turns: Iterable[Turn]) -> str:
    return " ".join(f"@{turn.id}" for turn in turns)


def _talk(context: Context) -> Iterable[str]:
    messages = [m for m in context.conversation.messages if not m.forgotten]
    for said in messages[-MOST_MESSAGES:]:
        yield f"person: {_quoted(said.text, LONGEST_LINE)}"
        if said.reply:
            yield f"you: {_quoted(said.reply, LONGEST_LINE)}"


def _values() -> str:
    return "\n".join(f"- {name}: {', '.join(values)}" for name, values in VALUES.items())


def _quoted(text: str, most: int = LONGEST_MESSAGE) -> str:
    return json.dumps(plain(text, most), ensure_ascii=False)
