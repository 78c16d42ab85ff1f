"""The server that works for us: its interface (`agent.serve`), version 1, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from agent.bootstrap import Refusal
from agent.exit_codes import BROKEN, MISSING
from tools.arguments import InputError

PATIENCE = httpx.Timeout(60, read=900)  # seconds; a reader or a step may take long
BESIDE = {".png": "", ".own.png": "/own", ".source.json": "/source"}
"""Where the files of a picture are, by their endings; its latents stay with the server."""


class EngineError(InputError):
    """The server refused, or did not answer; the message is one sentence for the person."""


class UnknownPicture(EngineError):
    """Nobody there can tell what an uploaded picture shows."""


@dataclass(frozen=True)
class Engine:
    """A server, and our place in it.

    Attributes:
        address: Where it is, such as ``https://example.org``.
        client: What speaks with it.
    """

    address: str
    client: httpx.Client

    @classmethod
    def at(cls, url: str, token: str = "") -> Engine:
        """Return the server of an address, which may end in ``?token=TOKEN``, and look for it.

        Raises:
            Refusal: It is no address, nobody answers there, or the token is not known.
        """
        parts = urlsplit(url if "://" in url else f"http://{url}")
        token = token or parse_qs(parts.query).get("token", [""])[0]
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Refusal(f"--engine {url} is no address; write it as https://HOST:PORT.")
        if not token.isascii():
            raise Refusal("PALIMPSEST_ENGINE_TOKEN is no token: it has letters beyond ASCII.")
        address = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        engine = cls(address, httpx.Client(base_url=address, headers=headers, timeout=PATIENCE))
        try:
            engine.greet()
        except BaseException:
            engine.close()
            raise
        return engine

    def greet(self) -> None:
        """Look whether the server is there, and knows us.

        Raises:
            Refusal: It is not, or does not.
        """
        try:
            answer = self.client.get("/v1/sessions")
        except httpx.HTTPError as error:
            raise Refusal(f"Nobody answers at {self.address}: {error}.", MISSING) from None
        if answer.status_code == 401:
            raise Refusal(
                f"{self.address} does not know this token; set PALIMPSEST_ENGINE_TOKEN.", MISSING
            )
        kind = answer.headers.get("content-type", "")
        if answer.status_code == 404 or not kind.startswith("application/json"):
            raise Refusal(f"At {self.address} there is no `palimpsest serve`.", MISSING)
        if answer.is_error:
            raise Refusal(_sentence(answer), BROKEN)

    def close(self) -> None:
        """Close all connections."""
        self.client.close()

    def get(self, path: str) -> Any:
        """Return what is at a path, as data.

        Raises:
            EngineError: It cannot be had.
        """
        return self._asked("GET", path).json()

    def post(self, path: str, **given: Any) -> Any:
        """Send something, and return the answer as data.

        Raises:
            EngineError: It was refused.
        """
        return self._asked("POST", path, **given).json()

    def upload(self, path: str, picture: Path | None, caption: str) -> Any:
        """Send a picture file, or ask for the sample, and return the session that it is in.

        Raises:
            UnknownPicture: It needs a caption.
            EngineError: It was refused.
        """
        files = {"pictures": (picture.name, picture.read_bytes())} if picture else None
        try:
            return self.post(path, files=files, data={"caption": caption})
        except EngineError as error:
            if "give a caption" in str(error):
                raise UnknownPicture(str(error)) from None
            raise

    def events(self, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Send something, and yield what happens.

        Raises:
            EngineError: It was refused, or the connection broke.
        """
        try:
            with self.client.stream("POST", path, json=body) as answer:
                if answer.is_error:
                    answer.read()
                    raise EngineError(_sentence(answer))
                for line in answer.iter_lines():
                    if line.startswith("data: "):
                        yield json.loads(line.removeprefix("data: "))
        except httpx.HTTPError as error:
            raise EngineError(
                f"The connection to {self.address} broke ({_reason(error)}); what was said is "
                "finished there."
            ) from None

    def fetch(self, file: str) -> bytes | None:
        """Return a file of a picture; None if there is none."""
        name, dot, ending = file.partition(".")
        if (where := BESIDE.get(dot + ending)) is None:
            return None
        try:
            return self._asked("GET", f"/v1/pictures/{name}{where}").content
        except _Absent:
            return None

    def keep(self, file: str, content: bytes) -> None:
        """Keep nothing: pictures come from there."""

    def _asked(self, method: str, path: str, **given: Any) -> httpx.Response:
        try:
            answer = self.client.request(method, path, **given)
        except httpx.HTTPError as error:
            raise EngineError(
                f"{self.address} does not answer ({_reason(error)}); try again."
            ) from None
        if answer.status_code == 404:
            raise _Absent(_sentence(answer))
        if answer.is_error:
            raise EngineError(_sentence(answer))
        return answer


class _Absent(EngineError):
    """There is no such thing."""


def _sentence(answer: httpx.Response) -> str:
    """Return what the server says of an error."""
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"{answer.url.host} answered {answer.status_code}."


def _reason(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__
