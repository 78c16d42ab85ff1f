"""An OpenAI-compatible server of which a test writes every answer; it speaks real HTTP."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Says:
    """An answer, and how it arrives."""

    text: str
    finish: str | None = "stop"
    first: float = 0.0
    """Seconds until anything comes."""
    between: float = 0.0
    """Seconds between two pieces."""
    breaks: bool = False
    """The connection breaks off in the middle."""
    blank: bool = False
    """There are no choices at all."""
    usage: tuple[int, int] | None = None
    """Tokens read and written, where the server counts them."""


@dataclass(frozen=True)
class Refuses:
    """A status other than 200, with words."""

    status: int
    message: str = "no"
    wait: str = ""
    """What Retry-After says."""


@dataclass(frozen=True)
class Pings:
    """A stream of comments that never ends."""

    between: float = 0.05


@dataclass(frozen=True)
class Raw:
    """A body of any kind, sent with status 200."""

    body: bytes
    kind: str = "application/json"


Answer = Says | Refuses | Raw | Pings


class ScriptedServer(ThreadingHTTPServer):
    """Gives its answers in turn, the last one for ever, and keeps what was asked."""

    daemon_threads = True
    block_on_close = False

    def __init__(
        self, *answers: Answer | str | int, port: int = 0, models: Sequence[str] = ()
    ) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.models = models
        self.looked = 0
        self.answers = [_answer(answer) for answer in answers]
        self.asked: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients may hang up on a slow answer."""


def _answer(answer: Answer | str | int) -> Answer:
    if isinstance(answer, int):
        return Refuses(answer)
    return Says(answer) if isinstance(answer, str) else answer


@contextmanager
def serving(
    *answers: Answer | str | int, port: int = 0, models: Sequence[str] = ()
) -> Iterator[ScriptedServer]:
    """Serve in a thread as long as the block lasts."""
    server = ScriptedServer(*answers, port=port, models=models)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedServer

    def do_GET(self) -> None:  # noqa: N802
        self.server.looked += 1
        listed = [{"id": name} for name in self.server.models]
        self._whole(
            200 if self.path == "/v1/models" else 404, json.dumps({"data": listed}).encode()
        )

    def do_POST(self) -> None:  # noqa: N802
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answers, asked_before = self.server.answers, len(self.server.asked)
        self.server.asked.append(asked)
        answer = answers[min(asked_before, len(answers) - 1)]
        if isinstance(answer, Refuses):
            body = json.dumps({"error": {"message": answer.message}}).encode()
            self._whole(answer.status, body, wait=answer.wait)
        elif isinstance(answer, Raw):
            self._whole(200, answer.body, answer.kind)
        elif isinstance(answer, Pings):
            self._ping(answer)
        elif asked.get("stream"):
            self._stream(answer)
        else:
            self._whole(200, json.dumps(_completion(answer)).encode())

    def _whole(
        self, status: int, body: bytes, kind: str = "application/json", wait: str = ""
    ) -> None:
        self.send_response(status)
        if wait:
            self.send_header("Retry-After", wait)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _ping(self, answer: Pings) -> None:
        self._begin_stream()
        for _ in range(1000):
            self.wfile.write(b"8\r\n: ping\n\n\r\n")
            time.sleep(answer.between)

    def _stream(self, answer: Says) -> None:
        self._begin_stream()
        time.sleep(answer.first)
        for piece in _pieces(answer):
            if piece is None:
                self.wfile.flush()
                self.connection.close()
                self.close_connection = True
                return
            data = f"data: {piece}\n\n".encode()
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()
            time.sleep(answer.between)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *args: Any) -> None:
        """Keep the test's output clean."""


def _pieces(answer: Says) -> Iterator[str | None]:
    size = max(len(answer.text) // 4, 1)
    parts = [answer.text[i : i + size] for i in range(0, len(answer.text), size)] or [""]
    for number, part in enumerate(parts):
        if answer.breaks and number == 2:
            yield None
        yield json.dumps(_chunk([] if answer.blank else [_choice("delta", part, None)]))
    if answer.finish:
        yield json.dumps(_chunk([] if answer.blank else [_choice("delta", "", answer.finish)]))
    if answer.usage:
        yield json.dumps(_chunk([]) | {"usage": _usage(*answer.usage)})
    yield "[DONE]"


def _chunk(choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m",
            "choices": choices}  # fmt: skip


def _completion(answer: Says) -> dict[str, Any]:
    choices = [] if answer.blank else [_choice("message", answer.text, answer.finish)]
    usage = {"usage": _usage(*answer.usage)} if answer.usage else {}
    return {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": choices,
            **usage}  # fmt: skip


def _usage(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion,
            "total_tokens": prompt + completion}  # fmt: skip


def _choice(place: str, text: str, finish: str | None) -> dict[str, Any]:
    said = {"role": "assistant", "content": text}
    return {"index": 0, "finish_reason": finish, place: said}
