"""One door to any OpenAI-compatible server: messages in, an answer in a schema out.

Only what OpenAI, vLLM, Ollama and llama.cpp share is used: chat completions, text and image parts,
``response_format`` and streaming. A server that refuses one of the last three is asked without it.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from typing import Any, TypeVar

import openai
from pydantic import BaseModel

import prompts
from agent.llm.structured_output import LlmError, Unusable, plain, read, strict_schema

logger = logging.getLogger(__name__)
Schema = TypeVar("Schema", bound=BaseModel)
Messages = list[dict[str, Any]]
TIMEOUT = 120.0  # seconds for a whole answer
CONNECT = 5.0  # seconds until somebody must pick up
PAUSE = 1.0  # seconds before a busy server is asked once more
LONGEST_ANSWER = 12_000  # characters; a model that writes more than any plan needs is stopped
LOOP = 600  # characters that are the same again: an answer that goes round in circles
ECHO = 40  # characters by which the last round is found
BUSY = {429, 500, 502, 503, 504}
SENTENCES = {
    401: "The LLM server refused the key in OPENAI_API_KEY (401).",
    403: "The LLM server refused the key in OPENAI_API_KEY (403).",
    404: "The LLM server does not know that model or address (404).",
    429: "The LLM server is out of quota or too busy (429).",
}
CLUES = {
    "images": ("image", "vision", "multimodal", "multi-modal", "mmproj", "content type"),
    "stream": ("stream",),
    "schema": ("response_format", "json_schema", "schema", "grammar", "structured"),
}
"""What a server may lack, in the order of giving up, and words of the refusals that name it."""


class Server:
    """A server that speaks OpenAI's chat completions: OpenAI, vLLM, Ollama, llama.cpp.

    Attributes:
        sees: whether the model sees pictures; None until somebody has found out.
    """

    def __init__(
        self,
        url: str | None,
        model: str,
        *,
        timeout: float = TIMEOUT,
        sees: bool | None = None,
        pause: float = PAUSE,
    ) -> None:
        """Prepare to ask; nothing is sent yet.

        Args:
            url: base URL; None means OPENAI_BASE_URL, else OpenAI itself.
            model: name of the model there.
            timeout: seconds for a whole answer.
            sees: whether the model sees pictures, if that is known.
            pause: seconds before a busy server is asked once more.

        Raises:
            LlmError: the URL is none.
        """
        key = os.environ.get("OPENAI_API_KEY") or "local"
        self.model, self.sees = model, sees
        self._timeout, self._pause = timeout, pause
        self._lacks: frozenset[str] = frozenset()
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
        text, whole = self._ask(messages, schema)
        if not text.strip():
            raise LlmError("The LLM's answer was empty.")
        try:
            return read(text, schema, repair=whole)
        except Unusable:
            if not whole:  # half a plan, repaired, would lose half of the wishes
                raise LlmError("The LLM's answer was cut off.") from None
            raise

    def _ask(self, messages: Messages, schema: type[BaseModel]) -> tuple[str, bool]:
        """Return the answer's text and whether it is whole; leave out what the server lacks."""
        lacks, waited = self._lacks, False
        while True:
            try:
                answer = self._read(_request(self.model, messages, schema, lacks))
            except openai.APIStatusError as error:
                if feature := _refused(error, messages, lacks):
                    logger.info("the LLM server is asked without %s: %s", feature, error)
                    lacks |= {feature}
                elif error.status_code in BUSY and not waited:
                    time.sleep(self._pause)
                    waited = True
                else:
                    raise LlmError(_sentence(error)) from None
            except openai.APITimeoutError:
                raise LlmError(_late(self._timeout)) from None
            except openai.APIConnectionError as error:
                raise LlmError(self._unreachable(error)) from None
            except (openai.OpenAIError, ValueError, TypeError, AttributeError) as error:
                reason = plain(str(error), 120).rstrip(".")
                raise LlmError(f"The LLM server gave no proper answer: {reason}.") from None
            else:
                self._lacks = lacks
                if "images" in lacks:
                    self.sees = False
                return answer

    def _read(self, request: dict[str, Any]) -> tuple[str, bool]:
        """Gather the answer piece by piece, so that a slow or endless one can be left."""
        if "stream" not in request:
            choice = self._client.chat.completions.create(**request).choices[0]
            return choice.message.content or "", choice.finish_reason in ("stop", None)
        text, ended = "", None
        until = time.monotonic() + self._timeout
        with self._client.chat.completions.create(**request) as chunks:
            for chunk in chunks:
                if time.monotonic() > until:
                    raise LlmError(_late(self._timeout))
                for choice in chunk.choices or ():
                    text += choice.delta.content or ""
                    ended = choice.finish_reason or ended
                if len(text) > LONGEST_ANSWER or _loops(text):
                    return text, False
        return text, ended == "stop"

    def _unreachable(self, error: openai.APIConnectionError) -> str:
        cause = str(error.__cause__ or "").lower()
        if "incomplete" in cause or "disconnected" in cause or "reset" in cause:
            return "The LLM's answer was cut off."
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


def _refused(error: openai.APIStatusError, messages: Messages, lacks: frozenset[str]) -> str | None:
    """Name what the server refuses, as far as its words or its status tell; None if neither."""
    offered = [name for name in CLUES if name not in lacks]
    if "images" in offered and not any(map(_has_images, messages)):
        offered.remove("images")
    words = str(error.body or error.message).lower()
    if error.status_code in (400, 415, 422, 500, 501):
        for name in offered:
            if any(re.search(rf"\b{clue}", words) for clue in CLUES[name]):
                return name
    guess = error.status_code in (400, 415, 422, 501) and "context" not in words
    return offered[0] if guess and offered else None


def _sentence(error: openai.APIStatusError) -> str:
    status = error.status_code
    if status in SENTENCES:
        return SENTENCES[status]
    if status >= 500:
        return f"The LLM server failed ({status})."
    body = error.body
    reason = body.get("message") if isinstance(body, dict) else None
    detail = f": {plain(str(reason), 160).rstrip('.')}" if reason else ""
    return f"The LLM server refused the request ({status}){detail}."


def _loops(text: str) -> bool:
    """Whether a weak model has begun to say the same for ever."""
    end = text[-ECHO:]
    period = len(text) - ECHO - text.rfind(end, 0, len(text) - 1)
    return len(text) > LOOP + period and text[-LOOP:] == text[-LOOP - period : -period]


def _late(seconds: float) -> str:
    return f"The LLM gave no answer within {seconds:g} seconds."
