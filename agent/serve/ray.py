"""`palimpsest serve --ray`: conversations and models on many machines, by Ray Serve.

Two kinds of replicas: `Conversations` answer HTTP on CPUs, each as `palimpsest serve` does, over
one database and one place of pictures; `Editor` holds a model, on a GPU if there are any, and makes
one edit at a time. Ray Serve queues edits, starts and ends editors as the queue grows and shrinks,
and replaces what dies. An edit whose editor dies is made again from the start, with the same seed
and picture, so it is the same; nobody is told of it.

``serve run agent.serve.ray:application tokens=people.txt editors=1-4`` does the same by Ray's own
command, and so do its configuration files.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any
from uuid import uuid4

import ray
from fastapi import FastAPI
from PIL.Image import Image
from ray import serve
from ray.exceptions import RayActorError
from ray.serve.handle import DeploymentHandle

from agent.background import in_background
from agent.bootstrap import LoadedLater, adjust_in, settings_of, studio_of
from agent.context import ChatContext, Edited, EditPicture, FindRegion
from agent.serve.app import create_app
from agent.serve.edit_queue import Waits
from agent.serve.limits import Admission, Limits
from agent.serve.users import Users, tokens_in
from agent.sessions.homes import Homes, homes_at
from agent.settings import AppSettings
from tools.arguments import InputError
from tools.pictures import PictureStore

LOOKED_EVERY = 0.2  # seconds between two looks at the line, and at whether to stop waiting
TRIES = 3  # editors that may die under one edit
STALE = 10.0  # seconds after which a ticket is dropped whose holder does not ask for it any more
LINE = "palimpsest-line"
CONNECTIONS = 1000  # of one conversation replica at a time
IDLE = 600.0  # seconds that an editor is kept though nobody needs it: a model takes long to load

Tool = Callable[[PictureStore], EditPicture]
"""Returns the editor over a store of pictures."""


def load(settings: AppSettings) -> Tool:
    """Load the model, and return the tool that edits with it."""
    loaded = LoadedLater(settings, PictureStore(settings.home / "pictures"), None)
    loaded.editor()
    return loaded.storing_in


class Editor:
    """One model, and one edit at a time."""

    def __init__(self, settings: AppSettings, loading: Callable[[AppSettings], Tool]) -> None:
        """Load the model."""
        self._homes = _homes(settings, database=False)
        self._tool = loading(settings)
        self._one = threading.Lock()

    async def edit(self, person: str, asked: dict[str, Any]) -> AsyncIterator[tuple[Any, ...]]:
        """Edit, and yield each step, then the result or the error.

        Who goes away stops the edit at its next step.
        """
        loop, happened = asyncio.get_running_loop(), asyncio.Queue[tuple[Any, ...]]()
        gone = threading.Event()

        def tell(*what: Any) -> None:
            if gone.is_set():
                raise _Gone
            loop.call_soon_threadsafe(happened.put_nowait, what)

        def work() -> None:
            try:
                with self._one:
                    edit = self._tool(self._homes.pictures_of(person))
                    tell("done", edit(on_step=partial(tell, "step"), **asked))
            except _Gone:
                pass
            except Exception as error:
                loop.call_soon_threadsafe(happened.put_nowait, ("failed", error))

        working = in_background(work)
        try:
            yield ("begun",)
            while True:
                told = await happened.get()
                yield told
                if told[0] != "step":
                    return
        finally:
            gone.set()
            await asyncio.shield(asyncio.wrap_future(working))  # only then is it free


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


class RemoteEdit:
    """The tool that the agent calls: an edit by one of the editors."""

    def __init__(self, editors: DeploymentHandle[Any], person: str) -> None:
        """Edit pictures of a person."""
        self._editors, self._person = editors.options(stream=True), person

    def __call__(self, **asked: Any) -> Edited:
        """Edit a picture."""
        return self.queued(lambda before: None, asked)

    def queued(self, waits: Waits, asked: dict[str, Any]) -> Edited:
        """Edit a picture, and tell meanwhile how many are before us."""
        on_step = asked.pop("on_step", None)
        for tries_left in reversed(range(TRIES)):
            try:
                return self._edited(waits, on_step, asked)
            except RayActorError:  # the editor died
                if not tries_left:
                    raise
        raise AssertionError

    def _edited(self, waits: Waits, on_step: Any, asked: dict[str, Any]) -> Edited:
        happening = self._editors.edit.remote(self._person, asked)
        try:
            for kind, *what in _heard(happening, waits):
                if kind == "step" and on_step is not None:
                    on_step(*what)
                elif kind == "failed":
                    raise what[0]
                elif kind == "done":
                    done: Edited = what[0]
                    return done
        except BaseException:  # somebody asked to stop, or it failed
            happening.cancel()
            raise
        raise RuntimeError("the editor left without a word")


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
        return edit.queued(waits, asked)

    def find(self, find: FindRegion, waits: Waits, asked: dict[str, str]) -> Image:
        """Refuse to: what finds regions is with the editors, which do not offer it yet.

        Raises:
            InputError: Always.
        """
        raise InputError(
            "This service finds no regions by words; say /region LEFT,TOP,WIDTH,HEIGHT instead."
        )


class Conversations:
    """The interface and the page, over one database for all replicas."""

    def __init__(
        self, settings: AppSettings, tokens: dict[str, str], limits: Limits, editors: Any
    ) -> None:
        """Open the database."""
        studio = studio_of(settings, person=True, plan_only=True, note=lambda told: None)
        self._users = Users(
            tokens, _homes(settings), partial(_over, studio, editors), RayQueue(), Admission(limits)
        )

    def __serve_build_asgi_app__(self) -> FastAPI:  # noqa: D105, PLW3201
        return create_app(self._users)


def _over(studio: ChatContext, editors: Any, store: PictureStore, person: str) -> ChatContext:
    edit = RemoteEdit(editors, person)
    return replace(studio, pictures=store, edit=edit, adjust=adjust_in(store))


def _homes(settings: AppSettings, *, database: bool = True) -> Homes:
    """Return the homes; an editor needs the pictures only."""
    if database:
        return homes_at(settings.home, settings.database, settings.pictures)
    return Homes(settings.home, pictures=settings.pictures)


def application(
    given: Mapping[str, str], loading: Callable[[AppSettings], Tool] = load
) -> serve.Application:
    """Make the application: what Ray Serve calls a builder.

    Args:
        given: ``tokens``, the file of those who may come in; ``editors`` and ``conversations``, how
            many replicas there are, such as 2 or 1-8; ``gpus``, of an editor (0 for a CPU); limits
            and settings by their names.
        loading: Loads the model in an editor.

    Raises:
        InputError: Something in it cannot be used.
    """
    left = dict(given)
    tokens = tokens_in(Path(left.pop("tokens", "")))
    editors, talks = left.pop("editors", "1"), left.pop("conversations", "1")
    gpus = float(left.pop("gpus", "0"))
    limits = Limits(**{f.name: int(left.pop(f.name)) for f in fields(Limits) if f.name in left})
    settings = settings_of(None, **left)
    if not settings.database:
        raise InputError("Several machines need one database: set PALIMPSEST_DATABASE.")
    editor = serve.deployment(
        max_ongoing_requests=1, ray_actor_options={"num_gpus": gpus}, **scaled(editors)
    )(Editor).bind(settings, loading)
    shared = scaled(talks, each=limits.waiting_in_all // 2)
    talking = serve.deployment(max_ongoing_requests=CONNECTIONS, **shared)
    return talking(serve.ingress()(Conversations)).bind(settings, tokens, limits, editor)


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
