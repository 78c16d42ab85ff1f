"""What a server sends for one answer, streamed or whole, in any of the forms that servers use."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from agent.state import Usage

MOST_CHARACTERS = 1_000_000  # of a body that is no stream; no answer comes near
_FIELDS = (":", "event:", "id:", "retry:")
"""Lines of a stream that carry no data: comments such as ": ping", and names of events."""
_WORDS = ("text", "output_text")
_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
"""Where servers put what a model thought before it answered; some put the answer there."""
_CUT = ("length", "max_tokens")
_END = "[DONE]"


class ServerRefused(Exception):
    """The server refuses, be it with status 200; ``words`` are its own."""

    def __init__(self, status: int, words: str, wait: float | None = None) -> None:
        """Keep the status, the server's words, and the seconds it asks to wait."""
        super().__init__(words)
        self.status, self.words, self.wait = status, words, wait


class NoServer(Exception):
    """What was sent is no answer of any LLM server."""


@dataclass
class Completion:
    """One answer, gathered from chunks of a stream or from one body.

    Attributes:
        content: what the model said.
        thoughts: what it thought before that.
        arguments: what it passed to a tool, though none was offered.
        refusal: why it declined.
        finish: why it ended, in the server's word; None if that was not said.
        usage: what the server counted.
    """

    content: str = ""
    thoughts: str = ""
    arguments: str = ""
    refusal: str = ""
    finish: str | None = None
    usage: Usage = Usage(calls=1)

    @property
    def text(self) -> str:
        """The answer, wherever the server put it."""
        return next(filter(str.strip, (self.arguments, self.content, self.thoughts)), "")

    @property
    def cut(self) -> bool:
        """Whether the server says that the answer is not whole."""
        return self.finish in _CUT

    @property
    def filtered(self) -> bool:
        """Whether a filter of the server's stopped the answer."""
        return self.finish == "content_filter"

    def take(self, body: object) -> None:
        """Take in a chunk of a stream, or a whole body.

        Raises:
            ServerRefused: it is an error.
            ValueError, TypeError, AttributeError: it is in no known form.
        """
        if not isinstance(body, dict):
            raise ValueError("it is no JSON object")
        if (error := _error(body)) is not None:
            raise ServerRefused(200, error)
        if isinstance(counted := body.get("usage"), dict):
            self.usage = Usage(
                calls=1,
                prompt=_count(counted.get("prompt_tokens")),
                completion=_count(counted.get("completion_tokens")),
            )
        for choice in body.get("choices") or ():
            if not choice.get("index"):  # 0 or left out: one answer was asked for
                self._choice(choice)

    def _choice(self, choice: dict[str, Any]) -> None:
        said = choice.get("delta") or choice.get("message") or {}
        self.finish = choice.get("finish_reason") or self.finish
        self._content(said.get("content"))
        self.thoughts += next((str(said[name]) for name in _THOUGHTS if said.get(name)), "")
        self.refusal += said.get("refusal") or ""
        for call in said.get("tool_calls") or ():
            arguments = (call.get("function") or {}).get("arguments") or ""
            self.arguments += arguments if isinstance(arguments, str) else json.dumps(arguments)

    def _content(self, content: object) -> None:
        """Take in words, or a list of parts."""
        for part in content if isinstance(content, list) else [content]:
            if isinstance(part, str):
                self.content += part
            elif isinstance(part, dict) and part.get("type") in _WORDS:
                self.content += str(part.get("text") or "")
            elif isinstance(part, dict) and part.get("type") == "refusal":
                self.refusal += str(part.get("refusal") or "")


def bodies(lines: Iterable[str]) -> Iterator[object]:
    """Yield the JSON of a stream of events as it comes, or of one whole body.

    Args:
        lines: of the response, without their ends.

    Raises:
        NoServer: it is neither.
        ValueError: a stream breaks off inside an event.
    """
    event, rest, length = "", "", 0
    streamed = False
    for line in lines:
        if line.startswith("data:"):
            streamed = True
            event += line.removeprefix("data:").strip()
            if event == _END:
                return
            try:
                yield json.loads(event)
            except ValueError:  # the event goes on in the next line
                continue
            event = ""
        elif not line.startswith(_FIELDS) and not streamed:
            rest += f"{line}\n"
            length += len(line)
            if length > MOST_CHARACTERS:
                raise NoServer
    if event:
        raise ValueError("its stream is no JSON")
    if rest.strip():
        try:
            yield json.loads(rest)
        except (ValueError, RecursionError):
            raise NoServer from None


def _error(body: dict[str, Any]) -> str | None:
    """Return the words of a body that is an error, in the forms of OpenAI, vLLM and FastAPI."""
    error = body.get("error")
    if error is None and not body.get("choices"):
        error = body if body.get("object") == "error" else body.get("detail")
    if not error:
        return None
    words = error.get("message") or error if isinstance(error, dict) else error
    return words if isinstance(words, str) else json.dumps(words)


def _count(number: object) -> int:
    return number if isinstance(number, int) and number > 0 else 0
