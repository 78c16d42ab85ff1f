"""The anchor editor as conversations use it: what was shown and asked so far, and one wish more."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor

from editing_core.anchor.memory import WINDOW, Memory
from editing_core.anchor.model import Anchor, Said
from editing_core.anchor.parts import opened
from editing_core.anchor.stream import FOUR, paint, remember
from editing_core.errors import EditError
from editing_core.latents import Canvas
from editing_core.recent import Recent

WEIGHTS = Path(__file__).parent / "weights"
MEMORIES_KEPT = 64


@dataclass(frozen=True, eq=False)
class Shown:
    """One picture of a conversation.

    Attributes:
        latents: Packed. Shape: (1, L, C).
        instruction: What was asked for; "" for the original.
    """

    latents: Tensor
    instruction: str = ""


class AnchorEngine:
    """Paints the next picture of any conversation, and remembers the conversations it saw last.

    The memory of a conversation depends on nothing but its pictures and instructions, so every
    branch of it finds the memory of the shared past, and a conversation this process has not seen
    is read once from its beginning.

    Attributes:
        forwards: How often the transformer has been called.
    """

    def __init__(self, anchor: Anchor, window: int = WINDOW) -> None:
        """Paint with ``anchor``, seeing the original and the last ``window`` results."""
        self.anchor = anchor.eval().requires_grad_(False)
        self.window = window
        self.forwards = 0
        self._memories: Recent[Memory] = Recent(MEMORIES_KEPT)

    @torch.no_grad()
    def paint(
        self,
        history: Sequence[Shown],
        instruction: str,
        *,
        canvas: Canvas,
        noise: Tensor,
        seed: int = 0,
        times: Sequence[float] = FOUR,
        on_step: Callable[[int], None] | None = None,
    ) -> Tensor:
        """Paint the picture that follows.

        Args:
            history: The original, and the results since; at least the original.
            instruction: What to change; "" changes nothing.
            canvas: The pictures' size.
            noise: N(0, 1). Shape: (1, L, C).
            seed: Of the noise between steps.
            times: Of the steps, falling from 1.
            on_step: Hears of every step, from 0.

        Returns:
            Packed latents. Shape: (1, L, C).
        """
        if not history:
            raise EditError("There is no picture to edit.")
        self.anchor.to(noise.device)
        memory = self.memory(history, canvas)
        self.forwards += len(times)
        return paint(
            self.anchor, memory, self._said(instruction), len(history), noise, times, seed, canvas,
            on_step,
        )  # fmt: skip

    @torch.no_grad()
    def memory(self, history: Sequence[Shown], canvas: Canvas) -> Memory:
        """The memory of a conversation, read from its pictures as far as it is not known yet."""
        memory, key = Memory(window=self.window, spare=0), hashlib.sha256(repr(canvas).encode())
        for turn, shown in enumerate(history):
            key.update(shown.instruction.encode())
            key.update(shown.latents.float().cpu().contiguous().numpy().tobytes())
            read = partial(self._with, memory, turn, shown, canvas)
            memory = self._memories.get(key.digest(), read)
        return memory

    def _with(self, memory: Memory, turn: int, shown: Shown, canvas: Canvas) -> Memory:
        self.forwards += 1
        said = self._said(shown.instruction)
        return remember(self.anchor, memory, shown.latents, said, turn, canvas)

    def _said(self, instruction: str) -> Said:
        return self.anchor.say([[plain(instruction)]])


def plain(instruction: str) -> str:
    """An instruction as the model learnt to hear it: lower case, no stop at the end."""
    return " ".join(instruction.lower().split()).strip(" .!")


@cache
def engine(folder: Path = WEIGHTS) -> AnchorEngine:
    """Return the shipped engine."""
    return AnchorEngine(Anchor(opened(folder)))
