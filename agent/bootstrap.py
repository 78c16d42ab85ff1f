"""From settings to a studio: pictures, model, eyes and LLM, or one clear refusal."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Collection
from concurrent.futures import Future
from copy import copy
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL.Image import Image
from pydantic import ValidationError

from agent.background import in_background
from agent.context import AdjustPicture, ChatContext, Edited, Eyes, Llm, OnGlimpse
from agent.exit_codes import MISSING, UNREADABLE
from agent.settings import AppSettings
from editing_core.worlds.registry import world_named
from tools.find_region import Finder
from tools.inspection import StrangePicture, WorldEyes, strange
from tools.pictures import PictureStore
from tools.regions import CHOSEN, EVERYWHERE, box_of, shares

if TYPE_CHECKING:
    from editing_core.clip import ClipSeg
    from editing_core.settings import Bounds
    from tools.adjust_picture import Adjusted
    from tools.close_up import Framing

Note = Callable[[str], None]
Hear = Callable[[str], None]
Listen = Callable[[Llm | None], Llm | None]


class Refusal(Exception):
    """The door stays shut: one sentence for the person, and the exit code."""

    def __init__(self, sentence: str, code: int = UNREADABLE) -> None:
        """Keep both."""
        super().__init__(sentence)
        self.code = code


def settings_of(config: Path | None, **flags: Any) -> AppSettings:
    """Read the settings: flags above environment above config.toml above defaults.

    Raises:
        Refusal: A value or the file is wrong.
    """
    try:
        return AppSettings.load(config, **flags)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise Refusal(f"The setting {name} is wrong: {first['msg']}.", MISSING) from None
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Refusal(f"The configuration cannot be read: {error}.", MISSING) from None


def studio_of(
    settings: AppSettings,
    *,
    person: bool,
    plan_only: bool = False,
    looking: bool = False,
    note: Note = print,
    listen: Listen = lambda llm: llm,
    glimpse: OnGlimpse | None = None,
    hear: Hear | None = None,
    known_only: bool = False,
) -> ChatContext:
    """Bring together all that a conversation works with.

    Args:
        settings: What was chosen.
        person: Whether somebody can answer questions.
        plan_only: Understand only, load no model.
        looking: Load the model only once a message or a /command that edits comes, if ever.
        note: Told what takes a while.
        listen: Gets the LLM that was configured and returns the one to use.
        glimpse: Gets small guesses at a picture while it is made.
        hear: Gets what an LLM has written so far, while it writes.
        known_only: Whether edits of pictures that the model cannot know are refused.

    Raises:
        Refusal: Something chosen is not to be had.
    """
    from tools.edit_picture import PRESETS, is_shipped

    _refuse_unknown(settings.preset, PRESETS)
    store = PictureStore(settings.home / "pictures")
    llm = listen(_llm(settings, note, hear))
    edit = None
    if not plan_only:
        later = looking or is_shipped(settings.model)  # which takes two seconds
        edit = _edit(settings, store, note, later=later, glimpse=glimpse, known_only=known_only)
    loaded = edit if isinstance(edit, LoadedLater) else None
    return ChatContext(
        settings=settings,
        edit=edit,
        adjust=None if plan_only else adjust_in(store),
        find=loaded.find if loaded else None,
        pictures=store,
        eyes=_eyes(settings, llm),
        llm=llm,
        presets=PRESETS,
        interactive=person,
        warm_up=loaded.begin if loaded else lambda: None,
    )


def _refuse_unknown(preset: str, known: Collection[str]) -> None:
    if preset not in known:
        raise Refusal(f"There is no preset {preset}; choose: {', '.join(known)}.")


def _edit(
    settings: AppSettings,
    store: PictureStore,
    note: Note,
    *,
    later: bool,
    glimpse: OnGlimpse | None,
    known_only: bool,
) -> LoadedLater:
    """Bind the model to the tool that the agent calls; load it now, or when it is needed."""
    from tools.edit_picture import EditError, ModelMissing, memory_told, processes, refuse_choice

    edit = LoadedLater(settings, store, glimpse, clipseg_of(settings), known_only=known_only)
    try:
        refuse_choice(settings.model, method=settings.method, device=settings.device)
        alone = processes() == 1  # else torchrun's others wait for it
        if not (later and alone):
            note(f"loading the model {settings.model} …")
            if told := memory_told(settings.model, **settings.holding):
                note(told)
            edit.editor()
    except EditError as error:
        raise Refusal(str(error)) from None
    except ModelMissing as error:
        raise Refusal(str(error), MISSING) from None
    return edit


def adjust_in(store: PictureStore) -> AdjustPicture:
    """Bind the store to what does plain operations, which no model is loaded for."""

    def adjust(**asked: Any) -> Adjusted:
        from tools.adjust_picture import adjust_picture

        return adjust_picture(store, **asked)

    return adjust


class LoadedLater:
    """The tool that the agent calls, with a model loaded when `begin` or an edit asks for it.

    The shipped model takes two seconds, which pass while a person types the first message.
    """

    def __init__(
        self,
        settings: AppSettings,
        store: PictureStore,
        glimpse: OnGlimpse | None,
        clipseg: ClipSeg | None = None,
        *,
        known_only: bool = False,
    ) -> None:
        """Remember what to load, what finds regions by words, if anything does, and what to refuse.

        See ``studio_of``.
        """
        self._known_only = known_only
        self._settings, self._store, self._glimpse = settings, store, glimpse
        self._finder = Finder(store, clipseg)
        self._future: Callable[[], Future[Any]] = cache(partial(in_background, self._load))

    def begin(self) -> None:
        """Begin to load in a thread of its own, which nobody who leaves waits for."""
        self._future()

    def storing_in(self, store: PictureStore) -> LoadedLater:
        """Return the same tool, with the same model, for another store of pictures."""
        other = copy(self)
        other._store, other._finder = store, Finder(store, self._finder.clipseg)
        return other

    def glimpsed(self, show: OnGlimpse) -> LoadedLater:
        """Return the same tool, with the same model, whose guesses at the picture are shown."""
        other = copy(self)
        other._glimpse = show
        return other

    def editor(self) -> Any:
        """Return the editor once it is loaded, or raise what went wrong."""
        return self._future().result()

    def _load(self) -> Any:
        from agent import understand  # noqa: F401  (loaded now, needed with the first message)
        from tools.edit_picture import load_editor

        cache = self._settings.home / "cache"
        return load_editor(self._settings.model, cache=cache, **self._settings.holding)

    def find(self, *, head: str, region: str, caption: str) -> Image:
        """Return where edits of a picture may act, as a mask of its size."""
        found = self._finder.find(self.editor, head, region, caption=caption)
        return found.laid_over(self._store.size(head))

    def __call__(
        self, *, region: str = EVERYWHERE, known_only: bool = False, **asked: Any
    ) -> Edited:
        """Edit a picture, in a region that is found first.

        Raises:
            InputError: The region is not found, or does not lie in the picture.
            StrangePicture: The model cannot know the picture, where it has to.
        """
        from tools.edit_picture import edit_picture

        found = None
        if region != EVERYWHERE:
            step = asked["step"]
            about = {"caption": step.source_prompt, "change": step.change}
            found = self._finder.find(self.editor, asked["head"], region, **about)
        framing = self._framing(asked["head"])
        if (known_only or self._known_only) and asked["step"].source_prompt:  # else it is a blank
            bounds = found.bounds if found else None
            self._refuse_strange(asked["original"], framing, bounds)
        return edit_picture(
            self.editor(),
            self._store,
            framing=framing,
            region=found,
            on_glimpse=self._glimpse,
            **asked,
        )

    def _framing(self, head: str) -> Framing:
        """Return how much of a picture the model is shown.

        Raises:
            InputError: The box that was chosen does not lie in it.
        """
        from tools.close_up import Framing

        box = box_of(self._settings.close_up)
        if box is None:
            return Framing(close_ups=self._settings.close_up == CHOSEN)
        shares(box, self._store.size(head))
        left, top, width, height = box
        return Framing(crop=(left, top, left + width, top + height))

    def _refuse_strange(self, original: str, framing: Framing, bounds: Bounds | None) -> None:
        """Refuse a picture that the model knows neither whole nor as it would be shown it.

        Raises:
            StrangePicture: It is one.
        """
        world = world_named(self._settings.model)
        if world is None:
            return
        whole = self._store.image(original)
        seen = framing.of(self._store, self.editor().model, whole.size, bounds)
        if unlike := strange(world, whole, whole.crop(seen.box)):
            raise StrangePicture(
                f"The picture was not edited: {unlike}, or --anyway to have it edited all the same."
            )


def llm_is_configured(settings: AppSettings) -> bool:
    """Whether anybody has said which LLM to ask."""
    names = ("OPENAI_API_KEY", "OPENAI_BASE_URL")
    return bool(settings.llm_url) or any(os.environ.get(name) for name in names)


def _llm(settings: AppSettings, note: Note, hear: Hear | None) -> Llm | None:
    """Return the configured LLM, or None for the offline reader."""
    if settings.offline or not llm_is_configured(settings):
        if not settings.offline:
            note("No LLM is configured (--llm-url), so messages are read offline.")
        return None
    from agent.llm.client import Server
    from agent.llm.structured_output import LlmError

    sees = {"yes": True, "no": False}.get(settings.llm_sees)
    try:
        return Server(
            settings.llm_url,
            settings.llm_model,
            timeout=settings.llm_timeout,
            sees=sees,
            hear=hear or (lambda text: None),
        )
    except LlmError as error:
        raise Refusal(str(error), MISSING) from None


def _eyes(settings: AppSettings, llm: Llm | None) -> Eyes | None:
    """Return the eyes that judge: a closed world's own, an LLM's, CLIP's, whichever there are."""
    world = world_named(settings.model)
    own: Eyes | None = WorldEyes(world) if world else None
    clip = None if own is not None or settings.clip is None else _clip(settings.clip)
    if llm is None:
        return own or clip
    from agent.llm.vision import LlmEyes

    return LlmEyes(llm, own, clip)


def clipseg_of(settings: AppSettings) -> ClipSeg | None:
    """Load what finds regions by words, if there is anything.

    Raises:
        Refusal: It is not to be had.
    """
    if settings.clipseg is None:
        return None
    from editing_core.clip import ClipSeg

    try:
        return ClipSeg(settings.clipseg)
    except (OSError, ValueError) as error:
        raise _unloadable("CLIPSeg", settings.clipseg, error) from None


def _unloadable(kind: str, model: str, error: Exception) -> Refusal:
    reason = str(error).splitlines()[0]
    return Refusal(f"The {kind} model {model} cannot be loaded: {reason}", MISSING)


def _clip(model: str) -> Eyes:
    from tools.clip_judge import ClipEyes

    try:
        return ClipEyes(model)
    except (OSError, ValueError) as error:
        raise _unloadable("CLIP", model, error) from None
