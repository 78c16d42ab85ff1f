"""What the anchor editor learns from: exact sessions as latents, harmed pasts, and batches of them.

Sessions are drawn once and kept in shards. A batch holds pictures to remember, pictures to paint,
and who sees whom. Pictures of the past are harmed as editors leave them (AnchorEdit's synthetic
degradation, on latents; its VAE round trip is left out, since the memory keeps latents).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice, pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from editing_core.anchor.attention import WINDOW, Visibility, causal
from editing_core.anchor.sampler import FOUR_STEP_TIMES
from editing_core.models.canvas import Canvas, pack, unpack
from editing_core.portraits.edit_sequences import sessions
from editing_core.portraits.instructions import instruction
from editing_core.portraits.schema import SIZE, Portrait, draw

if TYPE_CHECKING:
    from editing_core.models.diffusers_model import DiffusersModel


WORLD = "portraits-128"
"""Whose VAE and drawings it learns from."""
TURNS = 6
SHARD = 500  # sessions a file
SHARDS = 12


def draw_shards(folder: Path, shards: int = SHARDS, workers: int = 2) -> None:
    """Draw and encode what is not there yet: shard-NNN.npy, (SHARD, TURNS + 1, 64, 64) halves."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [n for n in range(shards) if not shard_file(folder, n).exists()]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for number in pool.map(_draw_shard, [folder] * len(missing), missing):
            print(f"drawn {number + 1}/{shards} shards", flush=True)


def shard_file(folder: Path, number: int) -> Path:
    """Where a shard lies."""
    return folder / f"shard-{number:03d}.npy"


def _draw_shard(folder: Path, number: int) -> int:
    torch.set_num_threads(1)
    people = [person for chain in islice(sessions(TURNS, number), SHARD) for person in chain]
    latents = [encode_portraits(people[i : i + 25]) for i in range(0, len(people), 25)]
    file = shard_file(folder, number)
    partial = file.with_suffix(".partial.npy")
    np.save(partial, torch.cat(latents).view(SHARD, TURNS + 1, 64, 64).half().numpy())
    partial.replace(file)
    return number


@cache
def _flux() -> DiffusersModel:
    from editing_core.models.load import load

    return load(WORLD, device="cpu")


@torch.no_grad()
def encode_portraits(portraits: list[Portrait]) -> Tensor:
    """Draw portraits and encode them as the shipped FLUX does: (B, 64, 64)."""
    vae = _flux().vae
    pixels = torch.from_numpy(np.stack([np.asarray(draw(portrait)) for portrait in portraits]))
    mean = vae.encode(pixels.permute(0, 3, 1, 2).float() / 127.5 - 1).latent_dist.mean
    return pack((mean - vae.config.shift_factor) * vae.config.scaling_factor)


@torch.no_grad()
def decode_latents(x: Tensor) -> list[Image.Image]:
    """Decode packed latents (B, 64, 64) to pictures."""
    vae = _flux().vae
    latents = torch.cat([unpack(one[None], Canvas(SIZE, SIZE)) for one in x])
    pixels = vae.decode(latents / vae.config.scaling_factor + vae.config.shift_factor).sample
    pixels = ((pixels.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1)
    return [Image.fromarray(one.numpy()) for one in pixels.contiguous()]


Degradation = Callable[[Tensor, Tensor, torch.Generator], Tensor]
GRID = 4  # cells a side of a low-frequency field


def degrade(latents: Tensor, strength: Tensor, chance: torch.Generator) -> Tensor:
    """Harm pictures, each in its own way.

    Args:
        latents: Unpacked. Shape: (N, C, H, W).
        strength: How much of the full harm, in [0, 1]. Shape: (N,).
        chance: What happens to which.
    """
    s = strength.view(-1, 1, 1, 1)
    for share, harm in DEGRADATIONS:
        struck = torch.rand(len(latents), generator=chance) < share
        latents = torch.where(struck.view(-1, 1, 1, 1), harm(latents, s, chance), latents)
    return latents


def _colors(x: Tensor, s: Tensor, chance: torch.Generator) -> Tensor:
    scale, bias = (2 * torch.rand(2, *x.shape[:2], 1, 1, generator=chance) - 1).unbind()
    return x * (1 + 0.05 * s * scale) + 0.03 * s * bias


def _blotches(x: Tensor, s: Tensor, chance: torch.Generator) -> Tensor:
    cells = 2 * torch.rand(*x.shape[:2], GRID, GRID, generator=chance) - 1
    return x + 0.06 * s * functional.interpolate(cells, x.shape[-2:], mode="bilinear")


def _blocks(x: Tensor, s: Tensor, chance: torch.Generator) -> Tensor:
    side = 2 if torch.rand((), generator=chance) < 0.5 else 4
    coarse = functional.avg_pool2d(x, side).repeat_interleave(side, 2).repeat_interleave(side, 3)
    return x + 0.5 * s * (coarse - x)


def _speckles(x: Tensor, s: Tensor, chance: torch.Generator) -> Tensor:
    u = torch.rand(x.shape, generator=chance).clamp(1e-6, 1 - 1e-6) - 0.5
    laplace = -u.sign() * (1 - 2 * u.abs()).log()
    return x * (1 + 0.035 * s * laplace)


def _blur(x: Tensor, s: Tensor, chance: torch.Generator) -> Tensor:
    sigma = (0.45 * s).clamp(min=1e-3)
    side = (-0.5 / sigma**2).exp()  # weight of a neighbour beside the 1 of the middle
    padded = functional.pad(x, (1, 1, 1, 1), mode="replicate")
    rows = (padded[:, :, :-2] + padded[:, :, 2:]) * side + padded[:, :, 1:-1]
    both = (rows[..., :-2] + rows[..., 2:]) * side + rows[..., 1:-1]
    return both / (1 + 2 * side) ** 2


DEGRADATIONS: tuple[tuple[float, Degradation], ...] = (
    (0.2, _colors), (0.2, _blotches), (0.1, _blocks), (0.1, _speckles), (0.1, _blur),
)  # fmt: skip
"""How often each harm strikes."""


HARD = {"eyewear": 3, "eyewear_color": 1, "age": 1, "hair": 1, "hair_color": 1, "pattern": 1}
"""What is often missed, and how much a change of it counts when a session is chosen."""
NULL = 0.1  # share of turns that ask for nothing
TARGETS = 3  # paintings of one source
LATE = 0.5  # share of sessions that are as after many turns
LATEST = 60  # turns
WEAKEST, STRONGEST = 0.15, 1.0  # degradation of the first and of the last result
STEPS = 0.5  # share of paintings at one of the four steps' times
CHANGED = 0.3  # by how much a token has to differ
NOISED, NOISE = 0.3, 0.3  # share of remembered results at a time above 0, and the latest such time


@dataclass(frozen=True)
class Batch:
    """Frames of B sessions: first those to remember, then those to paint.

    Attributes:
        clean: Latents: of what is to be painted the truth. Shape: (B, F, L, C).
        t: Their times, 0 for what is remembered. Shape: (B, F).
        turns: Their places. Shape: (B, F).
        texts: Their instructions.
        visibility: Who sees whom.
        history: How many frames, from the first, are remembered.
        start_from: What paintings begin from, if not the truth: (B, F - history, L, C).
    """

    clean: Tensor
    t: Tensor
    turns: Tensor
    texts: list[list[str]]
    visibility: Visibility
    history: int
    start_from: Tensor | None = None

    @property
    def targets(self) -> Tensor:
        """The truth of what is to be painted. Shape: (B, F - history, L, C)."""
        return self.clean[:, self.history :]

    def noised(self, noise: Tensor) -> Tensor:
        """The frames at their times."""
        pictures = self.clean
        if self.start_from is not None:
            pictures = torch.cat([self.clean[:, : self.history], self.start_from], 1)
        at = self.t[..., None, None]
        return (1 - at) * pictures + at * noise

    def changed(self) -> Tensor:
        """Which tokens of what is to be painted are not as in the picture before."""
        before = [k % self.history for k in range(self.targets.shape[1])]
        return (self.targets - self.clean[:, before]).square().mean(-1) > CHANGED**2

    def is_self_rollout(self) -> Tensor:
        """Which paintings are taken on from something else than the truth."""
        if self.start_from is None:
            return torch.zeros(self.targets.shape[:2], dtype=torch.bool)
        return (self.start_from != self.targets).flatten(2).any(-1)

    def part(self, rows: slice) -> Batch:
        """Some of the sessions."""
        return replace(self, clean=self.clean[rows], t=self.t[rows], turns=self.turns[rows],
                       texts=self.texts[rows])  # fmt: skip

    def with_self_rollout_memory(self, rows: slice, own: Tensor, chosen: Tensor) -> Batch:
        """Some sessions with the model's own pictures in their memory where chosen.

        Args:
            rows: The sessions.
            own: Pictures painted for turns 1, 2 ... Shape: (rows, targets, L, C).
            chosen: Which to remember instead of the truth. Shape: (rows, history - 1).
        """
        clean = self.clean.clone()
        past = clean[rows, 1 : self.history]
        clean[rows, 1 : self.history] = torch.where(
            chosen[..., None, None], own[:, : self.history - 1], past
        )
        return replace(self, clean=clean)

    def resumed_from(self, rows: slice, start_from: Tensor, t: float) -> Batch:
        """Some sessions with their paintings at a time, and begun from others than the truth.

        Args:
            rows: The sessions.
            start_from: What there is so far. Shape: (rows, targets, L, C).
            t: Where to go on.
        """
        pictures = (self.targets if self.start_from is None else self.start_from).clone()
        pictures[rows] = start_from
        times = self.t.clone()
        times[rows, self.history :] = t
        return replace(self, start_from=pictures, t=times)

    def with_clean_memory(self) -> Batch:
        """The same with memories of finished pictures alone, none of them at a time above 0."""
        t = self.t.clone()
        t[:, : self.history] = 0
        return replace(self, t=t)

    def with_degraded_memory(self, chance: torch.Generator) -> Batch:
        """The same with degraded memories; the original stays as it is."""
        batch, results = len(self.clean), self.history - 1
        upper = torch.linspace(WEAKEST, STRONGEST, results)
        strength = WEAKEST + (upper - WEAKEST) * torch.rand(batch, results, generator=chance)
        past = self.clean[:, 1 : self.history].flatten(0, 1)
        harmed = pack(degrade(unpack(past, Canvas(SIZE, SIZE)), strength.flatten(), chance))
        clean = self.clean.clone()
        clean[:, 1 : self.history] = harmed.unflatten(0, (batch, results))
        return replace(self, clean=clean)


class SessionBatches:
    """Sessions with their latents; a step always gives the same batch of the same shards."""

    def __init__(self, folder: Path) -> None:
        """Open all shards that are drawn."""
        files = sorted(folder.glob("shard-???.npy"))
        if not files:
            raise FileNotFoundError(f"There are no shards in {folder}; draw_shards makes them.")
        self.latents = [np.load(file, mmap_mode="r") for file in files]
        self.people = [list(islice(sessions(TURNS, int(file.stem[-3:])), SHARD)) for file in files]

    def single(self, step: int, size: int) -> Batch:
        """Stage 1: one source each, and TARGETS turns from it; some ask for nothing."""
        rng, chance = _chances("single", step)
        frames, texts = [], []
        for _ in range(size // TARGETS):
            latents, people = self._any(rng)
            source = rng.randrange(TURNS + 1)
            turns = [_turn(people, source, rng) for _ in range(TARGETS)]
            frames.append(latents[[source, *(after for after, _ in turns)]])
            texts.append(["", *(text for _, text in turns)])
        t = _times(len(frames), TARGETS, chance)
        t = torch.cat([torch.zeros(len(t), 1), t], 1)
        turns_at = torch.ones(t.shape, dtype=torch.long)
        turns_at[:, 0] = 0
        return Batch(_stacked(frames), t, turns_at, texts, [[], *([[0]] * TARGETS)], history=1)

    def chains(self, step: int, size: int, window: int = WINDOW) -> Batch:
        """Later stages: whole sessions, each turn painted from what is remembered by then.

        After the turns themselves come as many others from the same memories: back to the picture
        before, nothing at all, or the turn once more in other words.
        """
        rng, chance = _chances("chains", step)
        frames, texts = [], []
        for _ in range(max(1, size // (2 * TURNS))):
            latents, people = self._any(rng)
            turns = [instruction_between(people, k, rng, window) for k in range(1, TURNS + 1)]
            others = [_other(people, k, rng, window) for k in range(1, TURNS + 1)]
            frames.append(latents[[*range(TURNS), *range(1, TURNS + 1), *(k for k, _ in others)]])
            texts.append(["", *turns[:-1], *turns, *(text for _, text in others)])
        past = torch.arange(TURNS).expand(len(frames), -1)
        gap = [rng.randrange(LATEST) if rng.random() < LATE else 0 for _ in frames]
        late = torch.tensor(gap)[:, None]
        next_up = past + 1 + late
        turns_at = torch.cat([torch.where(past > 0, past + late, 0), next_up, next_up], 1)
        t = torch.cat([_slight(len(frames), chance), _times(len(frames), 2 * TURNS, chance)], 1)
        return Batch(_stacked(frames), t, turns_at, texts, painting(TURNS, window), TURNS)

    def _any(self, rng: random.Random) -> tuple[NDArray[np.float16], tuple[Portrait, ...]]:
        """A session: of two, the one that asks more of what is hard."""
        two = [(rng.randrange(len(self.latents)), rng.randrange(SHARD)) for _ in range(2)]
        shard, number = max(two, key=lambda at: _hard(self.people[at[0]][at[1]]))
        return self.latents[shard][number], self.people[shard][number]


def painting(turns: int, window: int) -> Visibility:
    """Who sees whom: pictures 0 to turns - 1 are remembered, 1 to turns painted, and once more."""
    reach = causal(turns + 1, window)
    return [*reach[:turns], *reach[1:], *reach[1:]]


def instruction_between(
    people: Sequence[Portrait], turn: int, rng: random.Random | None = None, window: int = WINDOW
) -> str:
    """The instruction of a turn; what the memory still shows need not be told."""
    first_seen = max(0, turn - window)
    known = {name for person in (people[0], *people[first_seen:turn])
             for name in person.attributes.visible()}  # fmt: skip
    before, after = (people[k].attributes.visible() for k in (turn - 1, turn))
    return instruction(before, after, rng, known)


def _hard(people: Sequence[Portrait]) -> int:
    """How much of what a session changes is of a kind that is often missed."""
    looks = [person.attributes for person in people]
    return sum(
        weight * (getattr(now, name) != getattr(then, name))
        for now, then in pairwise(looks)
        for name, weight in HARD.items()
    )


def _chances(name: str, step: int) -> tuple[random.Random, torch.Generator]:
    return random.Random(f"{name} {step}"), torch.Generator("cpu").manual_seed(step)


def _times(batch: int, frames: int, chance: torch.Generator) -> Tensor:
    """Times of paintings, each frame its own: half of them those at which four steps begin.

    Of the others early ones are preferred, where pictures take shape.
    """
    shape = (batch, frames)
    any_time = torch.sigmoid(0.8 + 1.2 * torch.randn(shape, generator=chance))
    of_four = torch.tensor(FOUR_STEP_TIMES)[
        torch.randint(len(FOUR_STEP_TIMES), shape, generator=chance)
    ]
    return torch.where(torch.rand(shape, generator=chance) < STEPS, of_four, any_time)


def _slight(batch: int, chance: torch.Generator) -> Tensor:
    """Times of memories: mostly 0, the original's always."""
    often, late = torch.rand(2, batch, TURNS, generator=chance)
    t = torch.where(often < NOISED, NOISE * late, 0.0)
    t[:, 0] = 0
    return t


def _stacked(frames: list[NDArray[np.float16]]) -> Tensor:
    return torch.from_numpy(np.stack(frames)).float()


def _turn(people: tuple[Portrait, ...], source: int, rng: random.Random) -> tuple[int, str]:
    """One turn from a source: the next picture, the one before, or the same; and how to ask."""
    ways = [k for k in (source - 1, source + 1) if 0 <= k <= TURNS]
    after = rng.choice(ways)
    if rng.random() < NULL or (after < source and _lost(people[source], people[after])):
        return source, ""
    return after, instruction_between((people[source], people[after]), 1, rng)


def _other(
    people: Sequence[Portrait], turn: int, rng: random.Random, window: int
) -> tuple[int, str]:
    """Something else to ask for at a turn: which picture it leads to, and how to ask."""
    chance = rng.random()
    if chance < 2 * NULL:
        return turn - 1, ""
    if chance < 0.6 and turn > 1 and not _lost(people[turn - 1], people[turn - 2]):
        back = [*people[:turn], people[turn - 2]]
        return turn - 2, instruction_between(back, turn, rng, window)
    return turn, instruction_between(people, turn, rng, window)


def _lost(now: Portrait, before: Portrait) -> bool:
    """Whether the way back cannot be asked for: who was old has forgotten the hair's colour."""
    return now.attributes.age == "old" != before.attributes.age
