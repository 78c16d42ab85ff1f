"""The memory of a conversation: keys and values of the original and of the last few pictures.

A memory never changes; remembering a picture gives a new one that shares everything with the old.
So undoing a turn is going back to an older memory, a branch begins from any of them, and neither
computes anything again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from editing_core.errors import EditError

WINDOW = 3
SPARE = 8


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
class Memory:
    """Frames in the order of their turns; the first is the anchor and is never forgotten.

    Attributes:
        frames: The original, then the latest ``window + spare`` results.
        window: How many results the next picture sees besides the original.
        spare: How many more are kept, so that this many turns can be cut off again.
    """

    frames: tuple[Frame, ...] = ()
    window: int = WINDOW
    spare: int = SPARE

    @property
    def seen(self) -> tuple[Frame, ...]:
        """What the next picture attends to."""
        return self.frames[:1] + self.frames[1:][-self.window :] if self.window else self.frames[:1]

    @property
    def next_turn(self) -> int:
        """The turn whose picture comes next."""
        return self.frames[-1].turn + 1 if self.frames else 0

    def remember(self, frame: Frame) -> Memory:
        """Return a memory with one more frame; the oldest result goes when there are too many."""
        if frame.turn < self.next_turn:
            raise ValueError(f"turn {frame.turn} is remembered after turn {self.next_turn - 1}")
        most = self.window + self.spare
        results = (*self.frames[1:], frame)[-most:] if self.frames and most else ()
        return replace(self, frames=(*self.frames[:1], *results) if self.frames else (frame,))

    def cut(self, turn: int) -> Memory:
        """Return the memory as it was after a turn.

        Raises:
            EditError: Pictures it saw then have been forgotten since.
        """
        frames = tuple(frame for frame in self.frames if frame.turn <= turn)
        first_seen = max(1, turn + 1 - self.window)
        oldest = frames[1].turn if len(frames) > 1 else turn + 1
        if not frames or (oldest > first_seen and self._forgot(first_seen)):
            raise EditError(
                f"Turn {turn} is too long ago to go back to it from memory; "
                "go there through the pictures."
            )
        return replace(self, frames=frames)

    def _forgot(self, turn: int) -> bool:
        """Whether a result of this turn or a later one has been evicted."""
        return len(self.frames) > 1 and self.frames[1].turn > turn

    def save(self, file: Path) -> None:
        """Write the memory as safetensors."""
        from safetensors.torch import save_file

        settings = {"window": str(self.window), "spare": str(self.spare)}
        kept = {f"turn {frame.turn}": frame.kept.contiguous() for frame in self.frames}
        save_file(kept, file, metadata=settings)


def load_memory(file: Path, device: torch.device | str = "cpu") -> Memory:
    """Read what ``Memory.save`` wrote."""
    from safetensors import safe_open

    with safe_open(file, "pt", device=str(device)) as stored:
        settings = stored.metadata()
        names = sorted(stored.keys(), key=_turn_of)
        frames = [Frame(_turn_of(name), stored.get_tensor(name)) for name in names]
    return Memory(tuple(frames), int(settings["window"]), int(settings["spare"]))


def _turn_of(name: str) -> int:
    return int(name.removeprefix("turn "))
