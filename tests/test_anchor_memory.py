"""The memory of a conversation: what is kept, what goes, and that nothing is shared by mistake."""

from pathlib import Path

import pytest
import torch

from editing_core.anchor.memory import Frame, Memory, load_memory
from editing_core.errors import EditError


def frame(turn: int) -> Frame:
    return Frame(turn, torch.full((2, 2, 1, 4, 1, 8), float(turn)))


def filled(turns: int, window: int = 2, spare: int = 3) -> Memory:
    memory = Memory(window=window, spare=spare)
    for turn in range(turns + 1):
        memory = memory.remember(frame(turn))
    return memory


def turns(memory: Memory) -> list[int]:
    return [frame.turn for frame in memory.frames]


def test_the_original_is_never_forgotten_and_the_rest_is_a_window() -> None:
    memory = filled(40)
    assert turns(memory) == [0, 36, 37, 38, 39, 40]
    assert [frame.turn for frame in memory.seen] == [0, 39, 40]
    assert memory.next_turn == 41


def test_a_window_of_nothing_is_the_original_alone() -> None:
    memory = filled(5, window=0, spare=0)
    assert turns(memory) == [0]
    assert [frame.turn for frame in memory.seen] == [0]


def test_what_is_kept_does_not_grow() -> None:
    sizes = {sum(f.kept.numel() for f in filled(turn).frames) for turn in (5, 20, 100)}
    assert len(sizes) == 1


def test_a_branch_leaves_its_parent_alone_and_shares_the_past() -> None:
    parent = filled(4)
    before = turns(parent)
    left, right = parent.remember(frame(5)), parent.remember(frame(5)).remember(frame(6))
    assert turns(parent) == before
    assert turns(left) == [0, 1, 2, 3, 4, 5]
    assert all(a is b for a, b in zip(left.frames, parent.frames, strict=False))
    assert right.frames[-1] is not left.frames[-1]


@pytest.mark.parametrize("now", [1, 3, 9, 30])
@pytest.mark.parametrize("back", [0, 1, 3])
def test_cutting_is_as_if_the_turns_had_never_been(now: int, back: int) -> None:
    then = max(0, now - back)
    cut = filled(now).cut(then)
    assert [f.turn for f in cut.seen] == [f.turn for f in filled(then).seen]
    assert cut.next_turn == then + 1


def test_cutting_too_deep_is_refused() -> None:
    with pytest.raises(EditError, match="Turn 5 is too long ago"):
        filled(30).cut(5)


def test_cutting_to_the_original_always_works() -> None:
    assert turns(filled(30).cut(0)) == [0]


def test_turns_go_forward() -> None:
    with pytest.raises(ValueError, match="turn 3"):
        filled(4).remember(frame(3))


def test_saved_and_read_again(tmp_path: Path) -> None:
    memory = filled(12)
    memory.save(tmp_path / "memory.safetensors")
    again = load_memory(tmp_path / "memory.safetensors")
    assert turns(again) == turns(memory)
    assert (again.window, again.spare) == (2, 3)
    assert all(
        torch.equal(a.kept, b.kept) for a, b in zip(again.frames, memory.frames, strict=True)
    )
