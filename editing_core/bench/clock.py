"""Stand-ins for parts of a model that time them, or see what they are called with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from editing_core.bench.floors import now
from editing_core.flux import Flux


@contextmanager
def replaced(flux: Flux, name: str, value: Any) -> Iterator[None]:
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
    """Times every model call without waiting for the device in between."""

    def __init__(self, flux: Flux) -> None:
        """Stand in for ``flux.velocity``."""
        self._velocity, self._cuda = flux.velocity, flux.device.type == "cuda"
        self._marks: list[tuple[Any, Any]] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        """Call the model between two marks."""
        started = self._mark()
        v = self._velocity(*args, **kwargs)
        self._marks.append((started, self._mark()))
        return v

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
