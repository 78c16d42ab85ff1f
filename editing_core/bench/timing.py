"""Stand-ins for parts of a model that time them, or see what they are called with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from editing_core.bench.roofline import now, seconds
from editing_core.editor import Editor, EditRequest, EditResult
from editing_core.models.diffusers_model import DiffusersModel
from editing_core.settings import EditSettings


@contextmanager
def replaced(flux: DiffusersModel, name: str, value: Any) -> Iterator[None]:
    """Let something stand in for a part or method of a model inside."""
    had = flux.__dict__.get(name)
    flux.__dict__[name] = value
    try:
        yield
    finally:
        if had is None:
            del flux.__dict__[name]
        else:
            flux.__dict__[name] = had


class Clock:
    """Times every call of some functions without waiting for the device in between."""

    def __init__(self, device: torch.device) -> None:
        """Begin at nothing."""
        self._cuda = device.type == "cuda"
        self._marks: list[tuple[Any, Any]] = []

    def around(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return what does the same between two marks."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            started = self._mark()
            done = work(*args, **kwargs)
            self._marks.append((started, self._mark()))
            return done

        return timed

    def _mark(self) -> Any:
        if not self._cuda:
            return now(torch.device("cpu"))
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def total(self) -> float:
        """Seconds of all of them."""
        if self._cuda:
            torch.cuda.synchronize()
            return float(sum(a.elapsed_time(b) for a, b in self._marks)) / 1000
        return float(sum(b - a for a, b in self._marks))


class TimedVae:
    """Stands in for a VAE to time what it does."""

    def __init__(self, vae: Any, clock: Clock) -> None:
        """Let a clock run around its work."""
        self._vae = vae
        self.encode, self.decode = clock.around(vae.encode), clock.around(vae.decode)

    def __getattr__(self, name: str) -> Any:
        """All else is the VAE's."""
        return getattr(self._vae, name)


@dataclass(frozen=True)
class Took:
    """Seconds of an edit, of the model calls in it, and of the VAE; and what came of it."""

    whole: float
    calls: float
    vae: float
    made: EditResult

    @property
    def forwards(self) -> int:
        """How many model calls there were."""
        return self.made.report.forwards

    @property
    def inside(self) -> float:
        """Seconds of all that the model itself does."""
        return self.calls + self.vae


def timed_edit(
    editor: Editor, request: EditRequest, settings: EditSettings, method: str = "mtc"
) -> Took:
    """Make an edit, of which all may change, and see where the time goes."""
    flux = editor.model
    assert isinstance(flux, DiffusersModel)
    calls, coding = Clock(flux.device), Clock(flux.device)
    anywhere = replace(settings, keep="nothing")
    results: list[EditResult] = []
    velocity, vae = calls.around(flux.velocity), TimedVae(flux.vae, coding)
    with replaced(flux, "velocity", velocity), replaced(flux, "vae", vae):
        whole = seconds(
            lambda: results.append(editor.edit(request, settings=anywhere, method=method)),
            flux.device,
        )
    return Took(whole, calls.total(), coding.total(), results[0])


class Recorder:
    """Stands in for a transformer to see what it is called with."""

    def __init__(self, transformer: Any, kept: dict[str, Any]) -> None:
        """Put what it is called with into ``kept``."""
        self._transformer, self._kept = transformer, kept

    def __getattr__(self, name: str) -> Any:
        """All else is the transformer's."""
        return getattr(self._transformer, name)

    def __call__(self, **given: Any) -> tuple[Tensor]:
        """Return the state as its own velocity."""
        self._kept.update(given)
        return (given["hidden_states"],)
