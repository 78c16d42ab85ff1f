"""The anchor editor as conversations use it: what was shown and asked so far, and one wish more."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor

from editing_core.anchor.attention import Frame, KVCache, causal
from editing_core.anchor.model import Anchor, InstructionEmbeddings, load_parts
from editing_core.anchor.sampler import (
    FOUR_STEP_TIMES,
    ClassifierFreeGuidance,
    encode_frame,
    rising_guidance,
    sample,
)
from editing_core.cache import LRUCache
from editing_core.errors import EditError
from editing_core.hashes import file_hash
from editing_core.masks import CLEARLY, HARDLY, soft_region
from editing_core.models.base import Tensors
from editing_core.models.canvas import Canvas, unpack

WEIGHTS = Path(__file__).parent / "weights"
FRAMES_KEPT = 1 << 27  # bytes; about half a MB each
EMPTY = KVCache()
UNSAVED = "unsaved"

Kept = Callable[[Hashable, Callable[[], Tensors]], Tensors]
"""``kept(key, make)``: what an earlier process made of a key, else what ``make`` returns."""


class _Unread(Exception):
    """A picture is not remembered yet."""


def _unread() -> Tensors:
    raise _Unread


def _made(key: Hashable, make: Callable[[], Tensors]) -> Tensors:
    return make()


@dataclass(frozen=True, eq=False)
class HistoryTurn:
    """One picture of a conversation.

    Attributes:
        latents: Packed. Shape: (1, L, C).
        instruction: What was asked for; "" for the original.
    """

    latents: Tensor
    instruction: str = ""


@dataclass(frozen=True, eq=False)
class AnchorOutput:
    """The next picture of a conversation.

    Attributes:
        latents: Packed. Shape: (1, L, C).
        region: How much each latent pixel was asked to change. Shape: (2 rows, 2 cols).
    """

    latents: Tensor
    region: Tensor


class AnchorEngine:
    """Paints the next picture of any conversation, and remembers the conversations it saw last.

    What is remembered of a picture depends on nothing but it and what was shown and asked before.
    So every branch finds the shared past, undoing a turn computes nothing, and a conversation is
    read once, by whichever process has to.

    Attributes:
        forwards: How often the transformer has been called.
        latest: The memory used last.
        guidance: How far beyond doing nothing each time of a painting goes.
        weights_hash: First 12 hex digits of the SHA-256 of its weight files; without files, which
            could have become others, nothing is kept for later processes.
    """

    def __init__(
        self,
        anchor: Anchor,
        empty: KVCache = EMPTY,
        *,
        guidance: Callable[[float], float] = rising_guidance,
        weights_hash: str = UNSAVED,
    ) -> None:
        """Paint with ``anchor``, beginning every conversation with the memory ``empty``."""
        self.guidance = guidance
        self.anchor = anchor.eval().requires_grad_(False)
        self.empty = empty
        self.weights_hash = weights_hash
        self.forwards = 0
        self.latest = empty
        self._frames: LRUCache[Frame] = LRUCache(FRAMES_KEPT)

    @torch.no_grad()
    def paint(
        self,
        history: Sequence[HistoryTurn],
        instruction: str,
        *,
        canvas: Canvas,
        noise: Tensor,
        seed: int = 0,
        times: Sequence[float] = FOUR_STEP_TIMES,
        strength: float = 1.0,
        on_step: Callable[[int], None] | None = None,
        kept: Kept = _made,
    ) -> AnchorOutput:
        """Paint the picture that follows.

        Args:
            history: The original, and the results since; at least the original.
            instruction: What to change; "" changes nothing.
            canvas: The pictures' size.
            noise: N(0, 1). Shape: (1, L, C).
            seed: Of the noise between steps.
            times: Of the steps, falling from 1.
            strength: Of the instruction, 1 as usual.
            on_step: Hears of every step, from 0.
            kept: Where later processes find what is remembered of each picture.
        """
        if not history:
            raise EditError("There is no picture to edit.")
        self.anchor.to(noise.device)
        memory = self.memory(history, canvas, kept)
        guide = ClassifierFreeGuidance(self._encoded(""), strength, self.guidance)
        self.forwards += sum(1 + guide.is_guided(t) for t in times)
        latents = sample(
            self.anchor,
            memory,
            self._encoded(instruction),
            len(history),
            noise,
            times,
            seed,
            canvas,
            on_step,
            guide,
        )
        region = soft_region((unpack(v, canvas) for v in guide.differences), HARDLY, CLEARLY)
        return AnchorOutput(latents, region)

    @torch.no_grad()
    def memory(self, history: Sequence[HistoryTurn], canvas: Canvas, kept: Kept = _made) -> KVCache:
        """The memory of a conversation, read from its pictures as far as it is not known yet."""
        keys = self._keys(history, canvas)
        visibility = causal(len(history) + 1, self.empty.window)
        where = _made if self.weights_hash == UNSAVED else kept
        frames: dict[int, Frame] = {}

        def frame(turn: int, make: Callable[[], Tensors]) -> Frame:
            key = keys[turn]
            return self._frames.get(key, lambda: Frame(turn, where(key, make)["kept"]))

        def before(turn: int) -> KVCache:
            return replace(self.empty, frames=tuple(frames[seen] for seen in visibility[turn]))

        missing, wanted = list[int](), set(visibility[-1])
        for turn in reversed(range(len(history))):
            if turn in wanted:
                try:
                    frames[turn] = frame(turn, _unread)
                except _Unread:
                    missing.insert(0, turn)
                    wanted |= {*visibility[turn]}
        for turn in missing:
            read = partial(self._read, before(turn), turn, history[turn], canvas)
            frames[turn] = frame(turn, read)
        self.latest = before(len(history))
        return self.latest

    def _read(self, memory: KVCache, turn: int, shown: HistoryTurn, canvas: Canvas) -> Tensors:
        self.forwards += 1
        embeddings = self._encoded(shown.instruction)
        return {
            "kept": encode_frame(self.anchor, memory, shown.latents, embeddings, turn, canvas).kept
        }

    def _keys(self, history: Sequence[HistoryTurn], canvas: Canvas) -> list[bytes]:
        """What is kept of each picture depends on: all shown and asked by then, and by whom."""
        about = f"what {self.weights_hash} remembers of {canvas}, window {self.empty.window}"
        digest, keys = hashlib.sha256(about.encode()), []
        for shown in history:
            digest.update(shown.instruction.encode())
            digest.update(shown.latents.float().cpu().contiguous().numpy().tobytes())
            keys.append(digest.digest())
        return keys

    def _encoded(self, instruction: str) -> InstructionEmbeddings:
        return self.anchor.encode([[plain(instruction)]])


def plain(instruction: str) -> str:
    """An instruction as the model learnt to hear it: lower case, no stop at the end."""
    return " ".join(instruction.lower().split()).strip(" .!")


@cache
def engine(folder: Path = WEIGHTS) -> AnchorEngine:
    """Return the shipped engine."""
    files = sorted(folder.rglob("*.safetensors"))
    return AnchorEngine(Anchor(load_parts(folder)), weights_hash=file_hash(files))
