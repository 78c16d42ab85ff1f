"""Count the bytes of all tensors alive at once, on any device and without one."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """While entered, follows every tensor that is made until nobody holds it any more.

    Tensors that were there before, such as weights, do not count if their modules are named. It
    works on fake tensors, too, and so tells the needs of models that fit nowhere.

    Attributes:
        peak: The most bytes alive at once so far.
    """

    def __init__(self, *known: torch.nn.Module) -> None:
        """Begin at nothing; the parameters of ``known`` do not count."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = self._now = 0
        self._known = [p.untyped_storage() for module in known for p in module.parameters()]
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
