"""Memories that see each other both ways: in training as at the turn itself, and without a leak."""

import torch
from tiny_anchor import SMALL, TEXTS, anchor, frame_of, frames
from torch import Tensor

from editing_core.anchor.attention import KVCache, Visibility
from editing_core.anchor.bidirectional import BidirectionalAnchor, BidirectionalEngine
from editing_core.anchor.data import painting
from editing_core.anchor.engine import HistoryTurn
from editing_core.anchor.model import Anchor, InstructionEmbeddings
from editing_core.anchor.sampler import SELF_ONLY

TURNS, WINDOW = 3, 1
SIGHT = painting(TURNS, WINDOW)


class Small:
    """The tiny model on its canvas, as training calls a model."""

    encode = anchor().encode

    def __call__(
        self,
        x: Tensor,
        t: Tensor,
        turns: Tensor,
        said: InstructionEmbeddings,
        visibility: Visibility,
    ) -> Tensor:
        velocity: Tensor = anchor()(x, t, turns, said, visibility, canvas=SMALL)
        return velocity


def lesson() -> tuple[Tensor, Tensor, Tensor, InstructionEmbeddings]:
    """Pictures 0, 1 and 2 to remember, then those painted for turns 1, 2 and 3, twice."""
    x, t, _, said = frames(3 * TURNS)
    t[:, TURNS:] = 0.6
    return x, t, torch.tensor([[0, 1, 2, 1, 2, 3, 1, 2, 3]]).expand(2, -1), said


def both_ways() -> BidirectionalAnchor:
    model: Anchor = Small()  # type: ignore[assignment]
    return BidirectionalAnchor(model)


def test_a_turn_in_training_is_the_turn_itself() -> None:
    x, t, turns, said = lesson()
    together = both_ways()(x, t, turns, said, SIGHT)
    engine = BidirectionalEngine(anchor(), KVCache(window=WINDOW))
    history = [HistoryTurn(x[:1, k], TEXTS[0][k]) for k in range(TURNS)]
    for turn in (1, 2, 3):
        memory = engine.memory(history[:turn], SMALL)
        assert [frame.turn for frame in memory.seen] == ([0, turn - 1] if turn > 1 else [0])
        for k in (TURNS + turn - 1, 2 * TURNS + turn - 1):
            one = (x[:1, k : k + 1], t[:1, k : k + 1], turns[:1, k : k + 1])
            said_alone = frame_of(InstructionEmbeddings(said.embeds[:1], said.pooled[:1]), k)
            alone = anchor()(*one, said_alone, SELF_ONLY, memory=memory.seen, canvas=SMALL)
            assert (alone[:, 0] - together[:1, k]).abs().max() < 1e-5
    assert engine.forwards == 3


def test_no_turn_is_told_of_the_pictures_after_it_but_the_original_of_those_before() -> None:
    x, t, turns, said = lesson()
    before = both_ways()(x, t, turns, said, SIGHT)
    x[:, 2] += 1
    changed = (before - both_ways()(x, t, turns, said, SIGHT)).abs().amax((0, 2, 3))
    assert [k for k in range(9) if changed[k] > 1e-4] == [5, 8]
    causal = anchor()(x, t, turns, said, SIGHT, canvas=SMALL)
    assert (causal[:, 4] - before[:, 4]).abs().max() > 1e-4
