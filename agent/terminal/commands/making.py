"""The /commands that make or open pictures."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import get_args
from urllib.parse import unquote, urlsplit

from agent.exit_codes import FAILED
from agent.state import Adjust, Retry
from agent.terminal.commands.base import CommandBase, CommandError, one_of
from agent.terminal.file_io import is_picture
from agent.text_to_image import Undrawable, draw, unheard
from tools.arguments import InputError, path_of
from tools.operations import NAMES, normal
from tools.pictures import open_picture

HOWS = get_args(Retry.model_fields["how"].annotation)
_PATH = re.compile(r"""\s*["']?(?:/[^/\s]+/|~/|\.\.?/|file:)""")


class EditCommands(CommandBase):
    """Open or make pictures."""

    title = "Making pictures"

    def open(self, pictures: str) -> None:
        """Open pictures; the first is the new base, the others are bases beside it.

        Paths may be quoted, escaped, begin with ~ or be dropped into the terminal. Undo leads back
        to where you were; /tree shows every base.
        Example: /open ~/me.png "my cat.jpg"
        """
        paths = paths_in(pictures)
        for path in paths:  # nothing is opened unless all can be
            open_picture(path, max_megapixels=self.chat.studio.settings.max_megapixels)
        for path in reversed(paths):
            event, notes = self.open_file(path)
            for note in notes:
                self.screen.note(note)
            self.screen.event(event)

    def new(self, words: str) -> int | None:
        """Draw a picture from words and make it the new base; undo leads back.

        The words are a caption. Of a portrait they may be a part of one: the rest is left to the
        seed, and the caption then says all that is seen.
        Example: /new a surprised old man with a white beard, a red beanie
        """
        try:
            drawn = draw(self.chat, self.store.put, words, self._step)
        except Undrawable as error:
            raise CommandError(str(error)) from None
        except Exception as error:  # whatever a model may raise
            self.screen.complain(f"The picture could not be drawn: {error}")
            return FAILED
        finally:
            self.screen.rest()
        event = self.chat.open(drawn.picture, drawn.caption)
        self.screen.event(event)
        if unheard(self.chat.settings.model, words):
            self.screen.note("Left out is what no drawn portrait can show.")
        unseen = f" I cannot see: {', '.join(drawn.missing)}." if drawn.missing else ""
        smeared = " A part of it is smeared." if drawn.degraded else ""
        told = f"A new base, @{event['turn']}, drawn with seed {drawn.seed}.{unseen}{smeared}"
        self.screen.say(told)
        return None

    def adjust(self, operation: str, value: str = "") -> int:
        """Do a plain operation, at once and with no model: crop, rotate, brightness and others.

        crop 16:9, crop square or crop LEFT,TOP,WIDTH,HEIGHT; resize 50%, resize 1920x1080 or resize
        1920 (the longer side); rotate left, right or DEGREES clockwise; straighten DEGREES; flip
        horizontal or vertical; brightness, contrast, saturation, warmth or sharpness and an amount
        from -100 to +200; grayscale; blur PIXELS, which blurs the background if an edit of the
        background showed where it is. It is a turn as any other, and done to the whole picture that
        you gave, whatever size the model works at; later edits start from it.
        Example: /adjust brightness +20
        Example: /adjust crop 16:9
        """
        name = one_of(operation, NAMES, "operation")
        return self._do(Adjust(operation=name, value=normal(name, value)))  # type: ignore[arg-type]

    def crop(self, box: str) -> int:
        """Crop the picture to a ratio, to a square, or to LEFT,TOP,WIDTH,HEIGHT in pixels.

        It is the same as /adjust crop.
        Example: /crop 16:9
        """
        return self.adjust("crop", box)

    def rotate(self, angle: str) -> int:
        """Rotate the picture left, right or by degrees clockwise.

        It is the same as /adjust rotate.
        Example: /rotate left
        """
        return self.adjust("rotate", angle)

    def retry(self, how: str = "again") -> int:
        """Make the last edit once more: again, weaker, stronger or other.

        Every try is a turn of its own beside the last one, with a seed of its own.
        Example: /retry stronger
        """
        return self._do(Retry.model_validate({"how": one_of(how, HOWS, "way to retry")}))

    def _step(self, phase: str, i: int, of: int) -> None:
        self.screen.event(self.chat.event("step", phase=phase, i=i, of=of))


def paths_in(text: str) -> list[Path]:
    """Read paths as a person types or drops them: quoted, escaped, as file: addresses, with ~.

    A single path may have spaces without any quotes.

    Raises:
        InputError: One can be none.
    """
    text = text.strip()
    try:
        words = shlex.split(text)
    except ValueError:  # a quote is open
        words = [text]
    if len(words) == 1 or _there(text):
        return [path_of(text) if _there(text) else _path(words[0])]
    paths = [_path(word) for word in words]
    return paths if any(map(os.path.exists, paths)) else [path_of(text)]


def _there(text: str) -> bool:
    """Say whether a path leads anywhere; nothing that cannot be one does."""
    try:
        return path_of(text).exists()
    except (InputError, OSError):
        return False


def dropped(line: str) -> Path | None:
    """Return the picture file whose path is all that a line says; None if it says more.

    The path may be quoted, escaped or a file: address, as terminals write what is dragged in. One
    that cannot be anything else need not be there: opening it says so.
    """
    if not re.search(r"\.\w{2,5}[\"']?\s*$", line):
        return None
    try:
        paths = paths_in(line)
        there = len(paths) == 1 and (paths[0].is_file() or _PATH.match(line))
        if there and is_picture(paths[0]):
            return paths[0]
    except (OSError, ValueError, InputError):  # no path at all
        pass
    return None


def _path(word: str) -> Path:
    if word.startswith("file:"):
        word = unquote(urlsplit(word).path)
    return path_of(word)
