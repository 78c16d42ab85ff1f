"""Adaptive attention (paper, section on attention guidance): where do the edit words look?

While sampling, the joint layers tell how much every image token attends to the edit words.
Those that locate the edit best make the mask: by the paper layers of middling activation, or those
that were measured for the model (`layer_analysis`). Their mean map is thresholded; in the next step
picture-to-text attention is amplified inside the mask and damped outside.

Neither reading nor scaling builds the (text + picture)^2 score matrix: fused attention's norms
give any of its columns, and adding (m - 1) * (what these columns take) scales them by m for each
query. That is exact; see ``attention_probs``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from editing_core.attention_hook import AttentionHook
from editing_core.attention_probs import attend_with_probs
from editing_core.models.base import AttentionCall, Model, TextEmbedding
from editing_core.models.canvas import Canvas
from editing_core.settings import EditSettings
from editing_core.solvers import SolverStep
from editing_core.token_alignment import phrase_columns, prompt_columns

PAPER_DEPTH = 19  # double blocks of FLUX.1, in which the paper counts ranks
SHARPNESS = 10.0  # slope of the sigmoid that spreads a map (code)
DIFFUSE = 0.3  # of the picture; a word that lights up more of it tells little of where (ours)


class AttentionControl(AttentionHook):
    """Watches and steers the joint layers of a model (all, if none is joint) while it is entered.

    Without edit words it does nothing. Feed it every finished solver step.

    Attributes:
        mask: Where attention is amplified now; None when it is left alone. Shape: (rows, cols).
        watching: Whether maps are taken in this step, for the mask of the next.
        maps: Last maps of each block, one a candidate: first the edit words' tokens, then the
            others of their phrases. Shape of each: (candidates, L).
        blocks: Those whose maps made the mask, by index from 0.
        emphasised: Text tokens whose attention is scaled.
    """

    def __init__(
        self,
        model: Model,
        settings: EditSettings,
        text: TextEmbedding,
        columns: tuple[int, ...],
        canvas: Canvas,
    ) -> None:
        """Prepare to watch the text tokens ``columns``; nothing is installed yet."""
        layers = model.attention() if columns else ()
        watched = [layer for layer in layers if layer.stream == "joint"] or layers
        super().__init__(watched)
        most = min((layer.head_size for layer in watched), default=0)  # that a map tells apart
        self.candidates = (columns + phrase_columns(text, columns))[:most]
        self._own = min(len(columns), most)
        first15 = tuple(range(min(15, len(text.offsets))))
        self.emphasised = prompt_columns(text) if settings.columns == "prompt" else first15
        on = partial(torch.tensor, device=model.device, dtype=torch.long)  # or each use waits
        self._told_by = on(self.candidates)
        self._scaled = on(self.emphasised)
        self.mask: Tensor | None = None
        self.watching = settings.guide_from <= 1 < settings.steps
        self.maps: dict[int, Tensor] = {}
        self.blocks: tuple[int, ...] = ()
        self._settings = settings
        self._canvas = canvas

    def attended(self, call: AttentionCall) -> Tensor:
        """Attend, see where the edit words look, and scale how much of the text is taken in."""
        if not call.prompted or (not self.watching and self.mask is None):
            return call.attend(call.query, call.key, call.value)
        mixed, paid_to = attend_with_probs(call)
        if self.watching:
            self.maps[call.layer.index] = (
                paid_to(self._told_by)[0].mean(0).T
            )  # of heads: (candidates, L)
        if (factors := self.factors()) is not None:
            more = paid_to(self._scaled) * (factors.transpose(1, 2) - 1)
            taken = call.value[:, self._scaled]
            mixed[:, call.image] += torch.einsum("bhqk,bkhd->bqhd", more.to(taken.dtype), taken)
        return mixed

    def after_step(self, step: SolverStep) -> None:
        """Turn what was seen in a step into the mask of the next."""
        upcoming = step.index + 1
        if self.maps and self.watching and upcoming >= self._settings.guide_from:
            seen = sorted(self.maps)
            maps = torch.stack([self.maps[index] for index in seen])
            columns = localised(maps.mean(0), self._own)
            of_words = maps[:, columns].mean(1)
            chosen = chosen_maps(of_words, seen, self._settings)
            self.blocks = tuple(sorted(seen[place] for place in chosen))
            mask = mask_of(of_words[chosen], self._settings.tau)
            self.mask = mask.view(self._canvas.rows, self._canvas.cols) if mask.any() else None
        self.watching = self._settings.guide_from - 1 <= upcoming < step.of - 1

    def factors(self) -> Tensor | None:
        """Factor on the attention of each picture token to the text. Shape: (1, L, 1, 1)."""
        if self.mask is None:
            return None
        inside = self.mask.view(1, -1, 1, 1)
        return self._settings.damp + (self._settings.amplify - self._settings.damp) * inside


def localised(maps: Tensor, own: int) -> Tensor:
    """Choose the words that tell where: the edit words without the diffuse ones.

    If all edit words are diffuse, the least diffuse word of their phrases is taken.

    Args:
        maps: How much each picture token attends to each candidate. Shape: (candidates, L).
        own: How many of them, from the first, are the edit words' own.

    Returns:
        Indices of candidates. Shape: (n,), n at least 1.
    """
    area = activation(maps)
    chosen = (area[:own] <= DIFFUSE).nonzero().flatten()
    return chosen if len(chosen) else area.argmin().view(1)


def chosen_maps(maps: Tensor, layers: Sequence[int], settings: EditSettings) -> list[int]:
    """Choose whose maps make the mask: the layers of the settings, else those of middling rank.

    Args:
        maps: How much each picture token attends to the edit words, by layer. Shape: (n, L).
        layers: The number of each of these layers.
        settings: For the layers or the ranks.

    Returns:
        Places among the maps, at least one.
    """
    asked = () if settings.layers == "measured" else settings.layers
    if there := [layers.index(layer) for layer in asked if layer in layers]:
        return there
    ranked: list[int] = activation(maps).argsort(descending=True).tolist()
    return ranked[chosen_ranks(len(maps), settings.ranks)]


def mask_of(maps: Tensor, tau: float) -> Tensor:
    """Threshold the mean of the spread maps (n, L). Shape: (L,), bool."""
    return spread(maps).mean(0) >= tau


def activation(maps: Tensor) -> Tensor:
    """How much of the picture lights up in each map (n, L), as a share of it. Shape: (n,)."""
    return spread(maps).mean(1)


def spread(maps: Tensor) -> Tensor:
    """Spread each map (n, L) over [0, 1], its middle sharpened."""
    low, high = maps.amin(1, keepdim=True), maps.amax(1, keepdim=True)
    within = (maps - low) / (high - low).clamp_min(1e-12)
    return torch.sigmoid(SHARPNESS * (within - 0.5))


def chosen_ranks(depth: int, ranks: tuple[int, int]) -> slice:
    """Scale the 1-based, inclusive ``ranks`` of 19 blocks to ``depth`` blocks, at least one."""
    first, last = ranks
    count = max(1, round((last - first + 1) * depth / PAPER_DEPTH))
    start = min(round((first - 1) * depth / PAPER_DEPTH), depth - count)
    return slice(start, start + count)
