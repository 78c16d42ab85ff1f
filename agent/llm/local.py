"""LLM servers on this machine that nobody has configured: found by their ports, remembered."""

from __future__ import annotations

import http.client
import json
from concurrent.futures import wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath

from agent.background import in_background
from agent.llm.structured_output import plain

HOST = "127.0.0.1"
PORTS = {11434: "Ollama", 1234: "LM Studio", 8080: "llama.cpp", 8000: "vLLM"}
"""Where such servers listen if nobody tells them otherwise."""
PATIENCE = 0.05  # seconds for all of them together, which are asked at the same time
LONGEST_ANSWER = 100_000  # bytes of a list of models
LONGEST_NAME = 200
NO_CHAT = ("embed", "rerank", "whisper", "bge-", "tts")
"""Parts of the names of models that do not chat."""
ANSWERS = "local-llms.json"


@dataclass(frozen=True)
class LocalLlm:
    """A model of a server on this machine.

    Attributes:
        server: which program that is likely to be, by its port.
        url: its base URL.
        model: the first of its models that chats.
    """

    server: str
    url: str
    model: str

    @property
    def name(self) -> str:
        """The model as people call it, where a server names it by its file."""
        return PurePath(self.model).name.removesuffix(":latest").removesuffix(".gguf")


def found() -> list[LocalLlm]:
    """Ask every port once, all at the same time, and return who answers in time."""
    asked = [in_background(lambda at=port: _model_at(at)) for port in PORTS]  # type: ignore[misc]
    wait(asked, timeout=PATIENCE)
    models = [future.result() if future.done() else "" for future in asked]
    return [
        LocalLlm(server, f"http://{HOST}:{port}/v1", model)
        for (port, server), model in zip(PORTS.items(), models, strict=True)
        if model
    ]


def _model_at(port: int) -> str:
    """Return the first model that chats behind a port; empty where no LLM server answers."""
    line = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
    try:
        line.request("GET", "/v1/models")
        answer = line.getresponse()
        body = json.loads(answer.read(LONGEST_ANSWER)) if answer.status == http.client.OK else {}
        names = [str(model["id"]) for model in body.get("data") or ()]
    except (
        OSError,
        http.client.HTTPException,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        RecursionError,
    ):
        return ""
    finally:
        line.close()
    usable = (n for n in names if n == plain(n, LONGEST_NAME) and _chats(n))
    return next(usable, "")


def _chats(name: str) -> bool:
    return not any(part in name.lower() for part in NO_CHAT)


def answers(home: Path) -> dict[str, bool]:
    """Return what a person has answered: a server and model to whether to use it."""
    try:
        kept = json.loads((home / ANSWERS).read_text(encoding="utf-8"))
        return {str(name): answer is True for name, answer in kept.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def remember(home: Path, llm: LocalLlm, answer: bool) -> None:
    """Keep an answer; where the home cannot be written, it is asked for again."""
    kept = answers(home) | {key(llm): answer}
    with suppress(OSError):
        (home / ANSWERS).write_text(json.dumps(kept, indent=1), encoding="utf-8")


def key(llm: LocalLlm) -> str:
    """Return what an answer is kept by."""
    return f"{llm.url} {llm.model}"
