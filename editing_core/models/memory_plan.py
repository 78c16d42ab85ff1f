"""Which level of thrift suits the memory that is free, said in one sentence before loading."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from editing_core.errors import ModelMissing
from editing_core.models.canvas import Canvas
from editing_core.models.memory import LEVELS, MemoryLevel, Sizes, peak_bytes

GB = 10**9
TYPICAL = Canvas(1024, 1024)  # the picture that a plan is made for
RESERVE = 0.06  # of the free memory, for what the allocator cannot use
TILES = (1024, 512)  # sides in pixels of what the VAE takes at once, the larger the better
BY_NAME = {level.name: level for level in LEVELS}
NAMES = ("auto", *BY_NAME)


@dataclass(frozen=True)
class MemoryPlan:
    """How a model will be held.

    Attributes:
        level: The way.
        tile: Side of what the VAE takes at once, in pixels.
        peak: Bytes needed at the most, for a picture of the size it was made for.
    """

    level: MemoryLevel
    tile: int
    peak: int


def plans(sizes: Sizes, *, each: int = 2, device: str = "cuda") -> Iterator[MemoryPlan]:
    """All plans that may be chosen, from the fastest to the thriftiest; each needs less memory."""
    least = None
    for level in LEVELS[:1] if device == "cpu" else LEVELS:
        if not level.offered or (sizes.stored and level.weights != "plain"):
            continue
        for tile in TILES:
            peak = peak_bytes(sizes, level, TYPICAL, tile, each)
            if least is None or peak < least:
                least = peak
                yield MemoryPlan(level, tile, peak)


def missing(level: MemoryLevel) -> list[str]:
    """Packages that a level needs and that are not installed."""
    return [package for package in level.packages if find_spec(package) is None]


def choose(
    sizes: Sizes, free: int, *, wanted: str = "auto", each: int = 2, device: str = "cuda"
) -> MemoryPlan:
    """Choose the fastest plan that fits, or the best of the level that is wanted.

    Args:
        sizes: Of the model.
        free: Bytes free on the device.
        wanted: "auto", or the name of a level.
        each: Bytes of a plain weight.
        device: "cuda" or "cpu".

    Raises:
        ModelMissing: Nothing fits, or the wanted level cannot be had.
    """
    usable = int(free * (1 - RESERVE))
    if wanted != "auto":
        return _at(level_named(wanted), sizes, usable, each)
    fitting = [p for p in plans(sizes, each=each, device=device) if p.peak <= usable]
    for plan in fitting:
        if not missing(plan.level):
            return plan
    raise ModelMissing(_too_large(sizes, free, fitting, each, device))


def _too_large(sizes: Sizes, free: int, fitting: list[MemoryPlan], each: int, device: str) -> str:
    ready = [p for p in plans(sizes, each=each, device=device) if not missing(p.level)]
    if fitting:
        packages = " ".join(missing(fitting[0].level))
        instead = f"with pip install {packages} it needs {told(fitting[0].peak)}"
    elif device == "cpu":
        instead = "use a GPU, or try all the same with --memory full"
    else:
        instead = "close what else uses the GPU"
    return (
        f"The model needs {told(ready[-1].peak)} of memory at least, and {told(free)} are free; "
        f"{instead}."
    )


def level_named(name: str) -> MemoryLevel:
    """Return a level that is ready to be used.

    Raises:
        ModelMissing: There is no such level, or it needs what is not installed.
    """
    if name not in BY_NAME:
        raise ModelMissing(f"There is no memory level {name}; choose one of: {', '.join(NAMES)}.")
    if lacking := missing(BY_NAME[name]):
        raise ModelMissing(f"--memory {name} needs: pip install {' '.join(lacking)}")
    return BY_NAME[name]


def _at(level: MemoryLevel, sizes: Sizes, usable: int, each: int) -> MemoryPlan:
    if sizes.stored and level.weights != "plain":
        raise ModelMissing(
            f"The weights of a GGUF file stay as they are, so --memory {level.name} is not for it; "
            "choose full, lean or stream."
        )
    tried = [MemoryPlan(level, t, peak_bytes(sizes, level, TYPICAL, t, each)) for t in TILES]
    return next((plan for plan in tried if plan.peak <= usable), tried[-1])


def sentence(plan: MemoryPlan, sizes: Sizes, free: int, *, each: int = 2) -> str:
    """Say in one sentence what is needed, what is there, and what will be done."""
    full = next(plans(sizes, each=each))
    if plan.level.name == full.level.name:
        return f"needs {told(plan.peak)}, you have {told(free)}: {plan.level.said}"
    said = (
        f"needs {told(full.peak)}, you have {told(free)}: will need {told(plan.peak)} at level "
        f"{plan.level.name} ({plan.level.said})"
    )
    better = [p for p in plans(sizes, each=each) if plan.peak < p.peak <= free * (1 - RESERVE)]
    lacking = next((names for p in better if (names := missing(p.level))), None)
    return f"{said}; faster after: pip install {' '.join(lacking)}" if lacking else said


def free_bytes(device: Any) -> int | None:
    """Bytes free on a device (of ordinary memory for the CPU), None where nobody can tell."""
    import torch

    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(s.split()[1]) for s in lines if s.startswith("MemAvailable")), None)


def told(size: int) -> str:
    """A number of bytes for people."""
    return f"{size / GB:.0f} GB" if size >= 10 * GB else f"{size / GB:.1f} GB"
