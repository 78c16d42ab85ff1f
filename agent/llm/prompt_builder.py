"""What an LLM is told before it reads a message: the tree of turns, the talk so far, the picture.

Words of the person, of captions and of earlier replies are quoted as JSON strings, so that nothing
inside them can pass for a line of ours.
"""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import prompts
from agent import turn_tree
from agent.captions import VALUES
from agent.llm.structured_output import plain
from agent.offline.grammar import Context
from agent.state import Adjust, Turn

if TYPE_CHECKING:
    from PIL.Image import Image

LATEST = 6  # turns that are always told, beside the originals, branching ones and ends of branches
MOST_TURNS = 60  # turns that are told at all
MOST_MESSAGES = 6  # earlier messages that are told with their replies
LONGEST_LINE = 300  # characters of an earlier message or reply
LONGEST_MESSAGE = 2000  # characters of the message itself
SIDE = 768  # pixels of the longer side of a picture that is sent
QUALITY = 85


def briefing(
    message: str,
    context: Context,
    *,
    world: bool,
    chosen: Mapping[str, object],
    image: Image | None = None,
    question: str = "",
) -> list[dict[str, Any]]:
    """Return the messages that ask an LLM to read one message of a person.

    What stays the same from message to message comes first, so that a server which keeps what it
    has read of a prompt's beginning reads little anew: rules, what can be drawn, turns, talk, the
    head, the message, the picture.

    Args:
        message: what the person said.
        context: the conversation it was said in.
        world: whether only the world of portraits can be drawn.
        chosen: how edits are made, by the names of `agent.options`.
        image: the picture at the head, for an LLM that sees.
        question: what the message answers.
    """
    conversation = context.conversation
    tips = [t for t in turn_tree.branches(conversation) if t.id != conversation.head]
    drawable = prompts.load("world", values=_values()) if world else ""
    words = prompts.load(
        "situation",
        turns="\n".join(_turns(context)),
        chosen=", ".join(f"{name} {value}" for name, value in chosen.items()),
        path=_names(context.path),
        branches=_names(tips) or "none",
        talk="\n".join(_talk(context)) or "nothing yet",
        caption=_quoted(context.caption),
        question=f"This was asked: {_quoted(question)}\n" if question else "",
        message=_quoted(message),
    )
    content = [text_part(words), image_part(image)] if image is not None else words
    rules = f"{prompts.load('understand')}\n\n{drawable}".strip()
    return [{"role": "system", "content": rules}, {"role": "user", "content": content}]


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


def _turns(context: Context) -> Iterator[str]:
    """Tell the turns; of a long history those that matter, and of the others how many of a kind.

    Told are originals, turns that branches start from, ends of branches, and the latest turns of
    the conversation and of the path. Captions are told of the path and of the ends.
    """
    conversation = context.conversation
    path = {turn.id for turn in context.path}
    ends = {turn.id for turn in turn_tree.branches(conversation)}
    told = _that_matter(context, ends)
    skipped: list[Turn] = []
    for turn in conversation.turns:
        if turn.id not in told:
            skipped.append(turn)
            continue
        if skipped:
            yield _gap(skipped)
        skipped = []
        yield _line(turn, captioned=turn.id in path | ends)
    if skipped:
        yield _gap(skipped)


def _that_matter(context: Context, ends: set[int]) -> set[int]:
    """Return the ids of the turns that are told one by one."""
    turns = context.conversation.turns
    children = Counter(turn.parent for turn in turns if turn.parent is not None)
    always = {turn.id for turn in [*turns[-LATEST:], *context.path[-LATEST:]]}
    likely = [
        turn.id
        for turn in reversed(turns)
        if turn.step is None or children[turn.id] > 1 or turn.id in ends
    ]
    return {0} | always | set(likely[: MOST_TURNS - len(always)])


def _gap(turns: list[Turn]) -> str:
    """Tell in one line how many turns are left out, and of which kinds."""
    kinds = Counter(turn.step.change for turn in turns if turn.step is not None)
    listed = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    first, last = turns[0].id, turns[-1].id
    return f"@{first} to @{last}, left out here: {len(turns)} edits ({listed})"


def _line(turn: Turn, *, captioned: bool) -> str:
    if turn.step is None or turn.parent is None:
        return f"@{turn.id}: an original, {_quoted(turn.caption)}"
    words = ", ".join(turn.step.edit_words)
    changed = turn.step.words if isinstance(turn.step, Adjust) else f"{turn.step.change}: {words}"
    line = f"@{turn.id}: from @{turn.parent}, {_quoted(turn.request, LONGEST_LINE)} ({changed})"
    return f"{line} shows {_quoted(turn.caption)}" if captioned else line


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
