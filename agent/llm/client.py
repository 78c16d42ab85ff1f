"""One door to any OpenAI-compatible server: messages in, an answer in a schema out.

Only what OpenAI, vLLM, Ollama and llama.cpp share is used: chat completions, text and image parts,
``response_format``, streaming and its count of tokens. A server that refuses one of the last four
is asked without it.
"""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from itertools import takewhile
from typing import Any, TypeVar

import openai
from pydantic import BaseModel

import prompts
from agent.background import Stopped, until_stopped
from agent.llm.completion import Completion, NoServer, ServerRefused, bodies
from agent.llm.json_answer import read
from agent.llm.structured_output import LlmError, Unusable, plain, strict_schema
from agent.state import Usage

logger = logging.getLogger(__name__)
Schema = TypeVar("Schema", bound=BaseModel)
Messages = list[dict[str, Any]]
Hear = Callable[[str], None]
TIMEOUT = 120.0  # seconds for a whole answer
CONNECT = 5.0  # seconds until somebody must pick up
PAUSE = 1.0  # seconds before a busy server is asked once more, if it does not say how long
MOST_PAUSES = 5  # that a server which says how long may ask for
LONGEST_ANSWER = 12_000  # characters; a model that writes more than any plan needs is stopped
LONGEST_CAUSE = 160  # characters of a server's own words that are repeated
LOOP = 600  # characters that are the same again: an answer that goes round in circles
ECHO = 40  # characters by which the last round is found
BUSY = {429, 500, 502, 503, 504}
WRONG_REQUEST = {400, 415, 422, 501}
CUT_OFF = "The LLM's answer was cut off."
SENTENCES = {
    401: "The LLM server refused the key in OPENAI_API_KEY (401).",
    403: "The LLM server refused the key in OPENAI_API_KEY (403).",
    404: "The LLM server does not know that model or address (404).",
    429: "The LLM server is out of quota or too busy (429).",
}
CLUES = {
    "usage": ("stream_options", "include_usage"),
    "images": ("image", "vision", "multimodal", "multi-modal", "mmproj", "content type"),
    "stream": ("stream",),
    "schema": ("response_format", "json_schema", "schema", "grammar", "structured"),
}
"""What a server may lack, in the order of giving up, and words of the refusals that name it."""


class Server:
    """A server that speaks OpenAI's chat completions: OpenAI, vLLM, Ollama, llama.cpp.

    Attributes:
        sees: whether the model sees pictures; None until somebody has found out.
        used: calls that were answered and tokens that were counted, since the beginning.
    """

    def __init__(
        self,
        url: str | None,
        model: str,
        *,
        timeout: float = TIMEOUT,
        sees: bool | None = None,
        pause: float = PAUSE,
        hear: Hear = lambda text: None,
    ) -> None:
        """Prepare to ask; nothing is sent yet.

        Args:
            url: base URL; None means OPENAI_BASE_URL, else OpenAI itself.
            model: name of the model there.
            timeout: seconds for a whole answer, pauses included.
            sees: whether the model sees pictures, if that is known.
            pause: seconds before a busy server is asked once more, if it does not say how long.
            hear: told all that has come of an answer, while it comes.

        Raises:
            LlmError: the URL is none.
        """
        key = os.environ.get("OPENAI_API_KEY") or "local"
        self.model, self.sees = model, sees
        self.used = Usage()
        self._timeout, self._pause, self._hear = timeout, pause, hear
        self._lacks: frozenset[str] = frozenset()
        self._given_up = threading.Event()
        limits = openai.Timeout(timeout, connect=min(CONNECT, timeout))
        url = url or None
        try:
            self._client = openai.OpenAI(base_url=url, api_key=key, timeout=limits, max_retries=0)
        except Exception as error:  # httpx's InvalidURL, which no public module names
            raise LlmError(f"{plain(url or '', 200)} is no address of an LLM server.") from error

    def answer(self, messages: Messages, schema: type[Schema], /) -> Schema:
        """Return the model's answer, read as the schema; broken JSON is repaired.

        Raises:
            LlmError: the server cannot be reached, refuses, or gives no whole answer.
            Unusable: there is an answer, but not in the schema.
        """
        said = self._in_time(messages, schema)
        if said.filtered:
            raise LlmError("A filter of the LLM server stopped the answer.")
        if said.refusal.strip() and not said.text:
            raise LlmError(f"The LLM declined: {_cause(said.refusal)}.")
        whole = said.finish is not None and not said.cut
        if not said.text:
            raise LlmError(CUT_OFF if said.cut else "The LLM's answer was empty.")
        try:
            return read(said.text, schema, repair=whole)
        except Unusable:
            if not whole:  # half a plan, repaired, would lose half of the wishes
                raise LlmError(CUT_OFF) from None
            raise

    def models(self) -> list[str]:
        """Return the names of the models there.

        Raises:
            LlmError: the server cannot be reached or refuses.
        """
        try:
            return [model.id for model in self._client.models.list()]
        except openai.APIStatusError as error:
            raise LlmError(_sentence(ServerRefused(error.status_code, _words(error)))) from None
        except Exception as error:
            raise LlmError(self._unreachable(error)) from None

    def _in_time(self, messages: Messages, schema: type[BaseModel]) -> Completion:
        """Return what came within the limit, which no comment of a server's can put off.

        An earlier request that somebody waits for no longer (Ctrl-C) is given up.
        """
        until = time.monotonic() + self._timeout
        self._given_up.set()
        given_up = self._given_up = threading.Event()
        try:
            return until_stopped(
                lambda: self._ask(messages, schema, until, given_up),
                lambda: time.monotonic() > until,
            )
        except Stopped:
            raise LlmError(_late(self._timeout)) from None
        finally:
            given_up.set()

    def _ask(
        self, messages: Messages, schema: type[BaseModel], until: float, given_up: threading.Event
    ) -> Completion:
        """Ask until there is an answer; leave out what the server lacks, wait while it is busy."""
        lacks, pauses = self._lacks, 0
        while True:
            try:
                said = self._read(_request(self.model, messages, schema, lacks), until, given_up)
            except ServerRefused as error:
                if feature := _refused(error, messages, lacks):
                    logger.info("the LLM server is asked without %s: %s", feature, error)
                    lacks |= {feature}
                elif error.status in BUSY and self._may_wait(error, pauses, until):
                    if given_up.wait(self._pause if error.wait is None else error.wait):
                        raise LlmError(_late(self._timeout)) from None
                    pauses += 1
                else:
                    raise LlmError(_sentence(error)) from None
            else:
                if given_up.is_set():
                    raise LlmError(_late(self._timeout))
                self._lacks = lacks
                self.used += said.usage
                if "images" in lacks:
                    self.sees = False
                return said

    def _may_wait(self, error: ServerRefused, pauses: int, until: float) -> bool:
        """Whether to ask a busy server again.

        Raises:
            LlmError: it asks for more time than there is.
        """
        if error.wait is None:
            return not pauses
        if time.monotonic() + error.wait > until:
            raise LlmError(
                f"{_sentence(error).rstrip('.')} and asks to wait {error.wait:.0f} seconds, longer "
                f"than the {self._timeout:g} that an answer may take."
            )
        return pauses < MOST_PAUSES

    def _read(self, request: dict[str, Any], until: float, given_up: threading.Event) -> Completion:
        """Gather one answer piece by piece, so that a slow or endless one can be left."""
        said = Completion()
        limits = openai.Timeout(self._timeout, connect=min(CONNECT, self._timeout))
        try:
            with self._client.chat.completions.with_streaming_response.create(
                **request, timeout=limits
            ) as response:
                lines = takewhile(lambda _: not given_up.is_set(), response.iter_lines())
                for body in bodies(lines):
                    said.take(body)
                    self._hear(said.content or said.arguments)
                    if len(said.text) > LONGEST_ANSWER or _loops(said.text):
                        said.finish = "length"
                        break
                streamed = response.headers.get("content-type", "").startswith("text/event")
        except openai.APIStatusError as error:
            words = _words(error)
            raise ServerRefused(error.status_code, words, _wait(error.response.headers)) from None
        except ServerRefused:
            raise
        except NoServer:
            raise LlmError(f"What answers at {self._client.base_url} is no LLM server.") from None
        except ValueError as error:
            raise LlmError(f"The LLM server gave no proper answer: {_cause(str(error))}.") from None
        except (TypeError, AttributeError):  # a list where an object should be, and the like
            raise LlmError("The LLM server gave no proper answer.") from None
        except Exception as error:  # openai's and those of its HTTP client, which it does not name
            raise LlmError(self._unreachable(error)) from None
        if not streamed and said.finish is None:
            said.finish = "stop"  # one body is always whole
        return said

    def _unreachable(self, error: Exception) -> str:
        """Name why a connection failed, by the words of whatever library says it."""
        cause = f"{type(error).__name__} {error} {error.__cause__ or ''}".lower()
        if "timeout" in cause:
            return _late(self._timeout)
        if any(word in cause for word in ("incomplete", "disconnected", "reset", "remoteprotocol")):
            return CUT_OFF
        return f"No LLM answers at {self._client.base_url}."


def _request(
    model: str, messages: Messages, schema: type[BaseModel], lacks: frozenset[str]
) -> dict[str, Any]:
    """Write the request, without what the server lacks."""
    request: dict[str, Any] = {"model": model, "messages": messages}
    form = {"name": schema.__name__, "strict": True, "schema": strict_schema(schema)}
    if "images" in lacks:
        request["messages"] = [_without_images(message) for message in messages]
    if "stream" not in lacks:
        request["stream"] = True
        if "usage" not in lacks:
            request["stream_options"] = {"include_usage": True}
    if "schema" in lacks:
        said = {
            "role": "user",
            "content": prompts.load("schema", schema=json.dumps(form["schema"])),
        }
        request["messages"] = [*request["messages"], said]
    else:
        request["response_format"] = {"type": "json_schema", "json_schema": form}
    return request


def _has_images(message: dict[str, Any]) -> bool:
    content = message["content"]
    return not isinstance(content, str) and any(part["type"] == "image_url" for part in content)


def _without_images(message: dict[str, Any]) -> dict[str, Any]:
    if not _has_images(message):
        return message
    words = [part["text"] for part in message["content"] if part["type"] == "text"]
    return message | {"content": "\n".join(words)}


def _refused(error: ServerRefused, messages: Messages, lacks: frozenset[str]) -> str | None:
    """Name what the server refuses, as far as its words or its status tell; None if neither."""
    offered = [name for name in CLUES if name not in lacks]
    if "images" in offered and not any(map(_has_images, messages)):
        offered.remove("images")
    words = error.words.lower()
    if error.status in {200, 500, *WRONG_REQUEST}:
        for name in offered:
            if any(re.search(rf"\b{clue}", words) for clue in CLUES[name]):
                return name
    guess = error.status in WRONG_REQUEST and "context" not in words
    return offered[0] if guess and offered else None


def _words(error: openai.APIStatusError) -> str:
    """Return what a server says about its refusal, without what is around it."""
    body = error.body
    said = body.get("message") or body.get("detail") if isinstance(body, dict) else body
    return said if isinstance(said, str) else json.dumps(body or error.message)


def _sentence(error: ServerRefused) -> str:
    """Say why the server gave no answer."""
    if error.status in SENTENCES:
        return SENTENCES[error.status]
    if error.status >= 500:
        return f"The LLM server failed ({error.status})."
    detail = f": {reason}" if (reason := _cause(error.words)) else ""
    status = "" if error.status == 200 else f" ({error.status})"
    return f"The LLM server refused the request{status}{detail}."


def _wait(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks to wait: a number or a date; None if it does not."""
    said = headers.get("retry-after", "").strip()
    try:
        return max(float(said), 0.0)
    except ValueError:
        pass
    try:
        return max(parsedate_to_datetime(said).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None


def _cause(words: str) -> str:
    """Return words of a server as they can end a sentence."""
    return plain(words, LONGEST_CAUSE).rstrip(".!")


def _loops(text: str) -> bool:
    """Whether a weak model has begun to say the same for ever."""
    end = text[-ECHO:]
    period = len(text) - ECHO - text.rfind(end, 0, len(text) - 1)
    return len(text) > LOOP + period and text[-LOOP:] == text[-LOOP - period : -period]


def _late(seconds: float) -> str:
    return f"The LLM gave no answer within {seconds:g} seconds."
