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

from editing_core.anchor.bidirectional import BothWays
from editing_core.anchor.data import SHARDS, TURNS, Batch, Lessons, draw_shards
from editing_core.anchor.distillation import Matched, consistency_loss, with_own
from editing_core.anchor.evaluate import look
from editing_core.anchor.model import Anchor, opened, save
from editing_core.errors import EditError
from editing_core.models.layouts import FIRST, LAYOUTS
from editing_core.models.load import load
from editing_core.portraits.instructions import instruction
from editing_core.portraits.learning import Deadline, Recipe, learn
from editing_core.portraits.model import Parts, sample_captions, t5_tokenizer
from editing_core.portraits.processes import first, meet, processes, rank
from editing_core.portraits.sessions import sessions

if TYPE_CHECKING:
    from torch import Tensor


T5_LENGTH = 16  # tokens of an instruction; "replace the hat with a blue cap" has nine
CLIP_LENGTH = 32  # its pieces are smaller


def begun(model: str = "portraits") -> Parts:
    """Take a FLUX's parts, and teach its tokenizer the words of instructions."""
    flux = load(model, dtype=torch.float32)
    parts = Parts(**{part: getattr(flux, part) for part in LAYOUTS[FIRST].parts})
    parts.vae = None
    parts.tokenizer.model_max_length = CLIP_LENGTH
    return with_words(parts, sample_captions(4000) + sample_instructions(12_000))


def with_words(parts: Parts, texts: list[str]) -> Parts:
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


SINGLE = Recipe(samples=96_000, batch=48, rate=1.5e-3, warm_up=100, fall=0.3)
CHAINS = Recipe(samples=140_000, batch=48, rate=1.2e-3, warm_up=30, fall=0.4)
CONSISTENT = Recipe(samples=9_600, batch=48, rate=2e-4, warm_up=20, fall=0.6, decay=0.99)
MATCHED = Recipe(samples=9_600, batch=48, rate=5e-5, warm_up=20, fall=0.6, decay=0.99)
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
        choices=("rollout", "spoilt", "causal"),
        help="stage 2 without own pictures in the memory, with true ones alone, or with memories "
        "that see each other both ways (ablations)",
    )
    parser.add_argument("--shards", type=int, default=SHARDS, help="files of 500 sessions to draw")
    parser.add_argument("--write", type=Path, help="write the model to this folder at the end")
    args = parser.parse_args()
    device = meet()
    if args.begin:
        first(lambda: begin(args.begin, args.out))
    anchor = placed(Anchor(first(lambda: start(args.out / "start"))), device)
    if args.minutes > 0:
        first(lambda: draw_shards(args.out / "sessions", args.shards))
        stage = STAGES[args.stage]
        if args.stage == "2":
            stage = partial(train_chains, samples=args.samples, without=args.without)
        stage(anchor, args.out, Deadline(args.minutes))
    if args.write and rank() == 0:
        parts = start(args.out / "start")  # what was trained may be divided among processes
        take_over(Anchor(parts), args.out / FILES[args.stage])
        save(parts, args.write)


def placed(anchor: Anchor, device: torch.device) -> Anchor:
    """Bring a model to a device; batches and losses, which are small, stay on the CPU."""
    anchor.to(device)
    if device.type != "cpu":
        anchor.register_forward_pre_hook(
            lambda _, inputs: tuple(x.to(device) if isinstance(x, Tensor) else x for x in inputs)
        )
        anchor.register_forward_hook(lambda _, inputs, velocity: velocity.cpu())
    return anchor


def start(folder: Path) -> Parts:
    """The untrained model, made once: a vocabulary must not change between stages."""
    if not folder.exists():
        save(begun(), folder)
    return opened(folder)


def begin(model: Path, out: Path) -> None:
    """Put a written model where stage 1 would have left its own, unless something is there."""
    if not (out / FILES["1"]).exists():
        parts = opened(model)
        save(parts, out / "start")
        torch.save({"average": Anchor(parts).state_dict()}, out / FILES["1"])


def train_single(anchor: Anchor, out: Path, deadline: Deadline) -> bool:
    """Stage 1: one turn at a time, and to leave alone what nobody asked to change."""
    lessons = Lessons(out / "sessions")

    def loss_of(step: int) -> Tensor:
        return flow_loss(anchor, lessons.single(step, SINGLE.batch // processes()), step)

    return taught(anchor, loss_of, SINGLE, out / FILES["1"], deadline, watching(anchor, 1))


def train_chains(
    anchor: Anchor,
    out: Path,
    deadline: Deadline,
    samples: int | None = None,
    without: str | None = None,
) -> bool:
    """Stage 2: whole sessions, with a past that is not perfect, unless ``without`` says so."""
    lessons = Lessons(out / "sessions")
    recipe = replace(CHAINS, samples=samples or CHAINS.samples)
    warm_up = min(OWN_AFTER, recipe.steps // 6)
    take_over(anchor, out / FILES["1"])
    seeing = BothWays(anchor) if without == "causal" else anchor

    def loss_of(step: int) -> Tensor:
        batch = lessons.chains(step, CHAINS.batch // processes())
        if without in (None, "causal") and step // processes() >= warm_up:
            batch = with_own(seeing, batch, step)
        if without == "spoilt":
            batch = batch.pure()
        else:
            batch = batch.spoilt(torch.Generator().manual_seed(step))
        return flow_loss(seeing, batch, step)

    watch = None if without == "causal" else watching(anchor)
    return taught(anchor, loss_of, recipe, out / FILES["2"], deadline, watch)


def distil_consistency(anchor: Anchor, out: Path, deadline: Deadline) -> bool:
    """Stage 3a: neighbours on the teacher's paths lead to one picture."""
    lessons = Lessons(out / "sessions")
    take_over(anchor, out / FILES["2"])
    teacher = frozen(anchor)

    def loss_of(step: int) -> Tensor:
        batch = lessons.chains(2 * 10**6 + step, CONSISTENT.batch // processes()).pure()
        return consistency_loss(anchor, teacher, batch, step)

    return taught(anchor, loss_of, CONSISTENT, out / FILES["3a"], deadline, watching(anchor))


def distil_distribution(anchor: Anchor, out: Path, deadline: Deadline) -> bool:
    """Stage 3b: pictures of four steps are distributed as the teacher's."""
    lessons = Lessons(out / "sessions")
    take_over(anchor, out / FILES["2"])
    teacher, critic = frozen(anchor), copy.deepcopy(anchor)
    if (out / FILES["3a"]).exists():
        take_over(anchor, out / FILES["3a"])
    both = Matched(anchor, critic, teacher)

    def loss_of(step: int) -> Tensor:
        batch = lessons.chains(3 * 10**6 + step, MATCHED.batch // processes()).pure()
        return both.loss(batch, step // processes(), step)

    trained = [*modules(anchor), *modules(critic)]
    return learn(both, loss_of, MATCHED, out / FILES["3b"], deadline, watching(anchor), trained)


STAGES: dict[str, Callable[[Anchor, Path, Deadline], bool]] = {
    "1": train_single,
    "2": train_chains,
    "3a": distil_consistency,
    "3b": distil_distribution,
}


def flow_loss(anchor: Anchor | BothWays, batch: Batch, step: int) -> Tensor:
    """Flow matching on what is painted; later turns count more, and so does what changes.

    A painting taken on from the model's own is led to the truth by the velocity (x - truth) / t,
    which is noise - truth where it was begun from the truth; this may be long near the end, so
    that it counts t times as much.
    """
    noise = torch.randn(batch.clean.shape, generator=torch.Generator().manual_seed(step + 10**6))
    said = anchor.say(batch.texts)
    x, painted = batch.noised(noise), slice(batch.history, None)
    v: Tensor = anchor(x, batch.t, batch.turns, said, batch.sight)
    t = batch.t[:, painted, None, None]
    missed = (v[:, painted] - (x[:, painted] - batch.wanted) / t).square().mean(-1)
    late = torch.linspace(0, 1, batch.history).repeat(missed.shape[1] // batch.history)
    changed = batch.changed()
    often = EDITED * changed / changed.sum(-1, keepdim=True).clamp(min=FEWEST)
    weights = (1 + PROGRESS * late)[:, None] * (1 + often)
    weights = weights * torch.where(batch.own()[..., None], t[..., 0], 1.0)
    return (weights * missed).sum() / weights.sum()


def take_over(anchor: Anchor, file: Path) -> None:
    """Begin from the averaged weights of an earlier stage."""
    if not file.exists():
        raise EditError(f"There is no {file}; run the stage before this one first.")
    average = torch.load(file, weights_only=True)["average"]
    painter = {name: value for name, value in average.items() if name.startswith("painter.")}
    anchor.load_state_dict(
        {name.removeprefix("painter."): value for name, value in (painter or average).items()}
    )


def taught(
    anchor: Anchor,
    loss_of: Callable[[int], Tensor],
    recipe: Recipe,
    file: Path,
    deadline: Deadline,
    watch: Callable[[], None] | None,
) -> bool:
    """Learn with compiled blocks, or with weights divided among processes; see ``learn``."""
    compiled(anchor)
    return learn(anchor, loss_of, recipe, file, deadline, watch, modules(anchor))


def modules(anchor: Anchor) -> list[nn.Module]:
    """What is called as a whole, inner modules first."""
    flux = anchor.transformer
    blocks = [*flux.transformer_blocks, *flux.single_transformer_blocks]
    return [*blocks, flux, anchor.clip, anchor.t5]


def frozen(anchor: Anchor) -> Anchor:
    """A copy that does not learn."""
    return copy.deepcopy(anchor).eval().requires_grad_(False)


def compiled(anchor: Anchor) -> None:
    """Compile the blocks, half as fast again, where there is a C++ compiler to do it.

    Blocks that are divided among processes stay as they are.
    """
    if processes() == 1 and shutil.which("c++"):
        anchor.transformer.compile_repeated_blocks()


def watching(anchor: Anchor, turns: int = TURNS) -> Callable[[], None]:
    """What tells now and then how held-out sessions come out: success/kept/error of each turn."""

    def watch() -> None:
        found = look(anchor, turns=turns, count=32 // turns + 8)
        if rank() == 0:
            print("held out:", *found, flush=True)

    return watch


if __name__ == "__main__":
    main()
