"""Classifier-free guidance (Ho & Salimans 2022): a second model call, under an empty prompt."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor

from editing_core.models.base import TextEmbedding
from editing_core.models.canvas import Canvas
from editing_core.models.diffusers_model import DiffusersModel


class GuidedModel(DiffusersModel):
    """What families without a guidance input have in common."""

    nothing: ClassVar[str] = ""
    """The prompt that guidance leads away from."""

    def _guided(
        self, tokens: Tensor, t: float, text: TextEmbedding, guidance: float, canvas: Canvas
    ) -> Tensor:
        v = self._call(tokens, t, text, canvas)
        if guidance == 1 or self.spec.guidance == "none":  # distilled
            return v
        empty = self.encode_text(self.nothing)
        with self._layout.of_nothing(empty.embeds.shape[1]):
            away = self._call(tokens, t, empty, canvas)
        return self._combined(v, away, guidance)

    @abstractmethod
    def _call(self, tokens: Tensor, t: float, text: TextEmbedding, canvas: Canvas) -> Tensor:
        """Call the transformer on image and reference tokens (1, L + R, C)."""

    def _combined(self, v: Tensor, away: Tensor, guidance: float) -> Tensor:
        """Lead a velocity away from another. Shape of each: (1, L + R, C)."""
        return away + guidance * (v - away)
