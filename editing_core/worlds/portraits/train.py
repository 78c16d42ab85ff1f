"""Train the second edition: `python -m editing_core.worlds.portraits.train --minutes 60`.

Stages, each resumed where it was left and each with a share of the minutes: draw pictures, teach
the VAE, the transformer with its text encoders, guidance in one pass, the decoder once more, and
the classifier. `--begin WEIGHTS` goes on from a folder that an earlier run wrote: its VAE's encoder
stays as it is, so that latents keep their meaning, unless the stage `vae` is asked for
(`--stages`). On CPUs that are shared, one process a core
(`torchrun --nproc-per-node 2 -m editing_core.worlds.portraits.train`) is slowed down least.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from platformdirs import user_cache_path

from editing_core.portraits.distributed import (
    barrier,
    init_distributed,
    main_process_first,
    rank,
)
from editing_core.portraits.model import Parts, Size, build
from editing_core.portraits.train_classifier import draw_others
from editing_core.portraits.trainer import Deadline, TrainingConfig
from editing_core.worlds.portraits.autoencoder import Latents, train_decoder, train_vae
from editing_core.worlds.portraits.classifier import FILE as CLASSIFIER
from editing_core.worlds.portraits.classifier import SIDE as SEEN_SIDE
from editing_core.worlds.portraits.classifier import Classifier, from_first_edition, load_classifier
from editing_core.worlds.portraits.degraded import make_degraded_pictures
from editing_core.worlds.portraits.edited import Edits, make_edits
from editing_core.worlds.portraits.flow import distil_guidance, train_flow
from editing_core.worlds.portraits.precision import fastest_dtype
from editing_core.worlds.portraits.store import Chunk, Store, drawing_in_background
from editing_core.worlds.portraits.train_classifier import ClassifierData, train_classifier

WEIGHTS = Path(__file__).parent / "weights"
SIZE = Size(
    width=256,
    heads=4,
    double_blocks=2,
    single_blocks=4,
    text_width=128,
    text_layers=2,
    pooled=64,
    vae_channels=(16, 32, 64, 128, 160),
    latent_channels=32,
    norm_groups=2,  # of few channels, groups of two forget which plain colour they had
)


STAGES = {"vae": 24, "flow": 50, "guidance": 6, "decoder": 8, "classifier": 12}
"""Stages in their order, and how the minutes are shared among those that run."""


GPU_BATCHES = {"vae": 64, "flow": 192, "guidance": 192, "decoder": 64, "classifier": 256}
"""Larger batches where calls cost more than numbers; a chunk's pictures are the most there are."""


@dataclass(frozen=True)
class StageConfigs:
    """How each stage learns; their minutes are set from the whole run's."""

    pictures: int = 52_000  # with half as many its own pictures came to err 0.025 less than others
    others: int = 3_000  # pictures that are no portraits, for the classifier
    degraded: int = 1_500  # degraded pictures, and as many clean ones, for the classifier
    edits: int = 160  # by the model, for the classifier
    vae: TrainingConfig = TrainingConfig(
        batch_size=16, learning_rate=1.5e-3, warmup_steps=60, decay_fraction=0.3, ema_decay=0.995
    )
    flow: TrainingConfig = TrainingConfig()
    guidance: TrainingConfig = TrainingConfig(
        learning_rate=1e-3, warmup_steps=20, decay_fraction=0.6, ema_decay=0.99
    )
    decoder: TrainingConfig = TrainingConfig(
        batch_size=16, learning_rate=7e-4, warmup_steps=50, decay_fraction=0.8, ema_decay=0.995
    )
    classifier: TrainingConfig = TrainingConfig(
        warmup_steps=50, decay_fraction=0.5, ema_decay=0.998
    )

    def on(self, device: torch.device) -> StageConfigs:
        """Take the batches that suit a device."""
        if device.type == "cpu":
            return self
        larger = {
            name: replace(getattr(self, name), batch_size=n) for name, n in GPU_BATCHES.items()
        }
        return replace(self, **larger)

    def within(self, minutes: float, stages: Collection[str]) -> StageConfigs:
        """Share out the minutes among some stages."""
        whole = sum(STAGES[name] for name in stages)
        timed = {
            name: replace(getattr(self, name), minutes=minutes * STAGES[name] / whole)
            for name in stages
        }
        return replace(self, **timed)


def main() -> None:
    """Run the stages until done or out of time, then write the diffusers folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60, help="of the whole training")
    parser.add_argument("--stop", type=float, help="stop this run earlier, after so many minutes")
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), help="default: cuda where there is one"
    )
    parser.add_argument("--begin", type=Path, help="weights to go on from")
    parser.add_argument(
        "--compile",
        action="store_true",
        help="compile blocks: a third faster; needs a C++ compiler",
    )
    parser.add_argument(
        "--stages", nargs="+", choices=STAGES, help="default: all, without vae after --begin"
    )
    parser.add_argument("--folder", type=Path, default=user_cache_path("palimpsest") / "second")
    parser.add_argument("--pictures", type=Path, help="the store of pictures; default: in FOLDER")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    device = init_distributed() if args.device is None else torch.device(args.device)
    if device.type != "cpu":  # even where it changes nothing, it breaks compiled graphs
        torch.set_default_device(device)
    begun = args.begin if args.begin else Path()
    parts = load(args.begin) if args.begin else build(SIZE)
    if args.compile:
        parts.transformer.compile_repeated_blocks(dynamic=True)  # once for all shapes
    trained = TrainedParts(parts, classifier_of(begun), complete(begun))
    torch.manual_seed(rank())  # every process its own noise
    stages = args.stages or [name for name in STAGES if name != "vae" or args.begin is None]
    configs = StageConfigs().on(device).within(args.minutes, stages)
    deadline = Deadline(args.minutes if args.stop is None else args.stop)
    pictures = args.pictures or args.folder / "pictures"
    with drawing_in_background(pictures, configs.pictures) if rank() == 0 else nullcontext():
        barrier()  # until there is something to learn from
        run_stages(trained, Store(pictures), args.folder, configs, stages, deadline)
    if rank() == 0:
        write(trained, args.out, args.folder, begun)


@dataclass(frozen=True, eq=False)
class TrainedParts:
    """All that is taught."""

    parts: Parts
    classifier: Classifier
    taught: bool = False  # whether it begins with more than a VAE


def run_stages(
    trained: TrainedParts, store: Sequence[Chunk], folder: Path, configs: StageConfigs,
    stages: Collection[str], deadline: Deadline,
) -> None:  # fmt: skip
    """Go through the stages in their order; what `folder` holds of them is not done again."""
    dtype, parts = fastest_dtype(torch.get_default_device()), trained.parts
    parts.vae.eval().requires_grad_(False)
    known = (parts, store, Latents(parts, folder / "latents", dtype))

    def classified(file: Path, config: TrainingConfig) -> bool:
        others = main_process_first(
            lambda: draw_others(folder / "others.npy", configs.others, SEEN_SIDE)
        )
        file_of_degraded = folder / "degraded.npy"
        degraded = main_process_first(
            lambda: make_degraded_pictures(parts, store, configs.degraded, file_of_degraded, dtype)
        )
        edits = main_process_first(lambda: edits_of(trained, configs.edits, folder))
        data = ClassifierData(store, others, degraded, edits)
        return train_classifier(trained.classifier, data, file, config, deadline, dtype)

    how: dict[str, Callable[[Path, TrainingConfig], bool]] = {
        "vae": lambda file, r: train_vae(parts, store, file, r, deadline, dtype),
        "flow": lambda file, r: train_flow(*known, file, r, deadline, dtype),
        "guidance": lambda file, r: distil_guidance(*known, file, r, deadline, dtype),
        "decoder": lambda file, r: train_decoder(parts, store, file, r, deadline, dtype),
        "classifier": classified,
    }
    for name in STAGES:
        if name in stages and not how[name](folder / f"{name}.pt", getattr(configs, name)):
            return


def edits_of(trained: TrainedParts, count: int, folder: Path) -> Edits | None:
    """Edits by the model as it is now, if it is taught."""
    if not trained.taught and not (folder / "flow.pt").exists():
        return None
    trained.parts.save(folder / "model")
    return make_edits(folder / "model", count, folder / "edits.npz")


def write(trained: TrainedParts, out: Path, folder: Path, begun: Path) -> None:
    """Write what was taught, now or before: a diffusers folder in 16 bits, and the classifier."""
    parts = trained.parts
    if complete(begun) or (folder / "flow.pt").exists():
        parts.save(out)
    elif (begun / "vae").exists() or (folder / "vae.pt").exists():
        parts.vae.register_to_config(_name_or_path="")  # a folder of whoever trained it
        parts.vae.to(torch.float16).save_pretrained(out / "vae")
        parts.vae.to(torch.float32)
    if (begun / CLASSIFIER.name).exists() or (folder / "classifier.pt").exists():
        out.mkdir(parents=True, exist_ok=True)
        trained.classifier.save(out / CLASSIFIER.name)


def classifier_of(folder: Path) -> Classifier:
    """The classifier of a folder; if there is none, one that begins from the first edition's."""
    file = folder / CLASSIFIER.name
    model = (load_classifier(file) if file.exists() else from_first_edition()).train()
    return model.to(torch.get_default_device())


def load(folder: Path) -> Parts:
    """The parts of a folder in float32; what it does not hold begins at random."""
    from diffusers import AutoencoderKL, FluxPipeline

    if complete(folder):
        pipeline = FluxPipeline.from_pretrained(folder, torch_dtype=torch.float32)
        names = ("transformer", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")
        parts = Parts(*(getattr(pipeline, name) for name in names))
    else:
        parts = build(SIZE)
        parts.vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32)
    for model in (parts.transformer, parts.vae, parts.text_encoder, parts.text_encoder_2):
        model.to(torch.get_default_device())
    return parts


def complete(folder: Path) -> bool:
    """Whether a folder holds more than the VAE."""
    return (folder / "model_index.json").exists()


if __name__ == "__main__":
    main()
