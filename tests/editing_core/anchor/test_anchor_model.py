"""Attention across turns: who sees whom, and that one turn after another is all at once."""

from functools import partial
from typing import Any

import pytest
import torch
from tiny_anchor import SMALL, TEXTS, T, anchor, frame_of, frames
from tiny_flux import TINY, WORDS
from torch import Tensor

from editing_core.anchor.attention import STRIDE, KVCache, causal, rotation
from editing_core.anchor.model import InstructionEmbeddings
from editing_core.anchor.sampler import SELF_ONLY, encode_frame, sample
from editing_core.portraits.model import build


def seen(*inputs: Any, **more: Any) -> Tensor:
    velocity: Tensor = anchor()(*inputs, canvas=SMALL, **more)
    return velocity


@pytest.mark.parametrize("window", [None, 0, 1, 2])
def test_turn_after_turn_is_all_turns_at_once(window: int | None) -> None:
    x, t, places, said = frames()
    t[:, -1] = 0.6
    together = seen(x, t, places, said, causal(T, window))
    memory = KVCache(window=T if window is None else window)
    for k in range(T):
        one = (x[:, k : k + 1], t[:, k : k + 1], places[:, k : k + 1], frame_of(said, k), SELF_ONLY)
        alone = seen(*one, memory=memory.seen)
        assert (alone[:, 0] - together[:, k]).abs().max() < 1e-5
        memory = memory.append(encode_frame(anchor(), memory, x[:, k], frame_of(said, k), k, SMALL))
    assert len(memory.frames) == 1 + min(T - 1, memory.window)


def test_a_frame_does_not_see_what_comes_after_it() -> None:
    x, t, places, said = frames()
    before = seen(x, t, places, said, causal(T))
    x[:, 3] += 1
    after = seen(x, t, places, said, causal(T))
    assert torch.equal(before[:, :3], after[:, :3])
    assert (before[:, 4] - after[:, 4]).abs().max() > 1e-4


def test_an_evicted_frame_is_not_seen_but_the_original_is() -> None:
    x, t, places, said = frames()
    one_layer_deep = causal(T, 1)
    assert one_layer_deep[4] == [0, 3]
    before = seen(x, t, places, said, one_layer_deep)
    for k, matters in ((0, True), (3, True)):
        changed = x.clone()
        changed[:, k] += 1
        after = seen(changed, t, places, said, one_layer_deep)
        assert ((before[:, 4] - after[:, 4]).abs().max() > 1e-4) == matters
    # Frame 1 reaches frame 4 only through frames 2 and 3, so not without them.
    blind = [[], [0], [0], [0], [0, 3]]
    before = seen(x, t, places, said, blind)
    x[:, 1:3] += 1
    assert torch.equal(before[:, 4], seen(x, t, places, said, blind)[:, 4])


def test_an_instruction_is_heard_by_its_own_turn_alone() -> None:
    x, t, places, said = frames()
    blind = [[], [0], [0], [0], [0]]
    before = seen(x, t, places, said, blind)
    other = anchor().encode([[*row[:2], "beard", *row[3:]] for row in TEXTS])
    after = seen(x, t, places, other, blind)
    changed = (before - after).abs().amax((0, 2, 3))
    assert changed[2] > 1e-4
    assert changed[[0, 1, 3, 4]].max() == 0


def test_each_frame_has_its_own_time() -> None:
    x, t, places, said = frames()
    blind = [[]] * T
    before = seen(x, t, places, said, blind)
    t[:, 2] = 0.9
    changed = (before - seen(x, t, places, said, blind)).abs().amax((0, 2, 3))
    assert changed[2] > 1e-4
    assert changed[[0, 1, 3, 4]].max() == 0


def test_only_the_distance_in_time_counts() -> None:
    """Keys are stored with absolute places, and still only differences matter."""
    x, t, places, said = frames()
    now = seen(x, t, places, said, causal(T))
    later = seen(x, t, places + 90, said, causal(T))
    assert (now - later).abs().max() < 1e-4
    farther = places + torch.tensor([0, 7, 7, 7, 7])
    assert (now - seen(x, t, farther, said, causal(T))).abs().max() > 1e-4


def test_the_temporal_place_is_the_turn_times_the_stride() -> None:
    """Known answer: the slowest-but-one pair of axis 0 turns by STRIDE / 100 a turn."""
    cosine, sine = rotation(torch.tensor([[3]]), 4)
    fast = torch.tensor(3.0 * STRIDE)
    angles = torch.stack([fast, fast, fast / 100, fast / 100])
    assert torch.allclose(cosine.flatten(), angles.cos())
    assert torch.allclose(sine.flatten(), angles.sin())


def test_alone_it_is_the_stock_transformer() -> None:
    """With nothing to see and at turn 0, a frame goes through FLUX as it always did."""
    x, t, places, said = frames(1)
    stock = build(TINY, captions=WORDS).transformer.eval()
    stock.load_state_dict(anchor().transformer.state_dict())
    grid = torch.cartesian_prod(torch.zeros(1), torch.arange(3.0), torch.arange(5.0))
    with torch.no_grad():
        wanted = stock(
            hidden_states=x[:, 0], timestep=t[:, 0], guidance=torch.ones(2),
            encoder_hidden_states=said.embeds[:, 0], pooled_projections=said.pooled[:, 0],
            img_ids=grid, txt_ids=torch.zeros(said.embeds.shape[2], 3), return_dict=False,
        )[0]  # fmt: skip
    assert (seen(x, t, places, said, SELF_ONLY)[:, 0] - wanted).abs().max() < 1e-5


def test_a_branch_does_not_disturb_its_parent() -> None:
    x, _, _, said = frames()
    memory = KVCache(window=2)
    for k in range(3):
        memory = memory.append(encode_frame(anchor(), memory, x[:, k], frame_of(said, k), k, SMALL))
    noise = torch.randn(x[:, 0].shape, generator=torch.Generator().manual_seed(5))
    painted = partial(sample, canvas=SMALL)
    before = painted(anchor(), memory, frame_of(said, 3), 3, noise)
    branch = memory.append(encode_frame(anchor(), memory, 9 * x[:, 3], frame_of(said, 4), 3, SMALL))
    painted(anchor(), branch, frame_of(said, 3), 4, noise)
    assert torch.equal(painted(anchor(), memory, frame_of(said, 3), 3, noise), before)


def test_one_step_from_the_truth_is_the_truth() -> None:
    """Known answer: a model that predicts noise - picture is taken to the picture by any times."""
    picture, noise = torch.zeros(1, 4, 8), torch.randn(1, 4, 8)

    class Knowing:
        def __call__(self, x: Tensor, t: Tensor, *_: object, **__: object) -> Tensor:
            return (x - picture) / t[..., None, None]

    model, said = Knowing(), InstructionEmbeddings(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2))
    for seed in (None, 3):
        x = sample(model, KVCache(), said, 1, noise, (1.0, 0.6, 0.2), seed)  # type: ignore[arg-type]
        assert x.abs().max() < 1e-6
