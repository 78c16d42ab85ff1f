"""The lessons and the stages of the anchor editor, on a model of random weights."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_flux import TINY, WORDS
from torch import Tensor

from editing_core.anchor import data, train
from editing_core.anchor.bidirectional import BidirectionalAnchor
from editing_core.anchor.data import DEGRADATIONS, SessionBatches, degrade, painting
from editing_core.anchor.model import Anchor, save
from editing_core.anchor.sampler import FOUR_STEP_TIMES
from editing_core.portraits.model import build
from editing_core.portraits.trainer import Deadline, TrainingConfig


def anchor() -> Anchor:
    return Anchor(build(TINY, captions=WORDS))


def test_paintings_see_what_was_there_before_them() -> None:
    """Three remembered pictures (0, 1, 2), then those painted for turns 1, 2 and 3, twice."""
    assert painting(3, 1) == [[], [0], [0, 1], *[[0], [0, 1], [0, 2]] * 2]


def test_a_step_always_gives_the_same_batch(drawn: Path) -> None:
    for make in ("single", "chains"):
        one, again, other = (
            getattr(SessionBatches(drawn / "sessions"), make)(n, 12) for n in (3, 3, 4)
        )
        assert torch.equal(one.clean, again.clean) and torch.equal(one.t, again.t)
        assert one.texts == again.texts != other.texts


def test_the_original_is_at_time_0_and_who_asks_for_nothing_gets_the_picture_before(
    drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "NULL", 1.0)
    school = SessionBatches(drawn / "sessions")
    single, chains = school.single(1, 12), school.chains(1, 12)
    assert single.t[:, 0].max() == 0 == chains.t[:, 0].max()
    assert torch.equal(single.clean[:, 1:], single.clean[:, :1].expand(-1, 3, -1, -1))
    assert torch.equal(chains.clean[:, 2 * data.TURNS :], chains.clean[:, : data.TURNS])
    assert {text for row in single.texts for text in row} == {""}
    assert {text for row in chains.texts for text in row[2 * data.TURNS :]} == {""}
    assert not chains.changed()[:, data.TURNS :].any() and chains.changed()[:, : data.TURNS].all()


def test_a_late_session_keeps_its_original_at_turn_0(drawn: Path) -> None:
    turns = SessionBatches(drawn / "sessions").chains(5, 96).turns
    assert turns[:, 0].max() == 0
    assert (turns[:, 6:] - turns[:, 6:7] == torch.arange(6).repeat(2)).all()
    assert turns[:, 6].max() > 10 and turns[:, 6].min() == 1
    assert torch.equal(turns[:, 1:6], turns[:, 6:11])


def test_half_of_all_times_are_those_of_the_four_steps() -> None:
    t = data._times(100, 100, torch.Generator().manual_seed(0))
    of_four = torch.isin(t, torch.tensor(FOUR_STEP_TIMES)).float().mean()
    assert of_four == pytest.approx(data.STEPS, abs=0.02)


def test_a_session_is_as_hard_as_it_has_changes_of_a_hard_kind(drawn: Path) -> None:
    people = SessionBatches(drawn / "sessions").people[0][0]
    hats = [people[0].with_(headwear="cap"), people[0].with_(headwear="crown")]
    assert data._hard(hats) == 0
    young, old = (people[0].with_(age=age, eyewear="none") for age in ("young", "old"))
    assert data._hard([young, old]) == 1
    assert data._hard([young, old, old.with_(eyewear="eyepatch"), old]) == 1 + 3 + 3


def test_degradation_is_slight_and_grows_with_strength() -> None:
    x = torch.randn(2000, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    hurt = []
    for s in (0.0, 0.3, 1.0):
        harmed = degrade(x, torch.full((len(x),), s), torch.Generator().manual_seed(1))
        hurt.append((harmed - x).square().mean())
    assert hurt[0] < 1e-9 < hurt[1] < hurt[2] < 0.1


@pytest.mark.parametrize("harm", [harm for _, harm in DEGRADATIONS])
def test_every_harm_keeps_what_is_even_nearly_even(harm: data.Visibility) -> None:
    flat = torch.ones(4, 3, 8, 8)
    harmed = harm(flat, torch.ones(4, 1, 1, 1), random_torch())  # type: ignore[operator]
    assert (harmed - flat).abs().mean() < 0.1


def random_torch() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_a_memory_is_spoilt_but_not_the_original_nor_what_is_wanted(drawn: Path) -> None:
    batch = SessionBatches(drawn / "sessions").chains(2, 36)
    degraded = batch.with_degraded_memory(random_torch())
    apart = (degraded.clean - batch.clean).abs().amax((0, 2, 3))
    assert apart[0] == 0 and apart[batch.history :].max() == 0
    assert apart[1 : batch.history].min() > 0


def test_a_pure_memory_is_of_finished_pictures(drawn: Path) -> None:
    batch = SessionBatches(drawn / "sessions").chains(2, 96)
    assert (
        batch.t[:, : batch.history].max()
        > 0
        == batch.with_clean_memory().t[:, : batch.history].max()
    )
    assert torch.equal(batch.with_clean_memory().t[:, batch.history :], batch.t[:, batch.history :])


@pytest.mark.parametrize("without", ["rollout", "degraded"])
def test_a_stage_may_do_without(drawn: Path, monkeypatch: pytest.MonkeyPatch, without: str) -> None:
    monkeypatch.setattr(
        train,
        "CHAINS",
        TrainingConfig(samples=60, batch_size=12, learning_rate=1e-3, warmup_steps=1),
    )
    monkeypatch.setattr(train, "compile_blocks", lambda anchor: None)
    monkeypatch.setattr(train, "self_rollout", lambda *_: pytest.fail("own pictures"))
    monkeypatch.setattr(train, "OWN_AFTER", 0)
    torch.save({"ema": anchor().state_dict()}, drawn / train.FILES["1"])
    assert train.train_chains(anchor(), drawn, Deadline(5), samples=12, without=without)


def test_without_causality_own_pictures_are_still_remembered(
    drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        train,
        "CHAINS",
        TrainingConfig(samples=60, batch_size=12, learning_rate=1e-3, warmup_steps=1),
    )
    monkeypatch.setattr(train, "compile_blocks", lambda anchor: None)
    monkeypatch.setattr(train, "OWN_AFTER", 0)
    called = []
    monkeypatch.setattr(
        BidirectionalAnchor, "__call__", counted(BidirectionalAnchor.__call__, called)
    )
    torch.save({"ema": anchor().state_dict()}, drawn / train.FILES["1"])
    assert train.train_chains(anchor(), drawn, Deadline(5), samples=12, without="causal")
    assert len(called) == 2  # own pictures, then the lesson


def counted(call: Callable[..., Tensor], called: list[int]) -> Callable[..., Tensor]:
    def counting(*inputs: Any) -> Tensor:
        called.append(len(inputs))
        return call(*inputs)

    return counting


def test_own_pictures_replace_only_chosen_results(drawn: Path) -> None:
    batch = SessionBatches(drawn / "sessions").chains(2, 24)
    own = torch.full((1, 12, 64, 64), 9.0)
    chosen = torch.tensor([[True, False, False, True, False]])
    mixed = batch.with_self_rollout_memory(slice(0, 1), own, chosen).clean
    assert [k for k in range(18) if (mixed[0, k] == 9).all()] == [1, 4]
    assert torch.equal(mixed[1], batch.clean[1])


def test_all_stages_one_after_the_other_and_resumed(
    drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = TrainingConfig(samples=24, batch_size=12, learning_rate=1e-3, warmup_steps=1)
    for name in ("SINGLE", "CHAINS", "CONSISTENT", "MATCHED"):
        monkeypatch.setattr(train, name, config)
    monkeypatch.setattr(train, "compile_blocks", lambda anchor: None)
    monkeypatch.setattr(train, "OWN_AFTER", 1)
    model = anchor()
    start = {name: value.clone() for name, value in model.state_dict().items()}
    for stage, run in train.STAGES.items():
        assert run(model, drawn, Deadline(5))
        made = torch.load(drawn / train.FILES[stage], weights_only=True)
        assert made["step"] == 2
        assert run(model, drawn, Deadline(0)), "a finished stage is finished"
    now = model.state_dict()
    moved = [name for name, value in start.items() if not torch.equal(value, now[name])]
    assert any("single_transformer_blocks" in name for name in moved)
    assert any(name.startswith("t5") for name in moved)


def test_a_written_model_may_be_begun_with(tmp_path: Path) -> None:
    save(build(TINY, captions=WORDS), tmp_path / "model")
    train.begin_from(tmp_path / "model", tmp_path / "out")
    begun = anchor()
    train.load_ema(begun, tmp_path / "out" / train.FILES["1"])
    written = Anchor(train.load_parts(tmp_path / "model")).state_dict()
    assert all(torch.equal(value, written[name]) for name, value in begun.state_dict().items())
    os.utime(tmp_path / "out" / train.FILES["1"], (0, 0))
    train.begin_from(tmp_path / "model", tmp_path / "out")
    assert not (tmp_path / "out" / train.FILES["1"]).stat().st_mtime, "it was trained on"
    told = [file.read_text() for file in (tmp_path / "out" / "start").glob("*/config.json")]
    assert told and not any(str(tmp_path) in text for text in told), "it names whose folder it was"


@pytest.mark.slow
def test_two_processes_train_one_model(tmp_path: Path) -> None:
    """A dry run as on many GPUs, by accelerate's launcher."""
    pytest.importorskip("accelerate")
    save(build(TINY, captions=WORDS), tmp_path / "start")
    (tmp_path / "sessions").mkdir()
    nothing = np.zeros((data.SHARD, data.TURNS + 1, 64, 64), np.float16)
    np.save(data.shard_file(tmp_path / "sessions", 0), nothing)
    command = (
        "-m accelerate.commands.launch --cpu --num_processes 2 --num_machines 1 "
        "--mixed_precision no --dynamo_backend no -m editing_core.anchor.train "
        f"--stage 1 --out {tmp_path} --shards 1 --minutes 0.5"
    )
    quiet = os.environ | {"TORCHDYNAMO_DISABLE": "1", "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, *command.split()], env=quiet, capture_output=True, text=True
    )
    assert not ran.returncode, ran.stderr
    assert torch.load(tmp_path / train.FILES["1"], weights_only=True)["step"] > 0
