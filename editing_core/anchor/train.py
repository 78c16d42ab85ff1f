"""Train the anchor editor: `python -m editing_core.anchor.train --stage 1 --out DIR`.

Four stages, each resumed where it was left, each beginning from what the one before made:

1. one turn at a time, and leaving alone what nobody asked to change;
2. whole sessions, with degraded and self-made pictures in the memory;
3a. consistency distillation towards few steps;
3b. distribution matching to four steps.
"""

from __future__ import annotations

import argparse
import copy
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from editing_core.anchor.bidirectional import BidirectionalAnchor
from editing_core.anchor.data import SHARDS, TURNS, Batch, SessionBatches, draw_shards
from editing_core.anchor.distillation import DistributionMatching, consistency_loss, self_rollout
from editing_core.anchor.evaluate import evaluate
from editing_core.anchor.model import Anchor, load_parts, save
from editing_core.errors import EditError
from editing_core.models.layouts import FIRST, LAYOUTS
from editing_core.models.load import load
from editing_core.portraits.distributed import init_distributed, main_process_first, processes, rank
from editing_core.portraits.edit_sequences import sessions
from editing_core.portraits.instructions import instruction
from editing_core.portraits.model import Parts, sample_captions, t5_tokenizer
from editing_core.portraits.trainer import Deadline, TrainingConfig, run_training

if TYPE_CHECKING:
    from torch import Tensor


T5_LENGTH = 16  # tokens of an instruction; "replace the hat with a blue cap" has nine
CLIP_LENGTH = 32  # its pieces are smaller


def initial_parts(model: str = "portraits-128") -> Parts:
    """Take a FLUX's parts, and teach its tokenizer the words of instructions."""
    flux = load(model, dtype=torch.float32)
    parts = Parts(**{part: getattr(flux, part) for part in LAYOUTS[FIRST].parts})
    parts.vae = None
    parts.tokenizer.model_max_length = CLIP_LENGTH
    return with_vocabulary(parts, sample_captions(4000) + sample_instructions(12_000))


def with_vocabulary(parts: Parts, texts: list[str]) -> Parts:
    """Give the T5 a vocabulary of whole words from `texts`; those it knows keep their vectors."""
    old, new = parts.tokenizer_2.get_vocab(), t5_tokenizer(texts, T5_LENGTH)
    known: Tensor = parts.text_encoder_2.get_input_embeddings().weight.data
    generator = torch.Generator().manual_seed(0)
    fresh = torch.randn(len(new), known.shape[1], generator=generator) * known.std()
    for piece, number in new.get_vocab().items():
        if piece in old:
            fresh[number] = known[old[piece]]
    parts.text_encoder_2.resize_token_embeddings(len(new), mean_resizing=False)
    with torch.no_grad():
        parts.text_encoder_2.get_input_embeddings().weight.copy_(fresh)
    parts.tokenizer_2 = new
    return parts


def sample_instructions(count: int, seed: int = 1) -> list[str]:
    """Instructions as people might give them."""
    rng = random.Random(seed)
    return [
        instruction(before.attributes.visible(), after.attributes.visible(), rng)
        for before, after in islice(sessions(1, seed), count)
    ]


SINGLE = TrainingConfig(
    samples=96_000, batch_size=48, learning_rate=1.5e-3, warmup_steps=100, decay_fraction=0.3
)
CHAINS = TrainingConfig(
    samples=140_000, batch_size=48, learning_rate=1.2e-3, warmup_steps=30, decay_fraction=0.4
)
CONSISTENT = TrainingConfig(
    samples=9_600,
    batch_size=48,
    learning_rate=2e-4,
    warmup_steps=20,
    decay_fraction=0.6,
    ema_decay=0.99,
)
MATCHED = TrainingConfig(
    samples=9_600,
    batch_size=48,
    learning_rate=5e-5,
    warmup_steps=20,
    decay_fraction=0.6,
    ema_decay=0.99,
)
FILES = {"1": "single.pt", "2": "chains.pt", "3a": "consistent.pt", "3b": "matched.pt"}
OWN_AFTER = 200  # steps of stage 2 until the memory holds the model's own pictures (AnchorEdit 500)
PROGRESS = 1.0  # how much more the last turn counts than the first
EDITED = 96.0  # as how many tokens what is to change counts besides, however small
FEWEST = 8  # tokens that change, below which they do not count still more


def main() -> None:
    """Run one stage until done or out of time, then write its model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--stage", required=True, choices=STAGES, help="which to run")
    parser.add_argument("--out", type=Path, required=True, help="where all stages keep their files")
    parser.add_argument(
        "--minutes", type=float, default=60, help="stop after this long; 0: only write"
    )
    parser.add_argument(
        "--begin", type=Path, help="stage 2 goes on from the model in this folder, not stage 1's"
    )
    parser.add_argument("--samples", type=int, help="of stage 2: the rate falls to nothing by then")
    parser.add_argument(
        "--without",
        choices=("rollout", "degraded", "causal"),
        help="stage 2 without own pictures in the memory, with true ones alone, or with memories "
        "that see each other both ways (ablations)",
    )
    parser.add_argument("--shards", type=int, default=SHARDS, help="files of 500 sessions to draw")
    parser.add_argument("--write", type=Path, help="write the model to this folder at the end")
    args = parser.parse_args()
    device = init_distributed()
    if args.begin:
        main_process_first(lambda: begin_from(args.begin, args.out))
    anchor = to_device(
        Anchor(main_process_first(lambda: untrained_parts(args.out / "start"))), device
    )
    if args.minutes > 0:
        main_process_first(lambda: draw_shards(args.out / "sessions", args.shards))
        stage = STAGES[args.stage]
        if args.stage == "2":
            stage = partial(train_chains, samples=args.samples, without=args.without)
        stage(anchor, args.out, Deadline(args.minutes))
    if args.write and rank() == 0:
        parts = untrained_parts(
            args.out / "start"
        )  # what was trained may be divided among processes
        load_ema(Anchor(parts), args.out / FILES[args.stage])
        save(parts, args.write)


def to_device(anchor: Anchor, device: torch.device) -> Anchor:
    """Bring a model to a device; batches and losses, which are small, stay on the CPU."""
    anchor.to(device)
    if device.type != "cpu":
        anchor.register_forward_pre_hook(
            lambda _, inputs: tuple(x.to(device) if isinstance(x, Tensor) else x for x in inputs)
        )
        anchor.register_forward_hook(lambda _, inputs, velocity: velocity.cpu())
    return anchor


def untrained_parts(folder: Path) -> Parts:
    """The untrained model, made once: a vocabulary must not change between stages."""
    if not folder.exists():
        save(initial_parts(), folder)
    return load_parts(folder)


def begin_from(model: Path, out: Path) -> None:
    """Put a written model where stage 1 would have left its own, unless something is there."""
    if not (out / FILES["1"]).exists():
        parts = load_parts(model)
        save(parts, out / "start")
        torch.save({"ema": Anchor(parts).state_dict()}, out / FILES["1"])


def train_single(anchor: Anchor, out: Path, deadline: Deadline) -> bool:
    """Stage 1: one turn at a time, and to leave alone what nobody asked to change."""
    batches = SessionBatches(out / "sessions")

    def loss_of(step: int) -> Tensor:
        return flow_loss(anchor, batches.single(step, SINGLE.batch_size // processes()), step)

    return train_stage(
        anchor, loss_of, SINGLE, out / FILES["1"], deadline, held_out_scores(anchor, 1)
    )


def train_chains(
    anchor: Anchor,
    out: Path,
    deadline: Deadline,
    samples: int | None = None,
    without: str | None = None,
) -> bool:
    """Stage 2: whole sessions, with a past that is not perfect, unless ``without`` says so."""
    batches = SessionBatches(out / "sessions")
    config = replace(CHAINS, samples=samples or CHAINS.samples)
    warm_up = min(OWN_AFTER, int(config.steps / 6))
    load_ema(anchor, out / FILES["1"])
    seeing = BidirectionalAnchor(anchor) if without == "causal" else anchor

    def loss_of(step: int) -> Tensor:
        batch = batches.chains(step, CHAINS.batch_size // processes())
        if without in (None, "causal") and step // processes() >= warm_up:
            batch = self_rollout(seeing, batch, step)
        if without == "degraded":
            batch = batch.with_clean_memory()
        else:
            batch = batch.with_degraded_memory(torch.Generator().manual_seed(step))
        return flow_loss(seeing, batch, step)

    evaluate_held_out = None if without == "causal" else held_out_scores(anchor)
    return train_stage(anchor, loss_of, config, out / FILES["2"], deadline, evaluate_held_out)


def distil_consistency(anchor: Anchor, out: Path, deadline: Deadline) -> bool:
    """Stage 3a: neighbours on the teacher's paths lead to one picture."""
    batches = SessionBatches(out / "sessions")
    load_ema(anchor, out / FILES["2"])
    teacher = frozen(anchor)

    def loss_of(step: int) -> Tensor:
        batch = batches.chains(
            2 * 10**6 + step, CONSISTENT.batch_size // processes()
        ).with_clean_memory()
        return consistency_loss(anchor, teacher, batch, step)

    return train_stage(
        anchor, loss_of, CONSISTENT, out / FILES["3a"], deadline, held_out_scores(anchor)
    )


def distil_distribution(anchor: Anchor, out: Path, deadline: Deadline) -> bool:
    """Stage 3b: pictures of four steps are distributed as the teacher's."""
    batches = SessionBatches(out / "sessions")
    load_ema(anchor, out / FILES["2"])
    teacher, critic = frozen(anchor), copy.deepcopy(anchor)
    if (out / FILES["3a"]).exists():
        load_ema(anchor, out / FILES["3a"])
    both = DistributionMatching(anchor, critic, teacher)

    def loss_of(step: int) -> Tensor:
        batch = batches.chains(
            3 * 10**6 + step, MATCHED.batch_size // processes()
        ).with_clean_memory()
        return both.loss(batch, step // processes(), step)

    trained = [*sharded_modules(anchor), *sharded_modules(critic)]
    return run_training(
        both, loss_of, MATCHED, out / FILES["3b"], deadline, held_out_scores(anchor), trained
    )


STAGES: dict[str, Callable[[Anchor, Path, Deadline], bool]] = {
    "1": train_single,
    "2": train_chains,
    "3a": distil_consistency,
    "3b": distil_distribution,
}


def flow_loss(anchor: Anchor | BidirectionalAnchor, batch: Batch, step: int) -> Tensor:
    """Flow matching on what is painted; later turns count more, and so does what changes.

    A painting taken on from the model's own is led to the truth by the velocity (x - truth) / t,
    which is noise - truth where it was begun from the truth; this may be long near the end, so
    that it counts t times as much.
    """
    noise = torch.randn(batch.clean.shape, generator=torch.Generator().manual_seed(step + 10**6))
    embeddings = anchor.encode(batch.texts)
    x, painted = batch.noised(noise), slice(batch.history, None)
    v: Tensor = anchor(x, batch.t, batch.turns, embeddings, batch.visibility)
    t = batch.t[:, painted, None, None]
    missed = (v[:, painted] - (x[:, painted] - batch.targets) / t).square().mean(-1)
    late = torch.linspace(0, 1, batch.history).repeat(missed.shape[1] // batch.history)
    changed = batch.changed()
    often = EDITED * changed / changed.sum(-1, keepdim=True).clamp(min=FEWEST)
    weights = (1 + PROGRESS * late)[:, None] * (1 + often)
    weights = weights * torch.where(batch.is_self_rollout()[..., None], t[..., 0], 1.0)
    return (weights * missed).sum() / weights.sum()


def load_ema(anchor: Anchor, file: Path) -> None:
    """Begin from the averaged weights of an earlier stage."""
    if not file.exists():
        raise EditError(f"There is no {file}; run the stage before this one first.")
    average = torch.load(file, weights_only=True)["ema"]
    student = {name: value for name, value in average.items() if name.startswith("student.")}
    anchor.load_state_dict(
        {name.removeprefix("student."): value for name, value in (student or average).items()}
    )


def train_stage(
    anchor: Anchor,
    loss_of: Callable[[int], Tensor],
    config: TrainingConfig,
    file: Path,
    deadline: Deadline,
    evaluate_held_out: Callable[[], None] | None,
) -> bool:
    """Learn with compiled blocks, or with weights divided among processes; see ``learn``."""
    compile_blocks(anchor)
    return run_training(
        anchor, loss_of, config, file, deadline, evaluate_held_out, sharded_modules(anchor)
    )


def sharded_modules(anchor: Anchor) -> list[nn.Module]:
    """What is called as a whole, inner modules first."""
    flux = anchor.transformer
    blocks = [*flux.transformer_blocks, *flux.single_transformer_blocks]
    return [*blocks, flux, anchor.clip, anchor.t5]


def frozen(anchor: Anchor) -> Anchor:
    """A copy that does not learn."""
    return copy.deepcopy(anchor).eval().requires_grad_(False)


def compile_blocks(anchor: Anchor) -> None:
    """Compile the blocks, half as fast again, where there is a C++ compiler to do it.

    Blocks that are divided among processes stay as they are.
    """
    if processes() == 1 and shutil.which("c++"):
        anchor.transformer.compile_repeated_blocks()


def held_out_scores(anchor: Anchor, turns: int = TURNS) -> Callable[[], None]:
    """What tells now and then how held-out sessions come out: success/kept/error of each turn."""

    def evaluate_held_out() -> None:
        found = evaluate(anchor, turns=turns, count=32 // turns + 8)
        if rank() == 0:
            print("held out:", *found, flush=True)

    return evaluate_held_out


if __name__ == "__main__":
    main()
