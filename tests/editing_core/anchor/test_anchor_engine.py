"""The anchor engine: conversations in, the next picture out, and nothing read twice."""

from functools import cache
from pathlib import Path

import pytest
import torch
from tiny_anchor import STEPS, anchor
from tiny_flux import TINY, WORDS
from torch import Tensor

from editing_core.anchor.engine import WEIGHTS, AnchorEngine, HistoryTurn, Kept, plain
from editing_core.anchor.engine import engine as shipped
from editing_core.anchor.evaluate import evaluate
from editing_core.anchor.model import Anchor, load_parts, save
from editing_core.anchor.sampler import FOUR_STEP_TIMES, ClassifierFreeGuidance
from editing_core.anchor.train import with_vocabulary
from editing_core.cache import DiskCache
from editing_core.errors import EditError, ModelMissing
from editing_core.models.canvas import Canvas
from editing_core.portraits.model import build

CANVAS = Canvas(48, 32)


@cache
def pictures() -> tuple[Tensor, ...]:
    chance = torch.Generator().manual_seed(4)
    return tuple(torch.randn(1, CANVAS.tokens, 64, generator=chance) for _ in range(6))


def conversation(*asked: str) -> list[HistoryTurn]:
    return [HistoryTurn(x, text) for x, text in zip(pictures(), ("", *asked), strict=False)]


def painted(
    engine: AnchorEngine, history: list[HistoryTurn], wish: str, seed: int = 1, **more: Kept
) -> Tensor:
    noise = torch.randn(pictures()[0].shape, generator=torch.Generator().manual_seed(seed))
    return engine.paint(history, wish, canvas=CANVAS, noise=noise, seed=seed, **more).latents


def calls(
    history: list[HistoryTurn], shelf: Path, weights_hash: str = "these"
) -> tuple[int, Tensor]:
    """Take up a conversation in a new process: remembering calls, and the next picture."""
    engine = AnchorEngine(anchor(), weights_hash=weights_hash)
    made = painted(engine, history, "bob", kept=DiskCache(shelf).get)
    return engine.forwards - STEPS, made


def test_the_past_is_read_once_and_shared_by_branches() -> None:
    engine = AnchorEngine(anchor())
    first = painted(engine, conversation("hat"), "red hat")
    assert engine.forwards == 2 + STEPS
    painted(engine, conversation("hat", "red hat"), "beard")  # one picture more to read
    assert engine.forwards == 2 + 1 + 2 * STEPS
    again = painted(engine, conversation("hat"), "red hat")  # undone: nothing to read
    assert engine.forwards == 3 + 3 * STEPS
    assert torch.equal(first, again)
    painted(engine, conversation("bob"), "red hat")  # a branch: shares the original
    assert engine.forwards == 3 + 1 + 4 * STEPS


def test_a_later_process_reads_nothing_again(tmp_path: Path) -> None:
    history = conversation("hat", "red hat", "beard", "bob", "red")
    read, before = calls(history, tmp_path)
    assert read == 6
    again, after = calls(history, tmp_path)
    assert again == 0 and torch.equal(before, after)
    assert calls(history[:3], tmp_path)[0] == 0  # undone
    assert calls([*history[:3], HistoryTurn(pictures()[4], "blue")], tmp_path)[0] == 1  # a branch
    assert (
        calls([HistoryTurn(pictures()[0]), *conversation("hat")], tmp_path)[0] == 2
    )  # another past


def test_other_weights_find_nothing(tmp_path: Path) -> None:
    history = conversation("hat")
    assert [calls(history, tmp_path, hash)[0] for hash in ("these", "others", "these")] == [2, 2, 0]
    assert calls(history, tmp_path, "unsaved")[0] == calls(history, tmp_path, "unsaved")[0] == 2


@pytest.mark.parametrize("lost", range(6))
def test_what_is_lost_is_read_again_with_what_it_needs(tmp_path: Path, lost: int) -> None:
    """Turn 1 is out of the window, but what turns 2 to 4 saw: it is asked for only with them."""
    history, files = conversation("hat", "red hat", "beard", "bob", "red"), list[Path]()
    for turn in range(1, 7):
        before = calls(history[:turn], tmp_path)[1]
        files += {*tmp_path.iterdir()}.difference(files)
    damaged = files[lost].read_bytes()
    files[lost].write_bytes(damaged[:-1] + bytes([damaged[-1] ^ 1]))
    read, after = calls(history, tmp_path)
    assert torch.equal(before, after)
    assert read == (0 if lost in (1, 2) else 1)
    for file in files[1:]:
        file.unlink(missing_ok=True)
    read, after = calls(history, tmp_path)
    assert torch.equal(before, after) and read == 5


def test_the_hundredth_turn_costs_what_the_fifth_did() -> None:
    engine, history, costs = AnchorEngine(anchor()), conversation(), {}
    for turn in range(1, 101):
        before = engine.forwards
        painted(engine, history, "hat")
        kept = engine.latest.frames
        costs[turn] = engine.forwards - before, len(kept), sum(f.kept.nbytes for f in kept)
        history.append(HistoryTurn(history[-1].latents.roll(1, 1), "hat"))
    assert costs[5] == costs[64] == costs[65] == costs[100]
    assert engine.latest.frames[0].turn == 0


def test_guidance_rises_once_the_layout_is_there() -> None:
    """Known answer: where the model says 3 when told and 1 when not."""
    told, untold, silent = torch.tensor(3.0), torch.tensor(1.0), anchor().encode([[""]])
    guided = [
        float(ClassifierFreeGuidance(silent).guided(told, untold, t)) for t in FOUR_STEP_TIMES
    ]
    assert guided == [3, 3, 4.25, 5.5]
    assert all(
        ClassifierFreeGuidance(silent, 0.0).guided(told, untold, t) == untold
        for t in FOUR_STEP_TIMES
    )
    assert [ClassifierFreeGuidance(silent).is_guided(t) for t in FOUR_STEP_TIMES] == [
        False,
        True,
        True,
        True,
    ]


def test_an_instruction_may_count_for_more() -> None:
    engine = AnchorEngine(anchor())
    noise = torch.randn(pictures()[0].shape, generator=torch.Generator().manual_seed(1))
    usual, strong, silent = (
        engine.paint(conversation(), "hat", canvas=CANVAS, noise=noise, strength=by)
        for by in (1.0, 1.5, 0.0)
    )
    nothing = engine.paint(conversation(), "", canvas=CANVAS, noise=noise)
    assert torch.allclose(silent.latents, nothing.latents, atol=1e-5)
    assert not torch.allclose(usual.latents, strong.latents, atol=1e-3)
    assert usual.region.shape == (2 * CANVAS.rows, 2 * CANVAS.cols)
    assert usual.region.max() == 1 and nothing.region.max() == 0


def test_a_fresh_process_paints_the_same() -> None:
    history = conversation("hat", "red hat", "beard")
    one, other = (painted(AnchorEngine(anchor()), history, "bob") for _ in range(2))
    assert torch.equal(one, other)


def test_seed_wish_and_past_all_matter() -> None:
    engine = AnchorEngine(anchor())
    base = painted(engine, conversation("hat"), "bob")
    assert not torch.equal(base, painted(engine, conversation("hat"), "bob", seed=2))
    assert not torch.equal(base, painted(engine, conversation("hat"), "red"))
    assert not torch.equal(base, painted(engine, conversation("blue"), "bob"))


def test_instructions_are_heard_as_they_were_learnt() -> None:
    assert plain("  Add a  RED hat! ") == "add a red hat"


def test_nothing_to_edit_is_said() -> None:
    with pytest.raises(EditError, match="no picture"):
        painted(AnchorEngine(anchor()), [], "hat")


def test_written_and_read_again(tmp_path: Path) -> None:
    parts = with_vocabulary(build(TINY, captions=WORDS), [*WORDS, "remove the beard"])
    before = Anchor(parts)
    said = before.encode([["remove the hat"]])
    save(parts, tmp_path)
    after = Anchor(load_parts(tmp_path)).encode([["remove the hat"]])
    assert (said.embeds - after.embeds).abs().max() < 0.01  # 16 bits
    with pytest.raises(ModelMissing, match="has no text_encoder_2"):
        load_parts(_without(tmp_path, "text_encoder_2"))


def test_new_words_are_whole_and_old_ones_keep_their_vectors() -> None:
    parts = build(TINY, captions=WORDS)
    tokenizer, table = parts.tokenizer_2, parts.text_encoder_2.get_input_embeddings().weight
    hat = table[tokenizer.get_vocab()["▁hat"]].clone()
    assert len(tokenizer.tokenize("remove")) > 1
    taught = with_vocabulary(parts, [*WORDS, "remove the beard"])
    assert taught.tokenizer_2.tokenize("remove the hat") == ["▁remove", "▁the", "▁hat"]
    new = taught.text_encoder_2.get_input_embeddings().weight
    assert torch.equal(new[taught.tokenizer_2.get_vocab()["▁hat"]], hat)


def _without(folder: Path, name: str) -> Path:
    (folder / name).rename(folder / f"{name}-gone")
    return folder


@pytest.mark.skipif(not (WEIGHTS / "transformer").is_dir(), reason="no anchor weights")
def test_the_shipped_model_does_most_of_what_it_is_told() -> None:
    for turn in evaluate(shipped().anchor, count=8, turns=2):
        assert turn.success >= 0.6
        assert turn.kept >= 0.75
