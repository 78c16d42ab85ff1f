"""What can be edited with: each known model, what it needs, and what of it is on this machine.

The list answers at once: nothing is built to count parameters, PyTorch is imported only where there
may be a GPU, and the hub's cache is looked into as it lies on the disk.
"""

from __future__ import annotations

import ctypes
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from editing_core.errors import ModelMissing
from editing_core.models.base import ModelSpec
from editing_core.models.checkpoints import SHIPPED_FOLDERS, ModelSource, configs, fetched, find
from editing_core.models.layouts import Layout
from editing_core.models.memory_plan import (
    MemoryPlan,
    Sizes,
    at_each_level,
    choose,
    fitting,
    in_gb,
    plans,
    sizes_of,
)
from editing_core.models.offers import HUB, KNOWN
from editing_core.models.published_sizes import SIZES

STORED = 2  # bytes of a weight as published, in 16 bits
Kind = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class Entry:
    """A known model.

    Attributes:
        spec: What it offers.
        hub_id: Where it lies; "" if it comes with the program.
        size: Bytes of its weights as published; 0 if it comes with the program.
        plan: How this machine would hold it; None if it cannot, or all that is shipped.
        after: How it could if the packages were there that this takes; None where `plan` says all.
        least: Bytes of memory that it takes here at the least; 0 if it comes with the program.
        refusal: Why this machine cannot hold it; "" if it can.
        levels: How any GPU can hold it, from the fastest level to the thriftiest.
        here: Whether its weights are all on this machine.
    """

    spec: ModelSpec
    hub_id: str
    size: int
    plan: MemoryPlan | None
    after: MemoryPlan | None
    least: int
    refusal: str
    levels: tuple[MemoryPlan, ...]
    here: bool


def entries(device: Kind, free: int | None) -> Iterator[Entry]:
    """List all known models; nothing is fetched.

    Args:
        device: On which they would run, in bfloat16 on a GPU, else in float32.
        free: Bytes free there, if that is known.
    """
    each = 4 if device == "cpu" else 2
    for name, spec in KNOWN.items():
        if name in SHIPPED_FOLDERS:
            here = SHIPPED_FOLDERS[name].is_dir()
            yield Entry(spec, "", 0, None, None, 0, "", (), here)
            continue
        sizes = SIZES[name]
        plan, after, refusal = None, None, ""
        if free is not None:
            try:
                plan = choose(sizes, free, each=each, device=device)
            except ModelMissing as error:
                refusal = str(error)
                after = next(iter(fitting(sizes, free, each=each, device=device)), None)
        yield Entry(
            spec=spec,
            hub_id=HUB[name],
            size=stored_bytes(sizes),
            plan=plan,
            after=after,
            least=min(plan.peak for plan in plans(sizes, each=each, device=device)),
            refusal=refusal,
            levels=at_each_level(sizes),
            here=is_here(name),
        )


def device_here() -> Kind:
    """Say what models would run on; PyTorch, which takes its time, is asked only if need be."""
    if not _has_driver():
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _has_driver() -> bool:
    """Say whether there is a driver of a GPU that PyTorch may use: NVIDIA's or AMD's."""
    if Path("/dev/kfd").exists():
        return True
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def stored_bytes(sizes: Sizes) -> int:
    """Bytes of a model's weights as published."""
    return STORED * (sizes.transformer + sizes.text + sizes.vae)


def is_here(name: str) -> bool:
    """Say whether all weights of a known model are in the cache of huggingface_hub."""
    folder = _in_cache(HUB[name])
    return folder is not None and _whole(folder, SIZES[name].layout)


def _in_cache(hub_id: str) -> Path | None:
    """Return the folder that the hub's own client would give without asking the hub."""
    from huggingface_hub.constants import HF_HUB_CACHE  # its client takes half a second

    cached = Path(HF_HUB_CACHE) / f"models--{hub_id.replace('/', '--')}"
    try:
        revision = (cached / "refs" / "main").read_text("utf-8").strip()
    except OSError:
        return None
    folder = cached / "snapshots" / revision
    return folder if folder.is_dir() else None


def _whole(folder: Path, layout: Layout) -> bool:
    """Say whether each network has its weights, and each tokenizer is there."""
    return all((folder / part).is_dir() for part in layout.parts) and all(
        _has_weights(folder / part) for part in layout.networks
    )


def _has_weights(folder: Path) -> bool:
    indices = list(folder.glob("*.safetensors.index.json"))
    if not indices:
        return any(folder.glob("*.safetensors"))
    files: set[str] = set(json.loads(indices[0].read_text("utf-8"))["weight_map"].values())
    return all((folder / file).is_file() for file in files)


def get(name: str) -> ModelSource:
    """Fetch all of a model, with the hub's own progress; what was begun is gone on with.

    Args:
        name: A known name, or the id of a model on the hub.

    Raises:
        ModelMissing: It cannot be had, cannot edit, or there is no room for it.
    """
    source = find(name)
    if source.hub_id is not None:
        _refuse_too_large(source)
    return fetched(source)


def _refuse_too_large(source: ModelSource) -> None:
    if _whole(source.base, source.layout):
        return
    needed, free = stored_bytes(sizes_of(configs(source))), shutil.disk_usage(source.base).free
    begun = sum(file.stat().st_size for file in source.base.glob("*/*.safetensors"))
    if needed - begun > free:
        raise ModelMissing(
            f"The model {source.hub_id} takes {in_gb(needed)} of disk, and {in_gb(free)} are free "
            f"in {source.base.parent}; make room, or set HF_HOME to a larger disk."
        )
