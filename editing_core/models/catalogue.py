"""What can be edited with: each known model, what it needs, and what of it is on this machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from editing_core.errors import ModelMissing
from editing_core.models.base import ModelSpec
from editing_core.models.checkpoints import SHIPPED_FOLDERS, ModelSource, configs, fetched, find
from editing_core.models.configs import PUBLISHED
from editing_core.models.layouts import FIRST, LAYOUTS, Layout
from editing_core.models.memory_plan import (
    MemoryPlan,
    Sizes,
    choose,
    free_bytes,
    plans,
    sizes_of,
    told,
)
from editing_core.models.offers import HUB, KNOWN

STORED = 2  # bytes of a weight as published, in 16 bits


@dataclass(frozen=True)
class Entry:
    """A known model.

    Attributes:
        spec: What it offers.
        hub_id: Where it lies; "" if it comes with the program.
        size: Bytes of its weights as published; 0 if it comes with the program.
        plan: How this machine would hold it; None if it cannot, or all that is shipped.
        least: Bytes of memory that it takes at the least; 0 if it comes with the program.
        refusal: Why this machine cannot hold it; "" if it can.
        here: Whether its weights are all on this machine.
    """

    spec: ModelSpec
    hub_id: str
    size: int
    plan: MemoryPlan | None
    least: int
    refusal: str
    here: bool


def entries(device: torch.device) -> Iterator[Entry]:
    """List all known models; nothing is fetched.

    Args:
        device: On which they would run, in bfloat16 on a GPU, else in float32.
    """
    free = free_bytes(device)
    for name, spec in KNOWN.items():
        if name in SHIPPED_FOLDERS:
            yield Entry(spec, "", 0, None, 0, "", SHIPPED_FOLDERS[name].is_dir())
            continue
        sizes = _published(name)
        each = 4 if device.type == "cpu" else 2
        least = min(plan.peak for plan in plans(sizes, each=each, device=device.type))
        plan, refusal = None, ""
        try:
            if free is not None:
                plan = choose(sizes, free, each=each, device=device.type)
        except ModelMissing as error:
            refusal = str(error)
        stored = stored_bytes(sizes)
        yield Entry(spec, HUB[name], stored, plan, least, refusal, is_here(name))


@cache
def _published(name: str) -> Sizes:
    return sizes_of(PUBLISHED[name])


def stored_bytes(sizes: Sizes) -> int:
    """Bytes of a model's weights as published."""
    return STORED * (sizes.transformer + sizes.text + sizes.vae)


def is_here(name: str) -> bool:
    """Say whether all weights of a known model are in the cache of huggingface_hub."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(HUB[name], local_files_only=True))
    except LocalEntryNotFoundError:
        return False
    layout = LAYOUTS[PUBLISHED[name]["transformer"].get("_class_name", FIRST)]
    return _whole(folder, layout)


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
            f"The model {source.hub_id} takes {told(needed)} of disk, and {told(free)} are free "
            f"in {source.base.parent}; make room, or set HF_HOME to a larger disk."
        )
