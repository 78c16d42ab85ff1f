"""Train the second edition: `python -m editing_core.worlds.portraits.train --minutes 60`.

Stages, each resumed where it was left and each with a share of the minutes: draw pictures, teach
the VAE, the transformer with its text encoders, guidance in one pass, and the decoder once more.
`--begin WEIGHTS` goes on from a folder that an earlier run wrote: its VAE's encoder stays as it is,
so that latents keep their meaning, unless `--vae` is given. On CPUs that are shared, one process a
core (`torchrun --nproc-per-node 2 -m editing_core.worlds.portraits.train`) is slowed down least.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from platformdirs import user_cache_path

from editing_core.portraits.learning import Deadline, Recipe
from editing_core.portraits.model import Parts, Size, build
from editing_core.portraits.processes import first, meet, rank
from editing_core.worlds.portraits.autoencoder import Latents, train_decoder, train_vae
from editing_core.worlds.portraits.flow import distil_guidance, train_flow
from editing_core.worlds.portraits.precision import fastest
from editing_core.worlds.portraits.store import Chunk, chunks, grow

FLOW_FILE = "flow.pt"
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


@dataclass(frozen=True)
class Recipes:
    """How each stage learns; their minutes are set from the whole run's."""

    pictures: int = 26_000
    vae: Recipe = Recipe(samples=2**40, batch=16, rate=1.5e-3, warm_up=60, fall=0.3, decay=0.995)
    flow: Recipe = Recipe(samples=2**40, batch=64, rate=2e-3, warm_up=200, decay=0.999)
    guidance: Recipe = Recipe(samples=2**40, batch=64, rate=1e-3, warm_up=20, fall=0.6, decay=0.99)
    decoder: Recipe = Recipe(samples=2**40, batch=16, rate=7e-4, warm_up=50, fall=0.8, decay=0.995)

    def within(self, minutes: float, with_vae: bool) -> Recipes:
        """Share out the minutes among the stages, with the VAE's or without."""
        shares = (0.27, 0.57, 0.07, 0.09) if with_vae else (0.0, 0.8, 0.08, 0.12)
        vae, flow, guidance, decoder = (max(1e-9, minutes * share) for share in shares)
        return replace(
            self,
            vae=replace(self.vae, minutes=vae),
            flow=replace(self.flow, minutes=flow),
            guidance=replace(self.guidance, minutes=guidance),
            decoder=replace(self.decoder, minutes=decoder),
        )


def main() -> None:
    """Run the stages until done or out of time, then write the diffusers folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60, help="of the whole training")
    parser.add_argument("--stop", type=float, help="stop this run earlier, after so many minutes")
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), help="default: cuda where there is one"
    )
    parser.add_argument("--begin", type=Path, help="weights to go on from")
    parser.add_argument("--vae", action="store_true", help="teach the whole VAE further, too")
    parser.add_argument("--folder", type=Path, default=user_cache_path("palimpsest") / "second")
    parser.add_argument("--pictures", type=Path, help="the store of pictures; default: in FOLDER")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    device = meet() if args.device is None else torch.device(args.device)
    torch.set_default_device(device)
    parts = load(args.begin) if args.begin else build(SIZE)
    torch.manual_seed(rank())  # every process its own noise
    with_vae = args.vae or args.begin is None
    recipes = Recipes().within(args.minutes, with_vae)
    store = drawn(args.pictures or args.folder / "pictures", recipes.pictures)
    stop = args.minutes if args.stop is None else args.stop
    run_stages(parts, store, args.folder, recipes, Deadline(stop), with_vae)
    if rank() == 0:
        taught = args.begin is not None or (args.folder / FLOW_FILE).exists()
        write(parts, args.out, only_vae=not taught)


def run_stages(
    parts: Parts, store: list[Chunk], folder: Path, recipes: Recipes, deadline: Deadline,
    with_vae: bool,
) -> None:  # fmt: skip
    """Go through the stages; what `folder` holds of them is not done again."""
    dtype = fastest(torch.get_default_device())
    file = folder / "vae.pt"
    if with_vae and not train_vae(parts, store, file, recipes.vae, deadline, dtype):
        return
    parts.vae.eval().requires_grad_(False)
    latents = Latents(parts, folder / "latents", dtype)
    taught = (parts, store, latents)
    if not train_flow(*taught, folder / FLOW_FILE, recipes.flow, deadline, dtype):
        return
    if not distil_guidance(*taught, folder / "guidance.pt", recipes.guidance, deadline, dtype):
        return
    train_decoder(parts, store, folder / "decoder.pt", recipes.decoder, deadline, dtype)


def drawn(folder: Path, pictures: int) -> list[Chunk]:
    """The store of pictures, drawn now if it is not there."""
    first(lambda: None if any(folder.glob("*.npy")) else grow(folder, pictures))
    return chunks(folder)


def write(parts: Parts, folder: Path, only_vae: bool) -> None:
    """Write the diffusers folder in 16 bits; a transformer that was not taught yet is left out."""
    if not only_vae:
        parts.save(folder)
        return
    parts.vae.to(torch.float16).save_pretrained(folder / "vae")
    parts.vae.to(torch.float32)


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
