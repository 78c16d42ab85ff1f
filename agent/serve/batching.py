"""Edits of several people in one batch: each walks alone, and their model calls are made together.

One edit runs at a time; where it needs a velocity it lets the next one run, until all of them need
one. Then one call of the network answers all, whatever step each is at. Nothing but the velocity is
shared, so methods know nothing of it. Sums of a batch are rounded otherwise than those of one
(about 1e-6), so a picture may differ in a last bit from the one that is made alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition, Lock, local
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch

from editing_core.methods.registry import METHODS
from editing_core.models.base import VelocityCall
from tools.regions import EVERYWHERE, box_of

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from agent.bootstrap import LoadedLater
    from agent.context import Edited, OnGlimpse
    from editing_core.models.base import Model, TextEmbedding
    from editing_core.models.canvas import Canvas


@runtime_checkable
class ManyAtOnce(Protocol):
    """A model that answers several calls by one of its network."""

    def velocities(self, calls: Sequence[VelocityCall]) -> list[Tensor]:
        """Return the velocity of each call, all of one shape."""


@dataclass(eq=False)
class _Asked:
    """A call that waits for the others, and what came of it."""

    call: VelocityCall
    answer: Tensor | None = None
    error: BaseException | None = None


class Room:
    """Where edits meet: some at once, or one that wants to be alone."""

    def __init__(self, answer: Callable[[Sequence[VelocityCall]], list[Tensor]]) -> None:
        """Answer calls of one shape by ``answer``."""
        self._answer = answer
        self._turn = Condition()  # held by the one edit that runs
        self._inside = 0
        self._alone = 0  # edits that want to be alone, and are or wait
        self._count = Lock()
        self._coming = 0  # edits that will be inside before anybody is answered
        self._asked: list[_Asked] = []

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Be in the room with others."""
        self._come(1)
        with self._turn:
            self._come(-1)
            if self._alone:
                self._answer_all()  # who is alone waits for nobody
                self._turn.wait_for(lambda: not self._alone)
            with self._entered():
                yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be in the room with nobody else."""
        with self._turn:
            self._alone += 1
            try:
                self._turn.wait_for(lambda: not self._inside)
                with self._entered():
                    yield
            finally:
                self._alone -= 1
                self._turn.notify_all()

    def _come(self, change: int) -> None:
        with self._count:
            self._coming += change

    @contextmanager
    def _entered(self) -> Iterator[None]:
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            self._answer_all()
            self._turn.notify_all()

    def velocity(self, call: VelocityCall) -> Tensor:
        """Return a velocity once everybody in the room needs one; alone, at once."""
        asked = _Asked(call)
        self._asked.append(asked)
        self._answer_all()
        self._turn.wait_for(lambda: asked.answer is not None or asked.error is not None)
        if asked.error is not None:
            raise asked.error
        assert asked.answer is not None
        return asked.answer

    def _answer_all(self) -> None:
        """Answer, if everybody waits for it."""
        if not self._asked or self._coming or len(self._asked) < self._inside:
            return
        waiting, self._asked = self._asked, []
        for like in _alike(waiting):
            try:
                answers = self._answer([asked.call for asked in like])
            except Exception as error:  # handed over to the threads that asked
                for asked in like:
                    asked.error = error
                continue
            for asked, answer in zip(like, answers, strict=True):
                asked.answer = answer
        self._turn.notify_all()


def _alike(waiting: Sequence[_Asked]) -> list[list[_Asked]]:
    """Part calls into those that can be answered together."""
    groups: dict[object, list[_Asked]] = {}
    for asked in waiting:
        call = asked.call
        alone = id(asked) if call.references else 0
        key = (call.x.shape, call.text.embeds.shape, call.canvas, alone)
        groups.setdefault(key, []).append(asked)
    return list(groups.values())


class BatchingModel:
    """A model whose velocities are asked for in a room; all else of it is as it was."""

    def __init__(self, model: Model) -> None:
        """Batch the calls of ``model``."""
        self.model = model
        self.room = Room(self._velocities)
        self._own = local()

    def __getattr__(self, name: str) -> Any:  # noqa: D105
        return getattr(self.model, name)

    @property
    def forwards(self) -> int:
        """Calls that the edit of this thread has made."""
        made: int = getattr(self._own, "forwards", 0)
        return made

    def velocity(
        self,
        x: Tensor,
        t: float,
        text: TextEmbedding,
        *,
        guidance: float,
        canvas: Canvas,
        references: Sequence[Tensor] = (),
    ) -> Tensor:
        """Predict dx/dt, with those of all others in the room. See ``Model.velocity``."""
        self._own.forwards = self.forwards + 1
        return self.room.velocity(VelocityCall(x, t, text, guidance, canvas, tuple(references)))

    @torch.no_grad()
    def _velocities(self, calls: Sequence[VelocityCall]) -> list[Tensor]:
        if len(calls) > 1 and isinstance(self.model, ManyAtOnce):
            return self.model.velocities(calls)
        return [
            self.model.velocity(
                call.x, call.t, call.text, guidance=call.guidance, canvas=call.canvas,
                references=call.references,
            )
            for call in calls
        ]  # fmt: skip


class BatchedEdit:
    """The tool that the agent calls, for several threads at once."""

    def __init__(self, edit: LoadedLater, room: Room) -> None:
        """Edit in a room, that of the model of ``edit``."""
        self._edit, self._room = edit, room

    def glimpsed(self, show: OnGlimpse) -> BatchedEdit:
        """Return the same tool, whose guesses at the picture are shown."""
        return BatchedEdit(self._edit.glimpsed(show), self._room)

    def find(self, *, head: str, region: str, caption: str) -> Image:
        """Find a region, which may look into the model's attention."""
        with self._room.alone():
            return self._edit.find(head=head, region=region, caption=caption)

    def __call__(self, **asked: Any) -> Edited:
        """Edit a picture, with others if that does not touch their walks."""
        with self._room.joined() if walks_apart(asked) else self._room.alone():
            return self._edit(**asked)


def walks_apart(asked: dict[str, Any]) -> bool:
    """Whether an edit asks the model for velocities alone, and changes nothing inside it."""
    method = METHODS.get(asked["method"])
    region = asked.get("region", EVERYWHERE)
    plain = region == EVERYWHERE or box_of(region) is not None
    looks_inside = method is None or method.needs - {"inversion", "instruction"}
    return plain and not looks_inside
