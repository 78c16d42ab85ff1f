"""What takes part in attention: it sees what chosen layers attend with, and changes what comes out.

Only attention's inputs and outputs are at hand, never score matrices.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from torch import Tensor

    from editing_core.models.base import AttentionCall, AttentionLayer


class AttentionHook(ABC):
    """Takes part in the attention of some layers of a model while it is entered."""

    def __init__(self, layers: Iterable[AttentionLayer]) -> None:
        """Prepare to take part in these layers; nothing is installed yet."""
        self._layers = tuple(layers)
        self._installed = ExitStack()

    def __enter__(self) -> Self:
        """Install itself in its layers."""
        for layer in self._layers:
            self._installed.enter_context(layer.install(self.attended))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the layers as they were, whatever happened."""
        self._installed.close()

    @abstractmethod
    def attended(self, call: AttentionCall) -> Tensor:
        """Return what the tokens of a layer attend to, of the shape of ``call.query``."""
