"""One scripted conversation, run in a home of its own: what happened, line by line."""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from PIL import Image

from agent.bootstrap import Refusal, studio_of
from agent.chat import Chat
from agent.context import ChatContext, Llm
from agent.exit_codes import DONE, UNREADABLE
from agent.scripts.cassette import SUFFIX, Player, Recorder
from agent.scripts.loader import Case, Line, ScriptError
from agent.scripts.schema import Llm as LlmMode
from agent.sessions.database import open_sessions
from agent.settings import AppSettings, default_home
from agent.state import Ask, Conversation, Event
from agent.terminal.commands import Commands, Leave
from agent.terminal.crash_guard import safely
from agent.terminal.file_io import open_file
from agent.terminal.repl import handle
from agent.terminal.screen import Screen
from tools.arguments import InputError
from tools.edit_picture import call_seconds, load_editor
from tools.inspection import portrait_of, sample_portrait
from tools.pictures import PictureStore


class Notebook(Screen):
    """A screen that writes down all that it is to show."""

    def __init__(self) -> None:
        """Begin an empty page."""
        super().__init__(out=io.StringIO())
        self.turn_page()

    def turn_page(self) -> None:
        """Forget what was shown."""
        self.events: list[Event] = []
        self.said: list[str] = []
        self.complaints: list[str] = []

    def show(self, event: Event) -> None:
        """Write down an event, and what it says to a person."""
        self.events.append(event)
        if event.event == "reply":
            self.said.append(str(event["text"]))
        if event.event == "turn.failed":
            self.complaints.append(str(event["error"]))

    def say(self, text: str) -> None:
        """Write down what a /command answers."""
        self.said.append(text)

    def note(self, text: str) -> None:
        """Notes are about the work, and not expected of anybody."""

    def complain(self, text: str) -> None:
        """Write down what went wrong."""
        self.complaints.append(text)


@dataclass(frozen=True)
class Happened:
    """What one line led to."""

    line: Line | None
    """None for opening the picture."""
    code: int
    before: Conversation
    after: Conversation
    events: tuple[Event, ...] = ()
    said: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass
class Stage:
    """Where a conversation plays: its chat, its pictures, and how long a model call takes."""

    case: Case
    chat: Chat
    store: PictureStore
    screen: Notebook
    _call: float = field(default=0.0)

    @property
    def studio(self) -> ChatContext:
        """What the chat works with."""
        return self.chat.studio

    def image(self, turn: int) -> Image.Image:
        """The picture of a turn."""
        return self.store.image(self.chat.conversation.turns[turn].picture)

    def call_seconds(self) -> float:
        """Seconds of one model call on the picture of this conversation, timed once."""
        if not self._call:
            settings = self.studio.settings
            editor = load_editor(settings.model, **settings.holding)
            self._call = call_seconds(editor, self.image(0).size)
        return self._call


@contextlib.contextmanager
def staged(case: Case, llm: LlmMode | str | None = None) -> Iterator[Stage]:
    """Set the stage for a conversation, in a folder that is gone afterwards.

    Args:
        case: What is to be run.
        llm: "live", "record" or "replay" in place of what the script says, unless it is offline.

    Raises:
        ScriptError: It cannot be run.
    """
    mode = case.defaults.llm if llm is None or case.defaults.llm == "offline" else llm
    tape = case.here / (case.file.name.removesuffix(".chat.yaml") + SUFFIX)
    recorders: list[Recorder] = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        settings = _settings(case, home, offline=mode in ("offline", "replay"))
        try:
            studio = studio_of(
                settings,
                person=False,
                plan_only=case.defaults.plan_only,
                note=lambda _: None,
                listen=_listener(mode, tape, recorders),
            )
        except Refusal as refusal:
            raise ScriptError(f"{case.file}: {refusal}") from None
        saver = open_sessions(home / "sessions.sqlite")
        store = PictureStore(home / "pictures")
        try:
            with contextlib.chdir(home):
                yield Stage(case, Chat(studio, saver, "script"), store, Notebook())
        finally:
            saver.conn.close()
        for recorder in recorders:
            recorder.save()


def play(stage: Stage) -> Iterator[Happened]:
    """Open the picture and say every line; ends where the picture cannot be opened."""
    opened = _opened(stage)
    yield opened
    if opened.code != DONE:
        return
    commands = Commands(stage.chat, stage.screen, stage.store)
    for line in stage.case.lines:
        answer = line.said.answer
        stage.chat.studio = replace(stage.studio, interactive=answer is not None)
        said = line.said.say.replace("{here}", str(stage.case.here))
        work = partial(handle, commands, said, _answering(answer))
        try:
            yield _recorded(stage, line, partial(_guarded, stage, work))
        except Leave:
            return


def _guarded(stage: Stage, work: Callable[[], int]) -> int:
    return safely(work, stage.screen, default_home(), through=(Leave, ScriptError))


def _answering(answer: str | None) -> Callable[[Ask], str] | None:
    return None if answer is None else lambda question: answer


def _recorded(stage: Stage, line: Line | None, work: Callable[[], int]) -> Happened:
    screen = stage.screen
    screen.turn_page()
    before, started = stage.chat.conversation, time.perf_counter()
    code = work()
    return Happened(
        line=line,
        code=code,
        before=before,
        after=stage.chat.conversation,
        events=tuple(screen.events),
        said=tuple(screen.said),
        complaints=tuple(screen.complaints),
        seconds=time.perf_counter() - started,
    )


def _opened(stage: Stage) -> Happened:
    def work() -> int:
        try:
            stage.screen.event(_open(stage))
        except InputError as error:
            stage.screen.complain(str(error))
            return UNREADABLE
        return DONE

    return _recorded(stage, None, work)


def _open(stage: Stage) -> Event:
    """Make the script's picture the base."""
    case, chat = stage.case, stage.chat
    picture = case.picture
    if picture == "sample":
        image, caption = sample_portrait(chat.studio.settings.model)
        return chat.open(stage.store.put(image), case.script.caption or caption)
    if isinstance(picture, str):
        return open_file(chat, stage.store, case.here / picture, case.script.caption)[0]
    wanted = picture.model_dump(exclude_none=True)
    image, caption = portrait_of(wanted, person=wanted.pop("person"))
    return chat.open(stage.store.put(image), case.script.caption or caption)


def _settings(case: Case, home: Path, *, offline: bool) -> AppSettings:
    given = case.defaults.model_dump(exclude={"llm", "plan_only"})
    return AppSettings(**given | {"home": home, "offline": offline})


def _listener(
    mode: str, tape: Path, recorders: list[Recorder]
) -> Callable[[Llm | None], Llm | None]:
    """Put a tape between the conversation and the LLM, as the mode says."""

    def listen(llm: Llm | None) -> Llm | None:
        if mode == "replay":
            return Player(tape)
        if mode in ("live", "record") and llm is None:
            raise ScriptError("No LLM is configured; set OPENAI_BASE_URL or OPENAI_API_KEY.")
        if mode == "record" and llm is not None:
            recorders.append(Recorder(llm, tape))
            return recorders[-1]
        return llm

    return listen
