"""Which layers of a model tell where words stand in a picture, and which of them matter: measured.

The paper takes layers of middling activation for the mask of an edit, by ranks that its authors
found for FLUX.1-dev, and leaves an automatic choice to later work. Here drawings of a closed world
serve any model: of a thing that is drawn and named it is known exactly where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from editing_core.attention_guidance import activation, chosen_maps, mask_of
from editing_core.attention_hook import AttentionHook
from editing_core.attention_probs import attend_with_probs
from editing_core.editor import draw_noise
from editing_core.measured_layers import LayerAnalysis, MeasuredLayer
from editing_core.prompt_diff import changed_spans, edit_words
from editing_core.settings import PRESETS
from editing_core.token_alignment import columns_of
from editing_core.worlds.registry import shipped_world, world_named

if TYPE_CHECKING:
    from editing_core.models.base import AttentionCall, AttentionLayer, Model, ModelSpec
    from editing_core.models.canvas import Canvas
    from editing_core.worlds.base import World

PAPER = PRESETS["paper"]
PICTURES = 24
SIDE = 512  # pixels of a picture, if the model is good at that size
CHANGED = 8  # of 255, from which a pixel of a drawing is another
COVERED = 0.25  # of a token's pixels, from which it is a part of the thing
AROUND = 4  # other attributes in which drawings differ from the world's first

Progress = Callable[[int, int], None]
"""``progress(number, of)``: so many pictures are done."""


@dataclass(frozen=True, eq=False)
class Probe:
    """A drawing in which it is known where something is that its caption names.

    Attributes:
        picture: The drawing.
        caption: All that it shows.
        words: Those of the caption that name the thing.
        where: The thing's pixels, white in an "L" picture.
    """

    picture: Image.Image
    caption: str
    words: tuple[str, ...]
    where: Image.Image


@dataclass(frozen=True, eq=False)
class Seen:
    """What the layers saw of one probe.

    Attributes:
        maps: How much each picture token attends to the words, by step and layer.
            Shape: (steps, n, L).
        truth: The tokens of the thing. Shape: (L,), bool.
        influence: Of each layer's block. Shape: (n,).
    """

    maps: Tensor
    truth: Tensor
    influence: Tensor


@torch.no_grad()
def analysed(
    model: Model, *, pictures: int = PICTURES, progress: Progress | None = None
) -> LayerAnalysis:
    """Measure all attention layers of a model.

    It costs, for each picture, as many model calls as an edit watches and one for each layer.

    Args:
        model: The model.
        pictures: How many to measure on, at least two.
        progress: Hears of every picture.
    """
    layers = model.attention()
    found: list[Seen] = []
    world = world_named(model.spec.name) or shipped_world()
    for number, probe in enumerate(islice(probes(world, side_of(model.spec)), pictures)):
        found.append(_seen(model, probe, number))
        if progress:
            progress(number + 1, pictures)
    joint = [layer.index for layer in layers if layer.stream == "joint"]
    watched = joint or [layer.index for layer in layers]
    samples = Samples.of(found, watched)
    return LayerAnalysis(
        model=model.spec.name,
        weights=model.weights_hash,
        pictures=pictures,
        layers=_of_each(layers, watched, found),
        best=tuple(watched[place] for place in best_places(samples)),
        overlap=round(cross_checked(samples), 4),
        overlap_by_rank=round(by_rank(samples), 4),
    )


def _of_each(
    layers: Sequence[AttentionLayer], watched: Sequence[int], found: Sequence[Seen]
) -> tuple[MeasuredLayer, ...]:
    steps = [(maps, seen.truth) for seen in found for maps in seen.maps]
    active = torch.stack([activation(maps) for maps, _ in steps]).mean(0)
    scores = torch.stack([localisation(maps, truth) for maps, truth in steps]).mean(0)
    moved = torch.stack([seen.influence for seen in found]).mean(0)
    order = sorted(watched, key=lambda index: -float(active[index]))
    return tuple(
        MeasuredLayer(
            index=layer.index,
            stream=layer.stream,
            activation=round(float(active[layer.index]), 4),
            rank=order.index(layer.index) + 1 if layer.index in order else 0,
            localisation=round(float(scores[layer.index]), 4),
            influence=round(float(moved[layer.index]), 4),
        )
        for layer in layers
    )


def probes(world: World, side: int, seed: int = 0) -> Iterator[Probe]:
    """Draw things of every kind that a world knows, one after the other, without end.

    Args:
        world: Whose drawings.
        side: Pixels of the longer side.
        seed: Of the choice.
    """
    chance, values = Random(seed), world.schema.values
    for number, name in enumerate(cycle(values)):
        others = chance.sample([other for other in values if other != name], AROUND)
        around = world.apply({}, {other: chance.choice(values[other]) for other in others})
        thing = world.apply(around, {name: chance.choice(values[name])})
        (without, source), (picture, caption) = (
            world.draw(attributes, seed=number) for attributes in (around, thing)
        )
        apart = np.abs(np.asarray(without, np.int16) - np.asarray(picture, np.int16)).max(-1)
        where = Image.fromarray(np.where(apart > CHANGED, 255, 0).astype(np.uint8))
        if changed_spans(source, caption) and where.getbbox():
            words = edit_words(source, caption)
            yield Probe(_sized(picture, side), caption, words, _sized(where, side))


def _sized(picture: Image.Image, side: int) -> Image.Image:
    scale = side / max(picture.size)
    width, height = (round(scale * length) for length in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def side_of(spec: ModelSpec) -> int:
    """Return the side of pictures to measure a model on, in pixels."""
    shortest, longest = spec.sizes
    return min(max(SIDE, shortest), longest)


class WordMaps(AttentionHook):
    """Keeps how much each picture token attends to some words, in the last call, by layer."""

    def __init__(self, model: Model, columns: Sequence[int]) -> None:
        """Prepare to watch all layers; nothing is installed yet."""
        super().__init__(model.attention())
        self._columns = torch.tensor(columns, device=model.device)
        self.maps: dict[int, Tensor] = {}

    def attended(self, call: AttentionCall) -> Tensor:
        """Attend, and see what is paid to the words."""
        mixed, paid_to = attend_with_probs(call)
        if call.prompted:
            self.maps[call.layer.index] = paid_to(self._columns)[0].mean((0, 2))  # heads, words
        return mixed


def _seen(model: Model, probe: Probe, number: int) -> Seen:
    """Look at a probe as an edit does: on its way from noise, in the steps that are watched."""
    canvas = model.canvas(*probe.picture.size)
    clean, text = model.encode(probe.picture), model.encode_text(probe.caption)
    noise = draw_noise(number, canvas, model.channels).to(model.device)
    guidance = PAPER.guidance if model.spec.guidance == "embedded" else 1.0

    def velocity(t: float) -> Tensor:
        return model.velocity(clean.lerp(noise, t), t, text, guidance=guidance, canvas=canvas)

    maps: list[Tensor] = []
    times = model.times(PAPER.steps, canvas)[PAPER.guide_from - 1 : -2].tolist()
    for t in times:
        with WordMaps(model, columns_of(text, probe.words)) as watcher:
            velocity(t)
        maps.append(torch.stack([watcher.maps[index] for index in sorted(watcher.maps)]))
    t = times[number % len(times)]
    whole, influence = velocity(t), []
    for layer in model.attention():
        with layer.skip():
            influence.append((velocity(t) - whole).norm() / whole.norm())
    return Seen(torch.stack(maps).cpu(), tokens_of(probe.where, canvas), torch.stack(influence))


def tokens_of(where: Image.Image, canvas: Canvas) -> Tensor:
    """Return the tokens that a thing covers, at least its best. Shape: (L,), bool."""
    pixels = torch.from_numpy(np.asarray(where, np.float32) / 255)[None, None]
    margin = (0, canvas.padded_width - canvas.width, 0, canvas.padded_height - canvas.height)
    share = F.avg_pool2d(F.pad(pixels, margin), canvas.token_side).flatten()
    return share >= min(COVERED, float(share.max()) / 2)


def localisation(maps: Tensor, truth: Tensor) -> Tensor:
    """Area under the ROC curve of each map (n, L) for the tokens of the truth (L,). Shape: (n,)."""
    inside, outside = maps[:, truth, None], maps[:, None, ~truth]
    if not inside.numel() or not outside.numel():
        return torch.full((len(maps),), 0.5)
    return ((inside > outside).float() + 0.5 * (inside == outside)).mean((1, 2))


@dataclass(frozen=True, eq=False)
class Samples:
    """What was seen of several pictures.

    Attributes:
        maps: By picture, step and layer. Shape: (p, s, n, L).
        truths: Shape: (p, L), bool.
    """

    maps: Tensor
    truths: Tensor

    @classmethod
    def of(cls, found: Sequence[Seen], layers: Sequence[int]) -> Samples:
        """Take what some layers saw."""
        maps = torch.stack([seen.maps for seen in found])[:, :, list(layers)]
        return cls(maps, torch.stack([seen.truth for seen in found]))

    def __getitem__(self, pictures: slice) -> Samples:
        """Return some of the pictures."""
        return Samples(self.maps[pictures], self.truths[pictures])

    def overlaps(self, mask: Callable[[Tensor], Tensor]) -> Tensor:
        """Intersection over union of the truth and each mask, made of maps (n, L): (p s,)."""
        masks = torch.stack([mask(maps) for maps in self.maps.flatten(0, 1)])
        truths = self.truths.repeat_interleave(self.maps.shape[1], 0)
        return (masks & truths).sum(1) / (masks | truths).sum(1).clamp_min(1)


def best_places(samples: Samples) -> list[int]:
    """Choose the layers whose mean map overlaps best, one after the other, while it gets better."""
    chosen: list[int] = []
    reached = -1.0
    while len(chosen) < samples.maps.shape[2]:
        gained = {
            place: float(samples.overlaps(_of_places([*chosen, place])).mean())
            for place in range(samples.maps.shape[2])
            if place not in chosen
        }
        best = max(gained, key=gained.__getitem__)
        if gained[best] <= reached:
            break
        reached = gained[best]
        chosen.append(best)
    return sorted(chosen)


def cross_checked(samples: Samples) -> float:
    """Choose layers by one half of the pictures and measure them on the other, both ways round.

    Returns:
        The mean intersection over union.
    """
    half = len(samples.maps) // 2
    one, other = samples[:half], samples[half:]
    measured = [on.overlaps(_of_places(best_places(by))) for by, on in ((one, other), (other, one))]
    return float(torch.cat(measured).mean())


def by_rank(samples: Samples) -> float:
    """Return the mean overlap where the paper's ranks choose the layers, each time anew."""

    def mask(maps: Tensor) -> Tensor:
        return mask_of(maps[chosen_maps(maps, range(len(maps)), PAPER)], PAPER.tau)

    return float(samples.overlaps(mask).mean())


def _of_places(places: list[int]) -> Callable[[Tensor], Tensor]:
    return lambda maps: mask_of(maps[places], PAPER.tau)
