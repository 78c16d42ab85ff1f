"""The memory of a conversation: what is kept, what goes, and that nothing is shared by mistake."""

import pytest
import torch

from editing_core.anchor.attention import Frame, KVCache


def frame(turn: int) -> Frame:
    return Frame(turn, torch.full((2, 2, 1, 4, 1, 8), float(turn)))


def filled(turns: int, window: int = 2) -> KVCache:
    memory = KVCache(window=window)
    for turn in range(turns + 1):
        memory = memory.append(frame(turn))
    return memory


def turns(memory: KVCache) -> list[int]:
    return [frame.turn for frame in memory.frames]


def test_the_original_is_never_forgotten_and_the_rest_is_a_window() -> None:
    memory = filled(40)
    assert turns(memory) == [0, 39, 40]
    assert memory.seen == memory.frames
    assert memory.next_turn == 41


def test_a_window_of_nothing_is_the_original_alone() -> None:
    assert turns(filled(5, window=0)) == [0]


def test_what_is_kept_does_not_grow() -> None:
    sizes = {sum(f.kept.numel() for f in filled(turn).frames) for turn in (5, 20, 100)}
    assert len(sizes) == 1


def test_a_branch_leaves_its_parent_alone_and_shares_the_past() -> None:
    parent = filled(4)
    left, right = parent.append(frame(5)), parent.append(frame(5))
    assert (turns(parent), turns(left)) == ([0, 3, 4], [0, 4, 5])
    assert left.frames[0] is parent.frames[0] and left.frames[1] is parent.frames[2]
    assert right.frames[-1] is not left.frames[-1]


def test_turns_go_forward() -> None:
    with pytest.raises(ValueError, match="turn 3"):
        filled(4).append(frame(3))
