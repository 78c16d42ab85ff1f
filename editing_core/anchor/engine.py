"""The anchor editor as conversations use it: what was shown and asked so far, and one wish more."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor

from editing_core.anchor.memory import Memory
from editing_core.anchor.model import Anchor, Said
from editing_core.anchor.parts import opened
from editing_core.anchor.stream import FOUR, Guide, paint, remember
from editing_core.errors import EditError
from editing_core.latents import Canvas
from editing_core.loading import hash_of
from editing_core.recent import Recent
from editing_core.region import CLEARLY, HARDLY, soft_region

WEIGHTS = Path(__file__).parent / "weights"
MEMORIES_KEPT = 1 << 27  # bytes; about 3 MB each
EMPTY = Memory(spare=0)  # older memories are kept whole, so none has turns to spare
GUIDANCE = 1.5  # beyond doing nothing


@dataclass(frozen=True, eq=False)
class Shown:
    """One picture of a conversation.

    Attributes:
        latents: Packed. Shape: (1, L, C).
        instruction: What was asked for; "" for the original.
    """

    latents: Tensor
    instruction: str = ""


@dataclass(frozen=True, eq=False)
class Painted:
    """The next picture of a conversation.

    Attributes:
        latents: Packed. Shape: (1, L, C).
        region: How much each latent pixel was asked to change. Shape: (2 rows, 2 cols).
    """

    latents: Tensor
    region: Tensor


class AnchorEngine:
    """Paints the next picture of any conversation, and remembers the conversations it saw last.

    The memory of a conversation depends on nothing but its pictures and instructions, so every
    branch of it finds the memory of the shared past, and a conversation this process has not seen
    is read once from its beginning.

    Attributes:
        forwards: How often the transformer has been called.
        latest: The memory used last.
        weights_hash: First 12 hex digits of the SHA-256 of its weight files.
    """

    def __init__(
        self, anchor: Anchor, empty: Memory = EMPTY, *, weights_hash: str = "unsaved"
    ) -> None:
        """Paint with ``anchor``, beginning every conversation with the memory ``empty``."""
        self.anchor = anchor.eval().requires_grad_(False)
        self.empty = empty
        self.weights_hash = weights_hash
        self.forwards = 0
        self.latest = empty
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
        strength: float = 1.0,
        on_step: Callable[[int], None] | None = None,
    ) -> Painted:
        """Paint the picture that follows.

        Args:
            history: The original, and the results since; at least the original.
            instruction: What to change; "" changes nothing.
            canvas: The pictures' size.
            noise: N(0, 1). Shape: (1, L, C).
            seed: Of the noise between steps.
            times: Of the steps, falling from 1.
            strength: Of the instruction, 1 as it was trained.
            on_step: Hears of every step, from 0.
        """
        if not history:
            raise EditError("There is no picture to edit.")
        self.anchor.to(noise.device)
        memory = self.memory(history, canvas)
        guide = Guide(self._said(""), GUIDANCE * strength)
        self.forwards += sum(1 + guide.looks(t) for t in times)
        latents = paint(
            self.anchor, memory, self._said(instruction), len(history), noise, times, seed, canvas,
            on_step, guide,
        )  # fmt: skip
        region = soft_region(torch.stack(guide.apart), canvas, HARDLY, CLEARLY)
        return Painted(latents, region)

    @torch.no_grad()
    def memory(self, history: Sequence[Shown], canvas: Canvas) -> Memory:
        """The memory of a conversation, read from its pictures as far as it is not known yet."""
        keys = _keys(history, canvas)
        known = next((n for n, key in reversed([*enumerate(keys)]) if key in self._memories), -1)
        memory = self.empty
        for turn in range(max(known, 0), len(history)):
            read = partial(self._with, memory, turn, history[turn], canvas)
            memory = self._memories.get(keys[turn], read)
        self.latest = memory
        return memory

    def _with(self, memory: Memory, turn: int, shown: Shown, canvas: Canvas) -> Memory:
        self.forwards += 1
        said = self._said(shown.instruction)
        return remember(self.anchor, memory, shown.latents, said, turn, canvas)

    def _said(self, instruction: str) -> Said:
        return self.anchor.say([[plain(instruction)]])


def _keys(history: Sequence[Shown], canvas: Canvas) -> list[bytes]:
    """What the memory after each picture depends on: all that was shown and asked by then."""
    digest, keys = hashlib.sha256(repr(canvas).encode()), []
    for shown in history:
        digest.update(shown.instruction.encode())
        digest.update(shown.latents.float().cpu().contiguous().numpy().tobytes())
        keys.append(digest.digest())
    return keys


def plain(instruction: str) -> str:
    """An instruction as the model learnt to hear it: lower case, no stop at the end."""
    return " ".join(instruction.lower().split()).strip(" .!")


@cache
def engine(folder: Path = WEIGHTS) -> AnchorEngine:
    """Return the shipped engine."""
    files = sorted(folder.rglob("*.safetensors"))
    return AnchorEngine(Anchor(opened(folder)), weights_hash=hash_of(files))
