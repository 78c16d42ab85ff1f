"""The memory of a conversation: keys and values of the original and of the last few pictures.

A memory never changes; remembering a picture gives a new one that shares everything with the old.
So a branch begins from any of them, and leaves the others as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

WINDOW = 3


@dataclass(frozen=True, eq=False)
class Frame:
    """What every layer keeps of one picture.

    Attributes:
        turn: The picture's place in the conversation; 0 is the original.
        kept: Keys, after all rotations, and values. Shape: (layers, 2, B, L, heads, width).
    """

    turn: int
    kept: Tensor


@dataclass(frozen=True)
class KVCache:
    """Frames in the order of their turns; the first is the anchor and is never forgotten.

    Attributes:
        frames: The original, then the latest ``window`` results.
        window: How many results the next picture sees besides the original.
    """

    frames: tuple[Frame, ...] = ()
    window: int = WINDOW

    @property
    def seen(self) -> tuple[Frame, ...]:
        """What the next picture attends to."""
        return self.frames

    @property
    def next_turn(self) -> int:
        """The turn whose picture comes next."""
        return self.frames[-1].turn + 1 if self.frames else 0

    def remember(self, frame: Frame) -> KVCache:
        """Return a memory with one more frame; the oldest result goes when there are too many."""
        if frame.turn < self.next_turn:
            raise ValueError(f"turn {frame.turn} is remembered after turn {self.next_turn - 1}")
        if not self.frames:
            return replace(self, frames=(frame,))
        results = (*self.frames[1:], frame)[-self.window :] if self.window else ()
        return replace(self, frames=(*self.frames[:1], *results))
