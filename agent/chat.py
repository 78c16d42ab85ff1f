"""The conversation: say something, get events; everything is saved as it happens."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import wait
from functools import cached_property
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from agent import choosing, state
from agent.background import in_background
from agent.regions import CHOSEN_AT
from agent.sessions.database import trouble
from agent.sessions.store import StorageError
from agent.settings import AppSettings
from agent.state import Ask, Choices, Choose, Conversation, Event, Plan, Step, Turn

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph
    from langgraph.types import StateSnapshot

    from agent.context import ChatContext

LASTING = ("turn.completed", "head.moved", "reply")
"""Events that are told only once what they tell is saved."""
COMMANDS = {"reshape": "region"}
"""Steps whose /command has another name."""
STEPS = 500
"""Nodes that one message may run; far more than any plan of a person needs."""


class ReadOnly(StorageError):
    """The session was opened to be looked at; the message is one sentence for the person."""

    def __init__(self) -> None:
        """Say what to do instead."""
        super().__init__("This session is open for reading only; --fork goes on in a copy of it.")


class Chat:
    """One conversation: say something, get events. Everything is saved as it happens.

    Attributes:
        studio: may be replaced between messages, e.g. ``chat.studio = replace(chat.studio, …)``
            after /seed, /preset or /method.
        read_only: what would change the session raises `ReadOnly`; nothing waits for an answer.
    """

    def __init__(
        self,
        studio: ChatContext,
        saver: BaseCheckpointSaver[Any],
        session: str,
        *,
        chosen: Choices | None = None,
        read_only: bool = False,
    ) -> None:
        """Start or take up the session of that id; what is chosen here is chosen in it."""
        self.studio = studio
        self.saver = saver
        self.session = session
        self.read_only = read_only
        self._chosen = chosen.made if chosen else {}
        self._config: RunnableConfig = {
            "configurable": {"thread_id": session},
            "recursion_limit": STEPS,
        }

    @property
    def conversation(self) -> Conversation:
        """The session as last saved (a copy), with what was chosen since."""
        saved = Conversation(**{**self._values(), "session": self.session})
        chosen = dict(self._chosen)
        if "region" in chosen:  # by a flag: a box is of the picture where one is
            chosen[CHOSEN_AT] = saved.head
        return saved.model_copy(update={"chosen": saved.chosen.model_copy(update=chosen)})

    @property
    def question(self) -> Ask | None:
        """The question that waits for an answer, if any."""
        waiting = self._snapshot().interrupts if self._at_work else ()
        return Ask.model_validate(waiting[0].value) if waiting else None

    @property
    def unfinished(self) -> str:
        """The message that a kill or Ctrl-C cut off, else an empty string."""
        if not self._at_work:
            return ""
        snapshot = self._snapshot()
        cut_off = snapshot.tasks and not snapshot.interrupts
        return str(snapshot.values.get("request", "")) if cut_off else ""

    @property
    def undone(self) -> tuple[str, ...]:
        """What the ``unfinished`` message still asks for: wishes, or all of it if it was unread."""
        request, now = self.unfinished, self.conversation
        if not request:
            return ()
        message = now.messages[-1] if now.messages else None
        if now.plan is None or message is None or message.reply or message.text != request:
            return (request,)
        making = (state.EditStep, state.Adjust)
        left = [step for step in now.plan.steps[now.position :] if isinstance(step, making)]
        return tuple(dict.fromkeys(step.request or request for step in left))

    @property
    def settings(self) -> AppSettings:
        """The settings with what was chosen in this session."""
        return choosing.chosen_settings(self.conversation, self.studio)

    def open(self, picture: str, caption: str) -> Event:
        """Make a stored picture the base: a new original turn, and the head.

        Returns:
            The event session.started {turn, picture (path), caption}.

        Raises:
            ReadOnly: the session was opened to be looked at.
            StorageError: it cannot be saved.
        """
        if self.read_only:
            raise ReadOnly
        now = self.conversation
        from agent.nodes import settled

        now = now.model_copy(update=settled(now))
        turn = Turn(id=len(now.turns), parent=None, message=0, request="", step=None,
                    caption=caption, picture=picture, original=picture)  # fmt: skip
        fresh = Conversation(
            session=self.session,
            turns=[*now.turns, turn],
            head=turn.id,
            before=turn.id,
            messages=now.messages,
            past=[*now.past, now.head] if now.turns else [],
            chosen=now.chosen,
        )
        values = {name: getattr(fresh, name) for name in Conversation.model_fields}
        try:
            self._graph.update_state(self._config, values, as_node="reply")
        except sqlite3.Error as error:
            raise StorageError(trouble(error)) from None
        path = str(self.studio.pictures.path(picture))
        return self.event("session.started", turn=turn.id, picture=path, caption=caption)

    def say(self, message: str) -> Iterator[Event]:
        """Answer one message. Ends early after a ``question`` event; then call ``answer``.

        Ctrl-C while iterating raises KeyboardInterrupt here; turns that were accepted stay, the
        head stays at the last of them, and the next ``say`` starts afresh.

        Raises:
            ValueError: no picture has been opened yet.
            ReadOnly: the session was opened to be looked at.
        """
        return self._begin(message, None)

    def move(self, step: Step) -> Iterator[Event]:
        """Do one step without reading any message: /undo, /redo, /goto, /retry, /seed.

        The message that is remembered is the /command that does the same.

        An impossible step (nothing to undo, no such turn) ends in turn.failed, and is not raised.
        """
        values = [str(v) for v in step.model_dump(exclude_defaults=True, exclude={"step"}).values()]
        name = COMMANDS.get(step.step, step.step)
        words = values if isinstance(step, Choose) else [name, *values]
        return self._begin("/" + " ".join(words), Plan(steps=(step,)))

    def answer(self, text: str) -> Iterator[Event]:
        """Answer the question that waits; an empty text takes its default."""
        from langgraph.types import Command

        return self._run(Command(resume=text or " "))

    def carry_on(self) -> Iterator[Event]:
        """Finish the ``unfinished`` message after a kill."""
        return self._run(None)

    def event(self, event: str, **data: Any) -> Event:
        """Make an event of this session, e.g. ``chat.event("session.ended")``."""
        return Event(event=event, time=time.time(), session=self.session, data=data)

    @cached_property
    def _graph(self) -> CompiledStateGraph[Conversation, ChatContext, Conversation, Conversation]:
        """The graph; looking does without, since LangGraph takes a second to import."""
        from agent.graph import build

        return build().compile(checkpointer=self.saver)

    @property
    def _at_work(self) -> bool:
        """Whether a message may be unfinished here; its last node clears the request."""
        return not self.read_only and not self._saved()[1]

    def _values(self) -> dict[str, Any]:
        """Return the fields of the conversation as last saved."""
        values, at_rest = self._saved()
        return values if at_rest else self._snapshot().values

    def _saved(self) -> tuple[dict[str, Any], bool]:
        """Return the last checkpoint's fields, and whether no message was being worked on."""
        saved = self.saver.get_tuple(self._config)
        if saved is None:
            return {}, True
        values = saved.checkpoint["channel_values"]
        at_rest = not (values.get("request") or "__start__" in values or saved.pending_writes)
        return Conversation.fields_in(values), at_rest

    def _snapshot(self) -> StateSnapshot:
        return self._graph.get_state(self._config)

    def _begin(self, request: str, plan: Plan | None) -> Iterator[Event]:
        now = self.conversation
        if not now.turns:
            raise ValueError("open a picture before saying anything")
        given = {"request": request, "plan": plan, "chosen": now.chosen}
        self._chosen = {}
        return self._run(given, afresh=bool(self.unfinished))

    def _run(self, given: Any, *, afresh: bool = False) -> Iterator[Event]:
        """Run the graph in a thread of its own, so that Ctrl-C reaches us while it works.

        What lasts is told once it is saved: a kill or a full disk takes nothing that was told.
        Afresh: what the last node of an unfinished message had done is taken in first.
        """
        if self.read_only:
            raise ReadOnly
        happened: SimpleQueue[dict[str, Any] | BaseException | None] = SimpleQueue()
        from langgraph.graph import END
        from langgraph.runtime import RunControl

        control = RunControl()

        def work() -> None:
            try:
                if afresh:
                    self._graph.update_state(self._config, None, as_node=END)
                stream = self._graph.stream(
                    given, self._config, context=self.studio, stream_mode=["custom", "tasks"],
                    durability="sync", control=control,
                )  # fmt: skip
                for data in _once_saved(stream):
                    happened.put(data)
            except sqlite3.Error as error:
                happened.put({"event": "turn.failed", "error": trouble(error)})
            except BaseException as error:  # handed over to the thread that iterates
                happened.put(error)
            happened.put(None)

        working = in_background(work)
        try:
            while (item := happened.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield self.event(item.pop("event"), **item)
        finally:
            control.request_drain("stopped")
            wait([working])
        if (question := self.question) is not None:
            yield self.event("question", **question.model_dump(mode="json", exclude={"step"}))


def _once_saved(stream: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Pass on what nodes tell; what lasts waits until the next node begins, or the stream ends.

    With durability="sync" no node begins before the one before it is saved.
    """
    waiting: list[dict[str, Any]] = []
    for mode, data in stream:
        if mode == "custom" and (waiting or data["event"] in LASTING):
            waiting.append(data)
        elif mode == "custom":
            yield data
        elif "triggers" in data:  # a node begins
            yield from waiting
            waiting = []
    yield from waiting
