"""One door to any OpenAI-compatible server: messages in, an answer in a schema out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from openai import OpenAI

Schema = TypeVar("Schema", bound=BaseModel)
TIMEOUT = 60.0  # seconds for an answer
_FENCE = re.compile(r"^\s*```(?:json)?\s*(.*?)\s*```\s*$", re.DOTALL)


class LlmError(Exception):
    """No usable answer; the message is one clear sentence for the person."""


class Server:
    """A server that speaks OpenAI's chat completions: OpenAI, vLLM, Ollama, llama.cpp."""

    def __init__(self, url: str | None, model: str, *, client: OpenAI | None = None) -> None:
        """Prepare to ask; nothing is sent yet.

        Args:
            url: base URL; None means OPENAI_BASE_URL, else OpenAI itself.
            model: name of the model there.
            client: another client, for tests.
        """
        import os

        from openai import OpenAI

        self.model = model
        key = os.environ.get("OPENAI_API_KEY") or "local"
        self.client = client or OpenAI(base_url=url, api_key=key, timeout=TIMEOUT, max_retries=1)

    def answer(self, messages: list[dict[str, Any]], schema: type[Schema], /) -> Schema:
        """Return the model's answer, read as the schema.

        Raises:
            LlmError: the server cannot be reached or refuses, or twice gave no valid answer.
        """
        text = self._complete(messages, schema)
        try:
            return schema.model_validate_json(_bare(text))
        except ValidationError as error:
            wrong = f"That was not valid: {error.errors()[0]['msg']}. Answer with the JSON only."
        again = [{"role": "assistant", "content": text}, {"role": "user", "content": wrong}]
        try:
            return schema.model_validate_json(_bare(self._complete(messages + again, schema)))
        except ValidationError:
            raise LlmError("The LLM twice gave no valid plan.") from None

    def _complete(self, messages: list[dict[str, Any]], schema: type[BaseModel]) -> str:
        import openai

        form = {"name": schema.__name__, "schema": schema.model_json_schema()}
        request: Any = {
            "model": self.model,
            "messages": messages,
            "response_format": {"type": "json_schema", "json_schema": form},
        }
        try:
            response = self.client.chat.completions.create(**request)
        except openai.APITimeoutError:
            raise LlmError(f"The LLM gave no answer within {TIMEOUT:.0f} seconds.") from None
        except openai.APIConnectionError:
            raise LlmError(f"No LLM answers at {self.client.base_url}.") from None
        except openai.APIStatusError as error:
            raise LlmError(_REFUSALS.get(error.status_code, _refused(error.status_code))) from None
        except openai.OpenAIError as error:
            raise LlmError(f"The LLM failed: {str(error).splitlines()[0]}.") from None
        text = response.choices[0].message.content if response.choices else None
        if not isinstance(text, str) or not text.strip():
            raise LlmError("The LLM's answer was empty.")
        return text


_REFUSALS = {
    401: "The LLM server refused the key (401); set OPENAI_API_KEY.",
    404: "The LLM server does not know that model or address (404).",
    429: "The LLM server is out of quota or too busy (429).",
}


def _refused(status: int) -> str:
    return f"The LLM server failed ({status})."


def _bare(text: str) -> str:
    """Take off the fence that some models put around JSON."""
    match = _FENCE.match(text)
    return match[1] if match else text
