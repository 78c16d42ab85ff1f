"""Time, operations and bytes: what work takes, and what it must take at least."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from editing_core.editor import Editor, EditRequest, EditResult
from editing_core.models.canvas import Canvas
from editing_core.models.diffusers_model import DiffusersModel
from editing_core.settings import EditSettings

TRIES = 5
COPIED = 1 << 28  # bytes


@dataclass(frozen=True)
class Machine:
    """What a device was seen to do.

    Attributes:
        operations: Of matrix products at the model's width, a second.
        bandwidth: Bytes read or written, a second.
    """

    operations: float
    bandwidth: float

    def seconds(self, operations: float, moved: float = 0) -> float:
        """The least that work of so many operations, which moves so many bytes, can take."""
        return max(operations / self.operations, moved / self.bandwidth)


def measured(device: torch.device, dtype: torch.dtype, tokens: int, width: int) -> Machine:
    """Time products of (tokens, width) with (width, 4 width), and copies; the best of a few."""
    x = torch.randn(tokens, width, device=device, dtype=dtype)
    weights = torch.randn(width, 4 * width, device=device, dtype=dtype)
    block = torch.zeros(COPIED // 4, device=device)
    product = min(seconds(lambda: x @ weights, device) for _ in range(TRIES))
    copy = min(seconds(block.clone, device) for _ in range(TRIES))
    return Machine(2 * tokens * width * 4 * width / product, 2 * COPIED / copy)


def seconds(work: Callable[[], Any], device: torch.device) -> float:
    """Time a piece of work until the device has done it; see ``now``."""
    _done(device)
    started = now(device)
    work()
    _done(device)
    return now(device) - started


def now(device: torch.device) -> float:
    """A clock: on a CPU its own seconds a thread, which other work on the machine leaves alone."""
    if device.type == "cpu":
        return time.process_time() / torch.get_num_threads()
    return time.perf_counter()


def _done(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def call_operations(config: Any, canvas: Canvas, text_tokens: int) -> float:
    """Operations of one call of the transformer: two a weight and token, and attention's.

    Args:
        config: The transformer's.
        canvas: The picture's size.
        text_tokens: Tokens of the prompt.
    """
    width = config.num_attention_heads * config.attention_head_dim
    tokens = canvas.tokens + text_tokens
    blocks = config.num_layers + config.num_single_layers
    attention = 4 * tokens**2 * width
    linear = 2 * 12 * width**2 * tokens  # queries, keys, values, output: 4; the MLP: 8
    modulation = 2 * width**2 * (12 * config.num_layers + 3 * config.num_single_layers + 2)
    embedders = 2 * width * (
        2 * config.in_channels * canvas.tokens
        + config.joint_attention_dim * text_tokens
        + 2 * 256 + config.pooled_projection_dim + 3 * width
    )  # fmt: skip
    return float(blocks * (attention + linear) + modulation + embedders)


def counted(work: Callable[[], Any]) -> float:
    """Count the operations of a piece of work while it is done."""
    cpu = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu

    def of_attention(query: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> int:
        return int(sdpa_flop_count(query, key, value))

    counter = FlopCounterMode(display=False, custom_mapping={cpu: of_attention})
    with counter:
        work()
    return float(counter.get_total_flops())


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


class LiveBytes(TorchDispatchMode):
    """While entered, follows every tensor that is made until nobody holds it any more.

    Tensors that were there before, such as weights, do not count if their modules are named. It
    works on fake tensors, too, and so tells the needs of models that fit nowhere.

    Attributes:
        peak: The most bytes alive at once so far.
    """

    def __init__(self, *known: torch.nn.Module) -> None:
        """Begin at nothing; the parameters and buffers of ``known`` do not count."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = self._now = 0
        held = [x for module in known for x in (*module.parameters(), *module.buffers())]
        self._known = [x.untyped_storage() for x in held]
        self._sizes = {storage._cdata: 0 for storage in self._known}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operation and note what it returned."""
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                self._note(tensor.untyped_storage())
        return made

    def _note(self, storage: torch.UntypedStorage) -> None:
        if storage._cdata not in self._sizes:
            self._sizes[storage._cdata] = storage.nbytes()
            self._now += storage.nbytes()
            self.peak = max(self.peak, self._now)
            weakref.finalize(storage, self._forget, storage._cdata)

    def _forget(self, storage: int) -> None:
        self._now -= self._sizes.pop(storage, 0)
