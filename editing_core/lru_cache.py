"""A small memory that forgets what was used longest ago."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import is_dataclass
from typing import Any, Generic, TypeVar

from torch import Tensor

V = TypeVar("V")


class LRUCache(Generic[V]):
    """Values by key, the most recently used ones."""

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


def bytes_of(value: Any) -> int:
    """Bytes of all tensors in a value: a tensor, a collection of values, or a dataclass of them."""
    if isinstance(value, Tensor):
        return value.nbytes
    if is_dataclass(value):
        value = vars(value)
    if isinstance(value, Mapping):
        value = list(value.values())
    return sum(map(bytes_of, value)) if isinstance(value, list | tuple) else 0
