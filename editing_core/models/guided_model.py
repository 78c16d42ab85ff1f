"""Classifier-free guidance (Ho & Salimans 2022): a second model call, under an empty prompt.

And what the families that are guided so have in common: one language model that reads the prompt.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor

from editing_core.models.base import TextEmbedding
from editing_core.models.canvas import Canvas
from editing_core.models.diffusers_model import DiffusersModel
from editing_core.models.loader import LoadSpec


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
        empty = self.encode_text(self.nothing, text.pictures)
        with self._layout.of_nothing(empty.embeds.shape[1]):
            away = self._call(tokens, t, empty, canvas)
        return self._combined(v, away, guidance)

    @abstractmethod
    def _call(self, tokens: Tensor, t: float, text: TextEmbedding, canvas: Canvas) -> Tensor:
        """Call the transformer on image and reference tokens (1, L + R, C)."""

    def _combined(self, v: Tensor, away: Tensor, guidance: float) -> Tensor:
        """Lead a velocity away from another. Shape of each: (1, L + R, C)."""
        return away + guidance * (v - away)


class SingleTextModel(GuidedModel):
    """Families whose prompt one language model reads.

    Attributes:
        tokenizer: Of the prompt.
        text_encoder: The language model.
    """

    text_encoder: Any

    def __init__(
        self,
        *,
        transformer: Any,
        vae: Any,
        text_encoder: Any,
        tokenizer: Any,
        name: str,
        held: LoadSpec | None = None,
    ) -> None:
        """Take the parts of the family's pipeline; ``held`` says how they were loaded."""
        self.tokenizer = tokenizer
        models = {"transformer": transformer, "vae": vae, "text_encoder": text_encoder}
        super().__init__(models, name=name, held=held)

    def _states(self, pieces: Any, **seen: Tensor) -> Sequence[Tensor]:
        """Read tokens, and see pictures; return the states after each layer: (1, T, D) each."""
        states: Sequence[Tensor] = self.text_encoder(
            input_ids=pieces.input_ids.to(self.device),
            attention_mask=pieces.attention_mask.to(self.device),
            output_hidden_states=True,
            use_cache=False,
            **seen,
        ).hidden_states
        return states


def within(offsets: Tensor, begin: int, length: int) -> Tensor:
    """Turn offsets in the template into those in the prompt; (0, 0) for tokens outside of it.

    Args:
        offsets: First and one-past-last character of each token. Shape: (T, 2).
        begin: Where the prompt stands in the template.
        length: Of the prompt.
    """
    inside = (offsets[:, 1] > begin) & (offsets[:, 0] < begin + length)
    return (offsets - begin).clamp(0, length) * inside[:, None]
