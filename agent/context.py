"""What the conversation works with: the editor, the pictures, the eyes and the LLM.

Dependencies enter the graph through this one frozen object (LangGraph's context), which is never
checkpointed; tests plug fakes in here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from tools.regions import EVERYWHERE

if TYPE_CHECKING:
    from PIL.Image import Image
    from pydantic import BaseModel

    from agent.settings import AppSettings
    from agent.state import Usage
    from tools.adjust_picture import Adjusted, Operation

OnStep = Callable[[str, int, int], None]
"""Called after each solver step with phase ("invert" or "sample"), index from 1, and count."""

OnGlimpse = Callable[["Image"], None]
"""Called after each step of sampling with a small guess at the picture."""


class Strength(Protocol):
    """Numbers of a method that can be turned up and down: ``EditSettings``."""

    def stronger(self) -> Any:
        """Return settings that change more."""

    def weaker(self) -> Any:
        """Return settings that keep more."""

    def fitted(self, change: str, turns: int) -> Any:
        """Return settings for a kind of change after so many turns."""

    def rung(self, name: str) -> Any:
        """Return settings for another try, in a way of ``editing_core.settings.RUNGS``."""

    def keeping(self, what: Any) -> Any:
        """Return settings that leave what lies outside an edit's mask as it was."""

    def bounded(self, box: Any) -> Any:
        """Return settings that keep to a box."""

    def drafted(self) -> Any:
        """Return the same settings for a quick draft."""


class Edited(Protocol):
    """What an edit gives back."""

    @property
    def picture(self) -> str: ...  # noqa: D102
    @property
    def mask(self) -> str | None: ...  # noqa: D102
    @property
    def seconds(self) -> float: ...  # noqa: D102
    @property
    def forwards(self) -> int: ...  # noqa: D102
    @property
    def crop(self) -> tuple[int, int, int, int] | None: ...  # noqa: D102
    @property
    def working(self) -> tuple[int, int] | None: ...  # noqa: D102


class EditPicture(Protocol):
    """``tools.edit_picture.edit_picture`` with its editor and store bound (functools.partial)."""

    def __call__(
        self,
        *,
        head: str,
        original: str,
        step: Any,
        settings: Any,
        seed: int,
        method: str,
        on_step: OnStep | None,
        region: str = EVERYWHERE,
    ) -> Edited:
        """Edit the picture ``head``, in a region of ``tools.regions``; return what came out.

        Raises:
            tools.arguments.InputError: The region is not found, or the model cannot know the
                picture where it has to.
        """


@runtime_checkable
class Glimpsing(Protocol):
    """An editor that can show the picture while it makes it."""

    def glimpsed(self, show: OnGlimpse) -> EditPicture:
        """Return the same editor, which calls ``show`` after each step of sampling."""


class FindRegion(Protocol):
    """``tools.find_region.Finder.find`` with its editor and store bound."""

    def __call__(self, *, head: str, region: str, caption: str) -> Image:
        """Return where edits of ``head`` may act as an "L" picture of its size.

        Raises:
            tools.arguments.InputError: The region is not found.
        """


class AdjustPicture(Protocol):
    """``tools.adjust_picture.adjust_picture`` with its store bound."""

    def __call__(
        self,
        *,
        head: str,
        original: str,
        operation: Operation,
        captions: tuple[str, str],
        request: str,
    ) -> Adjusted:
        """Do an operation to ``head`` and ``original``; return the hashes of both results."""


class Pictures(Protocol):
    """The content-addressed store: ``tools.pictures.PictureStore``."""

    def image(self, key: str, /) -> Image:
        """Return the pixels of a hash."""

    def size(self, key: str, /) -> tuple[int, int]:
        """Return width and height of a hash's picture, in pixels."""

    def path(self, key: str, /) -> Path:
        """Return the PNG file of a hash."""


class Eyes(Protocol):
    """What can be seen in a picture: ``tools.inspection``."""

    def describe(self, image: Image, /) -> str | None:
        """Return a caption of the picture, or None if it cannot be told."""

    def drawn(self, image: Image, /) -> bool:
        """Say whether a picture is of a closed world, of which they have to see all."""

    def attributes(self, image: Image, expected: Mapping[str, str], /) -> Mapping[str, str]:
        """Return the value seen for each attribute in ``expected``."""

    def degraded(self, image: Image, /) -> bool:
        """Say whether a picture of a closed world is smeared, doubled or half there."""

    def happened(
        self, before: Image, after: Image, source: str, target: str, /
    ) -> tuple[bool, str] | None:
        """Say whether the change between two captions is seen, and why; None if unknown."""


Schema = TypeVar("Schema", bound="BaseModel")


class Llm(Protocol):
    """A language model that answers in a schema: ``agent.llm.Server``.

    Attributes:
        sees: whether it sees pictures; None until ``agent.llm.vision.can_see`` has found out.
        used: what it has done since the beginning.
    """

    sees: bool | None

    @property
    def used(self) -> Usage: ...  # noqa: D102

    def answer(self, messages: list[dict[str, Any]], schema: type[Schema], /) -> Schema:
        """Return the model's answer.

        Raises:
            agent.llm.structured_output.LlmError: there is none; the message is one clear sentence.
            agent.llm.structured_output.Unusable: it does not fit the schema.
        """


@dataclass(frozen=True)
class ChatContext:
    """Everything the graph needs and never stores.

    Attributes:
        settings: model, method, preset, session seed and the other knobs.
        edit: makes one edit; None means plan only: planned edits count as made, without pictures.
        pictures: the store of pictures, by hash.
        eyes: sees whether an edit happened; None skips the check.
        llm: reads messages; None means the offline reader does.
        presets: name of a preset to its ``EditSettings`` (``editing_core.settings.PRESETS``).
        interactive: whether a person can answer a question; otherwise its default is taken.
        adjust: does one plain operation; None means plan only, likewise.
        find: finds where edits may act, to be shown before any; None means plan only, likewise.
        warm_up: called once a person sees the prompt: begins what their first edit will wait for.
    """

    settings: AppSettings
    edit: EditPicture | None
    pictures: Pictures
    eyes: Eyes | None = None
    llm: Llm | None = None
    presets: Mapping[str, Strength] = field(default_factory=dict)
    interactive: bool = False
    adjust: AdjustPicture | None = None
    find: FindRegion | None = None
    warm_up: Callable[[], None] = lambda: None
