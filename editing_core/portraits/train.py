"""Train the shipped model from drawings: `python -m editing_core.portraits.train --minutes 60`.

Stages, each resumed where it was left: draw the pictures, train the VAE, train the transformer with
its text encoders, distil guidance into the guidance embedding, train the classifier, and polish the
VAE's decoder. Every run ends by writing the diffusers folder from the best there is so far. On a
machine with many cores or GPUs: `torchrun --nproc-per-node 2 -m editing_core.portraits.train`.
"""

from __future__ import annotations

import argparse
import copy
import math
import random
import shutil
from pathlib import Path

import torch
from platformdirs import user_cache_path
from torch import Tensor
from torch.nn import functional

from editing_core.portraits.captioned import Captioned, training_caption
from editing_core.portraits.classifier import FILE, SIDE, AttributeClassifier
from editing_core.portraits.distributed import init_distributed, main_process_first, processes, rank
from editing_core.portraits.model import Parts, build
from editing_core.portraits.schema import draws
from editing_core.portraits.train_classifier import draw_others, train_classifier
from editing_core.portraits.train_vae import (
    draw_pictures,
    encode_pictures,
    polish_decoder,
    train_vae,
)
from editing_core.portraits.trainer import Deadline, TrainingConfig, run_training

CLASSIFIER_FILE = "classifier.pt"
OTHERS = 3_000  # pictures that are no portraits
WEIGHTS = Path(__file__).parent / "weights"
FLUX = TrainingConfig(samples=760_000, batch_size=64, learning_rate=2e-3)
GUIDANCE = TrainingConfig(
    samples=10_000,
    batch_size=64,
    learning_rate=1e-3,
    warmup_steps=20,
    decay_fraction=0.6,
    ema_decay=0.99,
)
STRONGEST_GUIDANCE = 5.0


def main() -> None:
    """Run the stages until done or out of time, then write the diffusers folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60, help="stop after this long")
    parser.add_argument("--work", type=Path, default=user_cache_path("palimpsest") / "training")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    torch.set_default_device(init_distributed())
    parts, classifier = build(), AttributeClassifier()
    run_stages(parts, classifier, args.work, Deadline(args.minutes))
    if rank() == 0:
        parts.save(args.out)
        if (args.work / CLASSIFIER_FILE).exists():
            classifier.save(args.out / FILE.name)


def run_stages(
    parts: Parts, classifier: AttributeClassifier, work: Path, deadline: Deadline
) -> None:
    """Go through the stages; what `work` holds of them is not done again."""
    pictures = main_process_first(lambda: draw_pictures(work / "pictures.npy"))
    if not train_vae(parts, pictures, work / "vae.pt", deadline):
        return
    latents = encode_pictures(parts, pictures, work / "latents.npy")
    if not train_flux(parts, latents, work / "flux.pt", deadline):
        return
    distil_guidance(parts, latents, work / "guidance.pt", deadline)
    others = main_process_first(lambda: draw_others(work / "others.npy", OTHERS, SIDE))
    train_classifier(classifier, pictures, others, work / CLASSIFIER_FILE, deadline)
    polish_decoder(parts, pictures, latents, work / "decoder.pt", deadline)


class Examples:
    """Batches of noised latents with freshly written captions; a step always gives the same."""

    def __init__(self, latents: Tensor) -> None:
        """Remember the latents and the attributes of the same portraits."""
        self.latents = latents
        self.attributes = [
            portrait.attributes.visible()
            for _, portrait in zip(range(len(latents)), draws("train"), strict=False)
        ]

    def batch(self, step: int, size: int) -> tuple[Tensor, Tensor, Tensor, list[str]]:
        """Noised latents, their times, the true velocities and captions."""
        rng = random.Random(f"batch {step}")
        chance = torch.Generator("cpu").manual_seed(step)
        chosen = [rng.randrange(len(self.latents)) for _ in range(size)]
        captions = [training_caption(self.attributes[i], rng) for i in chosen]
        device = torch.get_default_device()
        clean = self.latents[chosen].to(device)
        noise = torch.randn(clean.shape, generator=chance, device="cpu").to(device)
        t = torch.sigmoid(0.4 + torch.randn(size, generator=chance, device="cpu")).to(device)
        at = t[:, None, None]
        return (1 - at) * clean + at * noise, t, noise - clean, captions


def _grid(x: Tensor) -> tuple[int, int]:
    """Rows and columns of the tokens of square pictures."""
    side = math.isqrt(x.shape[1])
    return side, side


def _compile(parts: Parts) -> None:
    """Compile the blocks, a quarter faster, where there is a C++ compiler to do it."""
    if shutil.which("c++"):
        parts.transformer.compile_repeated_blocks()


def train_flux(parts: Parts, latents: Tensor, file: Path, deadline: Deadline) -> bool:
    """Train the transformer and the text encoders by flow matching, guidance 1."""
    model, examples = Captioned(parts).train(), Examples(latents)
    _compile(parts)

    def loss_of(step: int) -> Tensor:
        x, t, velocity, captions = examples.batch(step, FLUX.batch_size // processes())
        predicted = model(x, t, model.text(captions), torch.ones(len(x)), _grid(x))
        return functional.mse_loss(predicted, velocity)

    done = run_training(model, loss_of, FLUX, file, deadline)
    model.eval()
    return done


def distil_guidance(parts: Parts, latents: Tensor, file: Path, deadline: Deadline) -> None:
    """Teach the guidance embedding what classifier-free guidance of the same strength gives."""
    model, examples = Captioned(parts), Examples(latents)
    teacher = copy.deepcopy(model).requires_grad_(False)
    _compile(parts)

    def loss_of(step: int) -> Tensor:
        x, t, _, captions = examples.batch(step, GUIDANCE.batch_size // processes())
        guidance = 1 + (STRONGEST_GUIDANCE - 1) * torch.rand(len(x))
        guidance[: len(x) // 4] = 1.0
        target = teacher.guided(x, t, captions, guidance, _grid(x))
        predicted = model(x, t, model.text(captions), guidance, _grid(x))
        return functional.mse_loss(predicted, target)

    run_training(model, loss_of, GUIDANCE, file, deadline)
    model.eval()


if __name__ == "__main__":
    main()
