"""What happened, shown: to a person, or as one line of JSON an event.

Standard output carries data (replies and the paths of pictures, or events), standard error
progress and notes, so that a pipe sees only what it asked for.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from PIL import Image
from rich.console import Console, RenderableType

from agent.replies import verdict_of
from agent.state import Event
from agent.terminal import previews
from agent.terminal.file_io import Folder, export, file_name
from agent.terminal.previews import Labelled
from agent.terminal.progress import READING, Bar
from agent.visible import visible
from tools.saving import Sign

LONGEST_LINE = 2000  # characters; a terminal breaks it between words
ROWS = 50  # that a terminal is said to have: rich takes a width only together with them


def wrapped(text: str, width: int) -> str:
    """Break lines at words; what follows hangs below the value of "name  value", or the indent.

    A value of one long word, such as a path, has a line of its own.
    """
    rows: list[str] = []
    for line in text.splitlines():
        name = re.match(r"( *)\S+(?: \S+)*?  +(?=\S)", line) or re.match(r"( *)", line)
        hang = len(name[0]) if name and len(name[0]) <= width // 2 else 0
        if name and name[0].strip() and len(line) > width and " " not in line[name.end() :]:
            rows += [name[0].rstrip(), f"  {line[name.end() :]}"]
            continue
        rows += textwrap.wrap(
            line, width, subsequent_indent=" " * hang,
            break_long_words=False, break_on_hyphens=False,
        ) or [""]  # fmt: skip
    return "\n".join(rows)


def tilde(path: Path) -> str:
    """Return a path as a person would type it, "~" for their own folder."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        return str(path)


def _columns() -> int:
    return shutil.get_terminal_size().columns


class Screen:
    """Takes every event once; subclasses show it.

    Attributes:
        sign: signs the files that are saved; None leaves them unsigned.
        glimpse: shows guesses at the picture that is being made; None where that cannot be.
        hear: shows what an LLM is writing; None where that cannot be.
    """

    sign: Sign | None = None
    glimpse: Callable[[Image.Image], None] | None = None
    hear: Callable[[str], None] | None = None

    def __init__(self, folder: Folder | None = None, out: TextIO | None = None) -> None:
        """Show on a stream, and keep pictures in the folder of ``--out``."""
        self.folder = folder
        self.out = out or sys.stdout
        self.console = Console(stderr=True, highlight=False)

    def event(self, event: Event) -> None:
        """Carry out what an event asks of the door, then show it.

        Raises:
            PictureError: A file cannot be written.
        """
        data = dict(event.data)
        if event.event == "turn.completed" and self.folder and data.get("picture"):
            request = str(data.get("request") or data.get("caption") or "picture")
            picture = Path(data["picture"])
            data["file"] = str(self.folder.keep(picture, data["turn"], request, self.sign))
        elif event.event == "session.started" and self.folder and "resumed" not in data:
            self.folder.keep(Path(data["picture"]), data["turn"], "original", self.sign)
        elif event.event == "save":
            clean = data["clean"]
            name = file_name(data["turn"], data["request"], clean=clean)
            path, picture = Path(data["path"] or "."), Path(data["picture"])
            data["path"] = str(export(picture, path, name=name, sign=self.sign, clean=clean))
        self.show(event.model_copy(update={"data": data}))

    def show(self, event: Event) -> None:
        """Show one event."""
        raise NotImplementedError

    def say(self, text: str) -> None:
        """Show words that are data, such as a list that was asked for."""
        print(visible(text), file=self.out, flush=True)

    def note(self, text: str) -> None:
        """Show words about the work, which are not data."""
        self._tell(text, "dim")

    def complain(self, text: str) -> None:
        """Show what went wrong, in one sentence."""
        self._tell(text, "red")

    def _tell(self, text: str, style: str) -> None:
        text = visible(text)
        text = wrapped(text, _columns()) if self.console.is_terminal else text
        self.console.print(text, style=style, markup=False, soft_wrap=True)

    def named(self, path: Path) -> str:
        """Return a path as it is shown: whole, for programs."""
        return str(path)

    def picture(self, path: Path) -> None:
        """Show a picture by its path."""
        self.say(str(path))

    def show_images(self, pictures: Sequence[Labelled]) -> None:
        """Show pictures side by side with their labels, where pictures can be shown."""

    def show_beside(self, path: Path, pictures: Sequence[Labelled]) -> None:
        """Show one picture by its path, where pictures can be shown beside others."""
        self.picture(path)

    def small(self, path: Path) -> RenderableType | None:
        """Return a small picture for a list; None where there is no place for one."""
        return None

    def render(self, drawing: RenderableType) -> None:
        """Show something that rich can draw, as plain words."""
        plain = Console(color_system=None, soft_wrap=True, width=LONGEST_LINE, height=ROWS)
        with plain.capture() as captured:
            plain.print(drawing)
        self.say(captured.get().rstrip())

    def rest(self) -> None:
        """Take away what moves on the screen."""


class JsonScreen(Screen):
    """For programs: one event a line, and nothing else on standard output."""

    _session = ""

    def show(self, event: Event) -> None:
        """Print the event."""
        self._session = event.session
        print(event.line(), file=self.out, flush=True)

    def say(self, text: str) -> None:
        """Print what a /command answers as a reply."""
        self._reply(text=text)

    def picture(self, path: Path) -> None:
        """Print the path as a reply with a picture."""
        self._reply(text=str(path), picture=str(path))

    def _reply(self, **data: str) -> None:
        self.show(Event(event="reply", time=time.time(), session=self._session, data=data))


class TextScreen(Screen):
    """For people: a bar while an edit runs, then the picture, its path and the reply."""

    def __init__(
        self,
        folder: Folder | None = None,
        out: TextIO | None = None,
        *,
        preview: str = "auto",
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Choose how pictures are shown."""
        super().__init__(folder, out)
        self.preview = previews.choose(preview, self.out, environ)
        self._failure = ""
        self._bar = Bar(self.console)
        self.glimpse = None if self.preview == "off" else self._bar.show
        self.hear = self._bar.hear

    def show(self, event: Event) -> None:
        """Show the events that tell a person something."""
        if event.event == "step":
            self._bar.advance(event)
            return
        if event.event == "queued":
            self._bar.wait(event["before"])
            return
        self.rest()
        handlers: dict[str, Callable[[Event], None]] = {
            "session.started": self._started,
            "turn.started": self._reading,
            "plan": self._plan,
            "check": self._check,
            "turn.completed": self._completed,
            "turn.failed": self._failed,
            "head.moved": self._moved,
            "save": lambda e: self.say(self.named(Path(e["path"]))),
            "reply": self._reply,
            "note": lambda e: self.note(e["text"]),
        }
        if handler := handlers.get(event.event):
            handler(event)

    def say(self, text: str) -> None:
        """Print words, broken between words where a terminal would break inside them."""
        text = visible(text)
        super().say(wrapped(text, _columns()) if self.out.isatty() else text)

    def named(self, path: Path) -> str:
        """Return a path as it is shown: short on a terminal, whole in a pipe."""
        return tilde(path) if self.out.isatty() else str(path)

    def picture(self, path: Path) -> None:
        """Show a picture inline where the terminal can, and its path always."""
        if self.preview != "off":
            with Image.open(path) as image:
                self.show_images([("", image)])
        super().say(self.named(path))

    def show_images(self, pictures: Sequence[Labelled]) -> None:
        """Show pictures side by side, as the terminal can."""
        if self.preview != "off":
            paper = self._paper()
            paper.print(previews.drawn(pictures, self.preview, paper.width))
            self.out.flush()

    def show_beside(self, path: Path, pictures: Sequence[Labelled]) -> None:
        """Show pictures side by side, and the path of one."""
        self.show_images(pictures)
        super().say(self.named(path))

    def small(self, path: Path) -> RenderableType | None:
        """Return a small picture for a list, in terminals where one can stand among words."""
        if self.preview not in ("kitty", "blocks"):
            return None
        with Image.open(path) as image:
            return previews.small(image.convert("RGB"), self.preview)

    def render(self, drawing: RenderableType) -> None:
        """Show something that rich can draw, with colours where pictures are shown."""
        if self.preview == "off":
            super().render(drawing)
        else:
            self._paper().print(drawing)
            self.out.flush()

    def _paper(self) -> Console:
        """Return a console on the same stream that colours what it prints."""
        return Console(
            file=self.out, force_terminal=True, width=_columns(), height=ROWS, no_color=False
        )

    def rest(self) -> None:
        """Take the bar away."""
        self._bar.stop()

    def _started(self, event: Event) -> None:
        if caption := event.data.get("caption"):
            self.note(str(caption))
        if path := event.data.get("picture"):
            self.picture(Path(path))

    def _reading(self, event: Event) -> None:
        if event.data.get("reader") == "llm":
            self._bar.start(READING)

    def _plan(self, event: Event) -> None:
        for step in event["steps"]:
            if step["step"] == "edit":
                words = ", ".join(step.get("edit_words") or ()) or step["target_prompt"]
                where = f", in: {step['region']}" if step.get("region") else ""
                self.note(f"  plan: {step['change']}, looking at: {words}{where}")
            if step["step"] == "adjust":
                self.note(f"  plan: {step['operation']} {step['value']}".rstrip())
        if any(step["step"] == "edit" for step in event["steps"]):
            self._bar.start()

    def _check(self, event: Event) -> None:
        verdict = verdict_of(passed=event["passed"], unchecked=event.data.get("unchecked", ""))
        kept = f"{event['outside_ssim']:.2f} alike outside the change"
        rung = "" if event["rung"] == "first" else f" (another try: {event['rung']})"
        self.note(f"  check: {verdict}, {kept}{rung}")

    def _completed(self, event: Event) -> None:
        data = event.data
        if data.get("picture"):
            self.picture(Path(data.get("file") or data["picture"]))
        work = f"{data.get('seconds', 0):.1f} s"
        if calls := data.get("forwards"):
            work += f", {calls} model calls, seed {data.get('seed')}"
        if data.get("crop"):
            work += ", close-up"
        self.note(f"  @{data['turn']}: {work}")

    def _failed(self, event: Event) -> None:
        self._failure = str(event["error"])
        self.complain(self._failure)

    def _reply(self, event: Event) -> None:
        """Print the reply without the failure that was shown already."""
        text = str(event["text"]).removesuffix(self._failure).strip()
        self._failure = ""
        if text:
            self.say(text)

    def _moved(self, event: Event) -> None:
        if path := event.data.get("picture"):
            self.picture(Path(path))
