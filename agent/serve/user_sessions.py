"""One message of one session, carried out in a thread, its events in a queue.

A session is held only while a message runs, so that the terminal and the page may take turns in
it. Whoever listens may leave: the message is finished, and what it made is kept.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Event as Flag
from threading import Lock
from typing import Any

from PIL.Image import Image

from agent.background import in_background
from agent.chat import Chat
from agent.choosing import choices_of
from agent.context import ChatContext, EditPicture, Glimpsing
from agent.serve.edit_queue import Queue, QueuedEdit, QueuedFind
from agent.serve.limits import Admission, Limits
from agent.serve.sentences import hiding
from agent.sessions.catalog import SessionError, Sessions
from agent.sessions.store import StorageError
from agent.state import Ask, Choices, Choose, Event, Step
from agent.terminal.commands import Commands, Leave, resolve, run
from agent.terminal.crash_guard import safely
from agent.terminal.run_message import goes_on, one_line, play, refusal
from agent.terminal.screen import Screen
from tools.arguments import InputError, short

ALLOWED = (
    *("undo", "redo", "goto", "rewind", "base", "retry", "adjust", "crop", "rotate"),
    *("method", "preset", "strength", "keep", "region", "draft", "seed"),
    *("show", "describe", "compare", "why", "help"),
)
"""Commands that touch no file of the machine that serves."""

MODEL = "model"
"""Under which name a conversation remembers the model that it began with."""
EventData = dict[str, Any]
Act = Callable[[Commands], None]
"""What is done in a session, by the commands of its chat."""


SAID = ("text", "error")
"""What of an event is words of ours."""


class Stop(KeyboardInterrupt):
    """Somebody asked to stop; like Ctrl-C, it ends a message between two steps."""


class Waits(Exception):
    """A question waits for the next message."""


class Busy(InputError):
    """The session works on a message already."""


class EventScreen(Screen):
    """Puts every event into a queue, as ``--json`` prints it."""

    def __init__(self, session: str, home: Path) -> None:
        """Begin with an empty queue; nobody is told where the home is."""
        super().__init__()
        self._home = home
        self.told: SimpleQueue[EventData | None] = SimpleQueue()
        self.stopping = Flag()
        self._session = session

    def event(self, event: Event) -> None:
        """Pass an event on; a wish to save is the listener's to fulfil, at the path they said."""
        if self.stopping.is_set():
            raise Stop
        self.show(event)

    def show(self, event: Event) -> None:
        """Put the event into the queue, its picture as a hash."""
        data = dict(event.data)
        if picture := data.get("picture"):
            data["picture"] = Path(picture).stem
        self.tell(event.event, **data)

    def tell(self, event: str, **data: Any) -> None:
        """Put something into the queue."""
        shown = {k: hiding(v, self._home) if k in SAID else v for k, v in data.items()}
        self.told.put({"event": event, "session": self._session, **shown})

    def say(self, text: str) -> None:
        """Tell what a /command answers as a reply."""
        self.tell("reply", text=text)

    def note(self, text: str) -> None:
        """Tell words about the work."""
        self.tell("note", text=text)

    def complain(self, text: str) -> None:
        """Tell what went wrong."""
        self.tell("turn.failed", error=text)

    def picture(self, path: Path) -> None:
        """Tell a picture by its hash."""
        self.tell("reply", text="", picture=path.stem)

    def guess(self, image: Image) -> None:
        """Tell a small guess at the picture that is being made, as PNG in base64."""
        held = io.BytesIO()
        image.save(held, "PNG")
        self.tell("glimpse", png=base64.b64encode(held.getvalue()).decode())

    def waits(self, before: int) -> None:
        """Tell how many are before us in line."""
        if self.stopping.is_set():
            raise Stop
        self.tell("queued", before=before)


@dataclass(frozen=True, eq=False)
class UserSessions:
    """The conversations of one person.

    Attributes:
        sessions: All sessions of their home.
        studio: What conversations work with.
        queue: Where edits wait for the model, with those of all other users.
        person: Their name.
        admission: How much they may ask for.
        others: What conversations work with that began with another model, by its name.
    """

    sessions: Sessions
    studio: ChatContext
    queue: Queue
    person: str = ""
    admission: Admission = field(default_factory=lambda: Admission(Limits()))
    others: Mapping[str, ChatContext] = field(default_factory=dict)
    _running: dict[str, EventScreen] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def chat(
        self,
        session: str,
        screen: EventScreen | None = None,
        *,
        interactive: bool = True,
        chosen: Choices | None = None,
        known_only: bool = False,
    ) -> Chat:
        """Return a session, to look at or, with a screen, to talk in."""
        studio = replace(self.studio_of(session), interactive=interactive)
        if screen is not None and studio.edit is not None:
            tool = studio.edit
            tool = tool.glimpsed(screen.guess) if isinstance(tool, Glimpsing) else tool
            queued = QueuedEdit(tool, self.queue, screen.waits, self._further_edit)
            edit: EditPicture = partial(queued, known_only=True) if known_only else queued
            find = studio.find and QueuedFind(studio.find, self.queue, screen.waits)
            studio = replace(studio, edit=edit, find=find)
        looking = screen is None
        return Chat(studio, self.sessions.saver, session, chosen=chosen, read_only=looking)

    def opening_chat(self, session: str, model: str = "") -> Chat:
        """Return a session to open pictures in: nobody can be asked at once what they show.

        Args:
            session: It.
            model: That it begins with, if it begins and is to have another than others have.

        Raises:
            InputError: There is no such model.
        """
        if model and model not in self.models:
            raise InputError(f"There is no model {short(model)}, but {', '.join(self.models)}.")
        studio = self.others.get(model) or self.studio_of(session)
        chosen = Choices(**{MODEL: model}) if model in self.others else None
        return Chat(replace(studio, interactive=False), self.sessions.saver, session, chosen=chosen)

    @property
    def models(self) -> tuple[str, ...]:
        """The models that a session may begin with, the usual one first."""
        return (self.studio.settings.model, *self.others)

    def studio_of(self, session: str) -> ChatContext:
        """Return what a session works with: that of the model that it began with."""
        if not self.others:
            return self.studio
        begun = Chat(self.studio, self.sessions.saver, session).conversation.chosen.made
        return self.others.get(str(begun.get(MODEL)), self.studio)

    def question(self, session: str) -> Ask | None:
        """Return the question that waits for an answer, if any."""
        return None if self.working(session) else Chat(
            self.studio, self.sessions.saver, session).question  # fmt: skip

    def unfinished(self, session: str) -> str:
        """Return the message that a crash of the server cut off, if any."""
        return "" if self.working(session) else Chat(
            self.studio, self.sessions.saver, session).unfinished  # fmt: skip

    def say(
        self,
        session: str,
        line: str,
        *,
        interactive: bool = True,
        chosen: Choices | None = None,
        known_only: bool = False,
    ) -> Iterator[EventData]:
        """Carry out a message, a /command or an answer, and yield what happens.

        Args:
            session: Where it is said.
            line: What is said.
            interactive: Whether questions can be answered; else their defaults are taken.
            chosen: What is chosen with it.
            known_only: Whether edits of pictures that the model cannot know are refused.

        Raises:
            Busy: The session works on another message.
            Refused: Too much is asked for.
        """
        screen = EventScreen(session, self.sessions.home)
        chat = self.chat(
            session, screen, interactive=interactive, chosen=chosen, known_only=known_only
        )
        return self._begin(chat, screen, partial(_handle, line=line))

    def move(
        self,
        session: str,
        step: Step,
        *,
        chosen: Choices | None = None,
        known_only: bool = False,
    ) -> Iterator[EventData]:
        """Do one step, as `say` carries out a message, and yield what happens.

        Raises:
            InputError: It chooses what cannot be chosen.
        """
        if isinstance(step, Choose):
            choices_of({step.setting: step.value})
        screen = EventScreen(session, self.sessions.home)
        chat = self.chat(session, screen, chosen=chosen, known_only=known_only)
        return self._begin(chat, screen, partial(_do, step=step))

    def _begin(self, chat: Chat, screen: EventScreen, act: Act) -> Iterator[EventData]:
        session = chat.session
        with self._lock:
            if session in self._running:
                raise Busy("This session still works on a message; wait for it, or stop it.")
            self.admission.begin(self.person)
            self._running[session] = screen
        in_background(lambda: self._carry_out(chat, act, screen))
        return iter(screen.told.get, None)

    def stop(self, session: str) -> bool:
        """Stop the message of a session between two steps; say whether there was one."""
        screen = self._running.get(session)
        if screen is None:
            return self.sessions.saver.stop_elsewhere(session)
        screen.stopping.set()
        return True

    def working(self, session: str) -> bool:
        """Say whether a message of the session is worked on."""
        return session in self._running or self.sessions.saver.is_used_elsewhere(session)

    def _carry_out(self, chat: Chat, act: Act, screen: EventScreen) -> None:
        session, home = chat.session, self.sessions.home

        def work() -> None:
            with self.sessions.held(session, stopping=screen.stopping):
                act(Commands(chat, screen, self.sessions.store))

        try:
            safely(work, screen, home, through=(InputError, StorageError, SessionError))
        except Stop:
            screen.note("Stopped; every finished edit is kept.")
        except (InputError, StorageError, SessionError) as error:
            screen.complain(str(error))
        finally:
            with self._lock:
                del self._running[session]
                self.admission.end(self.person)
            screen.told.put(None)

    def _further_edit(self) -> None:
        self.admission.further_edit(self.person)


def _handle(commands: Commands, line: str) -> None:
    """Do what a line asks, as the terminal does, but for commands that touch files."""
    chat, screen = commands.chat, commands.screen
    by_default = not line.strip() and chat.question is not None
    if (reason := refusal(line)) and not by_default:
        screen.complain(reason)
    elif line.lstrip().startswith("/"):
        name = resolve(line.lstrip().lstrip("/").partition(" ")[0])
        if name not in ALLOWED:
            screen.complain(f"/{name} is for the terminal only.")
            return
        with suppress(Leave):
            run(commands, line)
    else:
        with suppress(Waits):
            play(chat, _meant(chat, line), screen, _wait if chat.studio.interactive else None)


def _do(commands: Commands, step: Step) -> None:
    """Do one step that no message has to be read for."""
    with suppress(Waits):
        play(commands.chat, commands.chat.move(step), commands.screen, _wait)


def _meant(chat: Chat, line: str) -> Iterator[Event]:
    """Return what happens: the answer to a question, the rest of a message, or a new one."""
    if chat.question is not None:
        return chat.answer(line)
    return chat.carry_on() if chat.unfinished and goes_on(line) else chat.say(one_line(line))


def _wait(question: Ask) -> str:
    raise Waits
