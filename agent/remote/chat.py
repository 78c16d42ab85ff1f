"""A conversation that is kept and carried out by a server; what is seen of it is fetched here."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from PIL import Image
from pydantic import TypeAdapter

from agent.background import in_background
from agent.chat import Chat
from agent.context import ChatContext, OnGlimpse
from agent.remote.engine import Engine, EngineError
from agent.state import Ask, Choices, Conversation, Event, Step
from tools.arguments import InputError

_STEP: TypeAdapter[Step] = TypeAdapter(Step)


class RemoteChat(Chat):
    """`Chat`, with a server in the place of the graph and its database.

    What another program does in the same session meanwhile is seen after the next message.
    """

    def __init__(
        self,
        studio: ChatContext,
        engine: Engine,
        session: str,
        *,
        chosen: Choices,
        glimpse: OnGlimpse | None = None,
        known_only: bool = False,
    ) -> None:
        """Take up a session, or begin with "" one that the first picture will name.

        Args:
            studio: What is here of what a conversation works with.
            engine: The server.
            session: Its id there.
            chosen: What flags chose.
            glimpse: Gets guesses at a picture while the server makes it.
            known_only: Whether edits of pictures that the model cannot know are refused.
        """
        super().__init__(studio, InMemorySaver(), session, chosen=chosen)
        self._engine = engine
        self._glimpse = glimpse
        self._known_only = known_only
        self._seen: dict[str, Any] = {}

    @property
    def conversation(self) -> Conversation:
        """The session as the server has it, with what flags chose."""
        if not self.session:
            return Conversation()
        saved = Conversation.model_validate(self._state()["conversation"])
        return saved.model_copy(update={"chosen": saved.chosen.model_copy(update=self._chosen)})

    @property
    def question(self) -> Ask | None:
        """The question that waits for an answer, if any."""
        waiting = self._state()["question"] if self.session else None
        return waiting and Ask.model_validate(waiting)

    @property
    def unfinished(self) -> str:
        """The message that was cut off, else an empty string."""
        return str(self._state()["unfinished"]) if self.session else ""

    @property
    def undone(self) -> tuple[str, ...]:
        """What the ``unfinished`` message still asks for."""
        return tuple(self._state()["undone"]) if self.session else ()

    def open(self, picture: str, caption: str) -> Event:
        """Refuse: pictures are opened where they are kept."""
        raise InputError("Over --engine a picture is opened from a file, by /open.")

    def upload(self, file: Path | None, caption: str) -> tuple[Event, tuple[str, ...]]:
        """Open a picture file there, or the sample, as the new base.

        Returns:
            The event session.started, and what had to be done to the picture, in words.

        Raises:
            UnknownPicture: It needs a caption.
            EngineError: It was refused.
        """
        into = f"/v1/sessions/{self.session}/pictures" if self.session else "/v1/sessions"
        answer = self._engine.upload(into, file, caption)
        self.session = answer["session"]
        self._look()
        base = self.conversation.turns[self.conversation.head]
        path = str(self.studio.pictures.path(base.picture))
        event = self.event("session.started", turn=base.id, picture=path, caption=base.caption)
        return event, tuple(answer["notes"])

    def say(self, message: str) -> Iterator[Event]:
        """Answer one message, as `Chat.say`; Ctrl-C stops it there, too."""
        if not self.session:
            raise ValueError("open a picture before saying anything")
        chosen, self._chosen = self._chosen, {}
        return self._told({"text": message, "chosen": chosen})

    def move(self, step: Step) -> Iterator[Event]:
        """Do one step without reading any message."""
        chosen, self._chosen = self._chosen, {}
        return self._told({"step": _STEP.dump_python(step, mode="json"), "chosen": chosen})

    def rebase(self, turn: int) -> Iterator[Event]:
        """Make the picture of a turn the new original."""
        return self._told({"text": f"/base {turn}"})

    def answer(self, text: str) -> Iterator[Event]:
        """Answer the question that waits; an empty text takes its default."""
        return self._told({"text": text})

    def carry_on(self) -> Iterator[Event]:
        """Finish the ``unfinished`` message."""
        return self._told({"text": "go on"})

    def _told(self, body: dict[str, Any]) -> Iterator[Event]:
        """Yield what happens, read in a thread of its own, so that Ctrl-C reaches us meanwhile."""
        place = f"/v1/sessions/{self.session}"
        body |= {"known_only": self._known_only}
        happened: SimpleQueue[dict[str, Any] | BaseException | None] = SimpleQueue()

        def listen() -> None:
            try:
                for told in self._engine.events(f"{place}/messages", body):
                    happened.put(told)
            except BaseException as error:  # handed over to the thread that iterates
                happened.put(error)
            happened.put(None)

        listening, whole = in_background(listen), False
        try:
            while (item := happened.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                if item["event"] != "glimpse":
                    yield self._here(item)
                elif self._glimpse is not None:
                    self._glimpse(Image.open(io.BytesIO(base64.b64decode(item["png"]))))
            whole = True
        finally:
            if not whole and not listening.done():
                with suppress(EngineError):
                    self._engine.post(f"{place}/stop")
            wait([listening])
            self._look()

    def _here(self, told: dict[str, Any]) -> Event:
        """Return an event as it happens here: its picture is a file of ours."""
        data = {name: value for name, value in told.items() if name not in ("event", "session")}
        if picture := data.get("picture"):
            data["picture"] = str(self.studio.pictures.path(picture))
        return Event(event=told["event"], time=time.time(), session=self.session, data=data)

    def _state(self) -> dict[str, Any]:
        if not self._seen:
            self._look()
        return self._seen

    def _look(self) -> None:
        """Ask the server what holds."""
        try:
            seen = self._engine.get(f"/v1/sessions/{self.session}/conversation")
        except EngineError:
            if not self._seen:
                raise
            return  # what was seen last is better than nothing
        self._seen = seen
        settings = self.studio.settings.model_copy(update=seen["settings"])
        self.studio = replace(self.studio, settings=settings)
