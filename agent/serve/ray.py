"""`palimpsest serve --ray`: conversations and models on many machines, by Ray Serve.

Two kinds of replicas: `Conversations` answer HTTP on CPUs, each as `palimpsest serve` does, over
one database and one place of pictures; `Editor` holds models, on a GPU if there are any, and makes
one edit at a time, or several in one batch (`batching`). Ray Serve queues edits, sends each to an
editor that holds its model (multiplexing), starts and ends editors as the queue grows and shrinks,
and replaces what dies. An edit whose editor dies is made again from the start, with the same seed
and picture, so it is the same; nobody is told of it.

``serve run agent.serve.ray:application tokens=people.txt editors=1-4`` does the same by Ray's own
command, and so do its configuration files.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Literal, Protocol, runtime_checkable
from uuid import uuid4

import ray
from fastapi import FastAPI
from PIL.Image import Image
from ray import serve
from ray.exceptions import RayActorError
from ray.serve.handle import DeploymentHandle

from agent.background import in_background
from agent.bootstrap import LoadedLater, adjust_in, clipseg_of, settings_of, studio_of
from agent.context import ChatContext, Edited, EditPicture, FindRegion, Glimpsing, OnGlimpse
from agent.serve.app import create_app
from agent.serve.batching import BatchedEdit, BatchingModel
from agent.serve.edit_queue import Waits
from agent.serve.limits import Admission, Limits
from agent.serve.users import StudioIn, Users, names_in, tokens_in
from agent.sessions.homes import Homes, homes_at
from agent.settings import AppSettings
from tools.arguments import InputError, number
from tools.pictures import PictureStore

LOOKED_EVERY = 0.2  # seconds between two looks at the line, and at whether to stop waiting
TRIES = 3  # editors that may die under one edit
STALE = 10.0  # seconds after which a ticket is dropped whose holder does not ask for it any more
LINE = "palimpsest-line"
CONNECTIONS = 1000  # of one conversation replica at a time
Kind = Literal["edit", "find"]
IDLE = 600.0  # seconds that an editor is kept though nobody needs it: a model takes long to load

Tool = Callable[[PictureStore], EditPicture]
"""Returns the editor over a store of pictures."""
Loading = Callable[[AppSettings, int], Tool]
"""Loads the model of settings, for so many edits at a time."""


@runtime_checkable
class Finding(Protocol):
    """An editor that can find regions."""

    find: FindRegion


def load(settings: AppSettings, together: int) -> Tool:
    """Load a model, and return the tool that edits with it."""
    store = PictureStore(settings.home / "pictures")
    loaded = LoadedLater(settings, store, None, clipseg_of(settings))
    editor = loaded.editor()
    if together == 1:
        return loaded.storing_in
    editor.model = BatchingModel(editor.model)
    room = editor.model.room
    return lambda store: BatchedEdit(loaded.storing_in(store), room)


class Editor:
    """Some models, of which one is used at a time unless there is room for more."""

    def __init__(self, settings: AppSettings, loading: Loading, together: int, held: int) -> None:
        """Load the model of ``settings``; the ``held`` models that were used last are kept."""
        self._homes = _homes(settings, database=False)
        ready = {settings.model: loading(settings, together)}

        async def tool(model: str) -> Tool:
            if model in ready:  # once: one that had to go is loaded anew
                return ready.pop(model)
            own = settings.model_copy(update={"model": model})
            return await asyncio.to_thread(loading, own, together)

        self._tool = serve.multiplexed(tool, max_num_models_per_replica=held)
        self._free = threading.Semaphore(together)

    async def work(
        self, person: str, how: Kind, asked: dict[str, Any]
    ) -> AsyncIterator[tuple[Any, ...]]:
        """Edit, or find a region; yield each step and each guess, then the result or the error.

        Who goes away stops it at its next step.
        """
        loop, happened = asyncio.get_running_loop(), asyncio.Queue[tuple[Any, ...]]()
        gone = threading.Event()

        def tell(*what: Any) -> None:
            if gone.is_set():
                raise _Gone
            loop.call_soon_threadsafe(happened.put_nowait, what)

        def done(tool: Tool) -> None:
            try:
                with self._free:
                    own = tool(self._homes.pictures_of(person))
                    tell("done", _done(own, how, asked, tell))
            except _Gone:
                pass
            except Exception as error:
                loop.call_soon_threadsafe(happened.put_nowait, ("failed", error))

        tool = await self._tool(serve.get_multiplexed_model_id())
        working = in_background(partial(done, tool))
        try:
            yield ("begun",)
            while True:
                told = await happened.get()
                yield told
                if told[0] in ("done", "failed"):
                    return
        finally:
            gone.set()
            await asyncio.shield(asyncio.wrap_future(working))  # only then is it free


def _done(tool: EditPicture, how: Kind, asked: dict[str, Any], tell: Callable[..., None]) -> Any:
    if how == "find":
        assert isinstance(tool, Finding)
        return tool.find(**asked)
    if isinstance(tool, Glimpsing):
        tool = tool.glimpsed(partial(tell, "glimpse"))
    return tool(on_step=partial(tell, "step"), **asked)


class _Gone(BaseException):
    """Nobody waits for the edit any more."""


class Line:
    """Who waits for an editor, in the order they came. It only counts; Ray Serve lets them in."""

    def __init__(self) -> None:
        """Begin with nobody waiting."""
        self._seen: dict[str, float] = {}

    def before(self, ticket: str) -> int:
        """Return how many came before the holder of a ticket, who is now known to wait."""
        now = time.monotonic()
        self._seen = {held: seen for held, seen in self._seen.items() if seen > now - STALE}
        self._seen[ticket] = now  # one that is known keeps its place
        return list(self._seen).index(ticket)

    def leave(self, ticket: str) -> None:
        """Forget who is let in or went away."""
        self._seen.pop(ticket, None)


class RemoteTool:
    """What the editors do for a person, asked for from elsewhere."""

    def __init__(self, editors: DeploymentHandle[Any], person: str, model: str) -> None:
        """Let a model work on pictures of a person."""
        self._editors = editors.options(stream=True, multiplexed_model_id=model)
        self._person = person

    def queued(
        self, how: Kind, waits: Waits, asked: dict[str, Any], hear: Mapping[str, Any]
    ) -> Any:
        """Return what came of it, and tell meanwhile how many are before us, and what happens."""
        for tries_left in reversed(range(TRIES)):
            try:
                return self._done(how, waits, asked, hear)
            except RayActorError:  # the editor died
                if not tries_left:
                    raise
        raise AssertionError

    def _done(self, how: Kind, waits: Waits, asked: dict[str, Any], hear: Mapping[str, Any]) -> Any:
        happening = self._editors.work.remote(self._person, how, asked)
        try:
            for kind, *what in _heard(happening, waits):
                if kind == "failed":
                    raise what[0]
                if kind == "done":
                    return what[0]
                if heard := hear.get(kind):
                    heard(*what)
        except BaseException:  # somebody asked to stop, or it failed
            happening.cancel()
            raise
        raise RuntimeError("the editor left without a word")


class RemoteEdit(RemoteTool):
    """The tool that the agent calls: an edit by one of the editors."""

    _glimpse: OnGlimpse | None = None

    def glimpsed(self, show: OnGlimpse) -> RemoteEdit:
        """Return the same tool, whose guesses at the picture are shown."""
        other = copy(self)
        other._glimpse = show
        return other

    def __call__(self, **asked: Any) -> Edited:
        """Edit a picture."""
        return self.edited(lambda before: None, asked)

    def edited(self, waits: Waits, asked: dict[str, Any]) -> Edited:
        """Edit a picture, and tell meanwhile how many are before us."""
        left = dict(asked)
        hear = {"step": left.pop("on_step", None), "glimpse": self._glimpse}
        made: Edited = self.queued("edit", waits, left, hear)
        return made


class RemoteFind(RemoteTool):
    """The tool that finds regions by one of the editors."""

    def __call__(self, *, head: str, region: str, caption: str) -> Image:
        """Find a region."""
        asked = {"head": head, "region": region, "caption": caption}
        return self.found(lambda before: None, asked)

    def found(self, waits: Waits, asked: dict[str, str]) -> Image:
        """Find a region, and tell meanwhile how many are before us."""
        mask: Image = self.queued("find", waits, asked, {})
        return mask


def _heard(happening: Any, waits: Waits) -> Iterator[tuple[Any, ...]]:
    """Yield what an editor tells, and say how many are before us until it begins."""
    told: SimpleQueue[tuple[Any, ...] | BaseException | None] = SimpleQueue()

    def listen() -> None:
        try:
            for each in happening:
                told.put(each)
            told.put(None)
        except BaseException as error:  # handed over to the thread that iterates
            told.put(error)

    in_background(listen)
    line, ticket, waiting = _line(), uuid4().hex, True
    try:
        while True:
            try:
                each = told.get(timeout=LOOKED_EVERY if waiting else None)
            except Empty:
                waits(ray.get(line.before.remote(ticket)) + 1)  # one is being made, at least
                continue
            if waiting:
                line.leave.remote(ticket)
                waiting = False
            if each is None:
                return
            if isinstance(each, BaseException):
                raise each
            yield each
    finally:
        line.leave.remote(ticket)


def _line() -> Any:
    """Return the one line of all, as an actor of Ray, which is begun again if it dies."""
    actor = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Line)
    return actor.options(name=LINE, get_if_exists=True, lifetime="detached").remote()


class RayQueue:
    """Ray Serve's own queue, of which we only tell."""

    def edit(self, edit: EditPicture, waits: Waits, asked: dict[str, Any]) -> Edited:
        """Edit once an editor is free."""
        assert isinstance(edit, RemoteEdit)
        return edit.edited(waits, asked)

    def find(self, find: FindRegion, waits: Waits, asked: dict[str, str]) -> Image:
        """Find a region once an editor is free."""
        assert isinstance(find, RemoteFind)
        return find.found(waits, asked)


class Conversations:
    """The interface and the page, over one database for all replicas."""

    def __init__(
        self,
        settings: AppSettings,
        tokens: dict[str, str],
        limits: Limits,
        models: Sequence[str],
        editors: Any,
    ) -> None:
        """Open the database; sessions may begin with the model of the settings or with others."""

        def over(model: str) -> StudioIn:
            own = settings.model_copy(update={"model": model})
            studio = studio_of(own, person=True, plan_only=True, note=lambda told: None)
            return partial(_over, studio, editors)

        self._users = Users(
            tokens, _homes(settings), over(settings.model), RayQueue(), Admission(limits),
            {model: over(model) for model in models},
        )  # fmt: skip

    def __serve_build_asgi_app__(self) -> FastAPI:  # noqa: D105, PLW3201
        return create_app(self._users)


def _over(studio: ChatContext, editors: Any, store: PictureStore, person: str) -> ChatContext:
    model = studio.settings.model
    edit, find = RemoteEdit(editors, person, model), RemoteFind(editors, person, model)
    return replace(studio, pictures=store, edit=edit, find=find, adjust=adjust_in(store))


def _homes(settings: AppSettings, *, database: bool = True) -> Homes:
    """Return the homes; an editor needs the pictures only."""
    if database:
        return homes_at(settings.home, settings.database, settings.pictures)
    return Homes(settings.home, pictures=settings.pictures)


def application(given: Mapping[str, str], loading: Loading = load) -> serve.Application:
    """Make the application: what Ray Serve calls a builder.

    Args:
        given: ``tokens``, the file of those who may come in; ``editors`` and ``conversations``, how
            many replicas there are, such as 2 or 1-8; ``gpus``, of an editor (0 for a CPU);
            ``models``, with which sessions may begin beside ``model``; ``held``, how many of them
            an editor keeps; ``together``, how many edits it makes in one batch; limits and settings
            by their names.
        loading: Loads a model in an editor.

    Raises:
        InputError: Something in it cannot be used.
    """
    left = dict(given)
    tokens = tokens_in(Path(left.pop("tokens", "")))
    editors, talks = left.pop("editors", "1"), left.pop("conversations", "1")
    gpus = float(left.pop("gpus", "0"))
    models = names_in(left.pop("models", ""))
    held, together = (number(left.pop(n, "1"), least=1, name=n) for n in ("held", "together"))
    limits = Limits(**{f.name: int(left.pop(f.name)) for f in fields(Limits) if f.name in left})
    settings = settings_of(None, **left)
    if not settings.database:
        raise InputError("Several machines need one database: set PALIMPSEST_DATABASE.")
    editor = serve.deployment(
        max_ongoing_requests=together,
        ray_actor_options={"num_gpus": gpus},
        **scaled(editors, each=together),
    )(Editor).bind(settings, loading, together, held)
    shared = scaled(talks, each=limits.waiting_in_all // 2)
    talking = serve.deployment(max_ongoing_requests=CONNECTIONS, **shared)
    return talking(serve.ingress()(Conversations)).bind(settings, tokens, limits, models, editor)


def scaled(count: str, *, each: int = 1) -> dict[str, Any]:
    """Return how many replicas there are: always so many, or as many as are needed.

    Args:
        count: "2", or "1-8".
        each: Requests that one replica is to have at a time.

    Raises:
        InputError: It is neither.
    """
    least, _, most = count.partition("-")
    if not least.isdecimal() or (most and not most.isdecimal()) or int(most or least) < 1:
        raise InputError(f"{count} is no number of replicas; write it as 2 or 1-8.")
    if not most:
        return {"num_replicas": int(least)}
    scaling = {
        "min_replicas": int(least), "max_replicas": int(most), "target_ongoing_requests": each,
        "downscale_delay_s": IDLE,
    }  # fmt: skip
    return {"autoscaling_config": scaling}


def serve_on_ray(given: Mapping[str, str], *, host: str, port: int) -> None:
    """Serve until Ctrl-C, on the cluster that is there, or on one of this machine."""
    serve.start(http_options={"host": host, "port": port, "request_timeout_s": None})
    serve.run(application(given), name="palimpsest", blocking=True)
