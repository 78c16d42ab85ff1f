"""Caches of what took long: in memory for this process, in files for later ones.

Both keep what was used most recently. A file holds the SHA-256 of all that follows, then tensors as
safetensors writes them: one that was cut off or damaged is made anew, and nothing in it is ever
executed.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import Generic, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from editing_core.hashes import file_hash
from editing_core.models.base import Tensors

MOST = 1 << 30  # bytes
DIGEST = 32  # bytes of a SHA-256
V = TypeVar("V")


class LRUCache(Generic[V]):
    """Values by key, the most recently used ones, in memory."""

    def __init__(self, most: int) -> None:
        """Keep values of ``most`` bytes in all, and the last one however large it is."""
        self._most = most
        self._values: OrderedDict[Hashable, V] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """Return the value of ``key``, made now unless it is remembered."""
        if key not in self._values:
            self._values[key] = make()
            while len(self._values) > 1 and bytes_of(list(self._values.values())) > self._most:
                self._values.popitem(last=False)
        self._values.move_to_end(key)
        return self._values[key]

    def __contains__(self, key: Hashable) -> bool:
        """Whether the value of ``key`` is remembered."""
        return key in self._values


def bytes_of(value: object) -> int:
    """Bytes of all tensors in a value: a tensor, a collection of values, or a dataclass of them."""
    if isinstance(value, Tensor):
        return value.nbytes
    if is_dataclass(value):
        value = vars(value)
    if isinstance(value, Mapping):
        value = list(value.values())
    return sum(map(bytes_of, value)) if isinstance(value, list | tuple) else 0


class DiskCache:
    """Tensors by key in a folder, the most recently used ones; anyone may empty it at any time."""

    def __init__(self, folder: Path, most: int = MOST) -> None:
        """Keep about ``most`` bytes there; the folder is made when it is needed."""
        self._folder = folder
        self._most = most
        self._held: int | None = None

    def get(self, key: Hashable, make: Callable[[], Tensors]) -> Tensors:
        """Return the tensors of ``key``, made now unless a sound file has them, then on the CPU.

        Keys are told apart by their ``repr``. What cannot be kept, for want of room, of rights or
        because it is not all numbers, is only returned.
        """
        file = self._folder / hashlib.sha256(repr(key).encode()).hexdigest()
        if (found := _read(file)) is not None:
            return found
        made = make()
        if all(bool(x.isfinite().all()) for x in made.values()):
            with suppress(OSError):
                self._write(file, made)
        return made

    def clear(self) -> None:
        """Forget everything."""
        for file in _files(self._folder):
            file.unlink(missing_ok=True)

    def _write(self, file: Path, made: Tensors) -> None:
        """Write beside, then rename, so that nobody reads half a file; make room for it."""
        body = save({name: x.detach().cpu().contiguous() for name, x in made.items()})
        self._folder.mkdir(parents=True, exist_ok=True)
        beside = file.with_suffix(f".{os.getpid()}")
        beside.write_bytes(hashlib.sha256(body).digest() + body)
        beside.replace(file)
        if self._held is None:
            self._held = sum(f.stat().st_size for f in _files(self._folder))
        else:
            self._held += DIGEST + len(body)
        if self._held > self._most:
            self._held = self._trimmed()

    def _trimmed(self) -> int:
        """Drop what was used longest ago, down to three quarters; return the bytes left."""
        seen = sorted((f.stat().st_mtime, f.stat().st_size, f) for f in _files(self._folder))
        held = sum(size for _, size, _ in seen)
        for _, size, file in seen:
            if held <= self._most * 3 // 4:
                break
            file.unlink(missing_ok=True)
            held -= size
        return held


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _read(file: Path) -> Tensors | None:
    """Return what a file holds and note that it was used; a damaged one is removed."""
    try:
        data = file.read_bytes()
        if hashlib.sha256(data[DIGEST:]).digest() == data[:DIGEST]:
            os.utime(file)
            return dict(load(data[DIGEST:]))
        file.unlink(missing_ok=True)
    except (OSError, SafetensorError):
        pass
    return None


@lru_cache
def environment(device: torch.device) -> str:
    """All that numbers depend on besides a model: this code, libraries, processor and threads."""
    import diffusers

    code = file_hash(sorted(Path(__file__).parent.rglob("*.py")))
    cuda = device.type == "cuda"
    kind = torch.cuda.get_device_name(device) if cuda else torch.backends.cpu.get_cpu_capability()
    versions = f"torch {torch.__version__}, diffusers {diffusers.__version__}"
    return f"{code}, {versions}, {kind}, {torch.get_num_threads()} threads"
