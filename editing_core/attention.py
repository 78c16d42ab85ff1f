"""Adaptive attention (paper, section on attention guidance): where do the edit words look?

While sampling, the double blocks tell how much every picture token attends to the edit words.
Blocks of middling activation locate the edit best; their mean map, thresholded, is the mask. In the
next step picture-to-text attention is amplified inside the mask and damped outside.

Neither reading nor scaling builds the (text + picture)^2 score matrix: attention over one-hot
values returns columns of it, and sdpa(q, k, v) + (m - 1) * sdpa(q, k, v of some columns) scales
these columns by m for each query. Both are exact and work with every attention backend.
"""

from __future__ import annotations

from functools import partial
from types import TracebackType
from typing import Any

import torch
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.embeddings import apply_rotary_emb
from diffusers.models.transformers.transformer_flux import _get_qkv_projections
from torch import Tensor

from editing_core.flow import Step
from editing_core.flux import Text
from editing_core.latents import Canvas
from editing_core.settings import EditSettings
from editing_core.tokens import phrase_columns, prompt_columns

PAPER_DEPTH = 19  # double blocks of FLUX.1, in which the paper counts ranks
SHARPNESS = 10.0  # slope of the sigmoid that spreads a map (code)
DIFFUSE = 0.3  # of the picture; a word that lights up more of it tells little of where (ours)


class AttentionControl:
    """Watches and steers the double blocks of a transformer while it is entered.

    Without edit words it does nothing. Feed it every finished solver step.

    Attributes:
        mask: Where attention is amplified now; None when it is left alone. Shape: (rows, cols).
        watching: Whether maps are taken in this step.
        maps: Last maps of each block, one a candidate: first the edit words' tokens, then the
            others of their phrases. Shape of each: (candidates, L).
        blocks: Those whose maps made the mask, by index from 0.
        emphasised: Text tokens whose attention is scaled.
    """

    def __init__(
        self,
        transformer: Any,
        settings: EditSettings,
        text: Text,
        columns: tuple[int, ...],
        canvas: Canvas,
    ) -> None:
        """Prepare to watch the text tokens ``columns``; nothing is installed yet."""
        most = transformer.config.attention_head_dim  # of candidates a map can tell apart
        self.candidates = (columns + phrase_columns(text, columns))[:most]
        self._own = min(len(columns), most)
        first15 = tuple(range(min(15, len(text.offsets))))
        self.emphasised = prompt_columns(text) if settings.columns == "prompt" else first15
        self.mask: Tensor | None = None
        self.watching = settings.guide_from <= 1
        self.maps: dict[int, Tensor] = {}
        self.blocks: tuple[int, ...] = ()
        self._blocks = list(transformer.transformer_blocks) if columns else []
        self._settings = settings
        self._canvas = canvas
        self._replaced: list[Any] = []

    def __enter__(self) -> AttentionControl:
        """Install the processors."""
        self._replaced = [block.attn.processor for block in self._blocks]
        for index, (block, old) in enumerate(zip(self._blocks, self._replaced, strict=True)):
            block.attn.set_processor(WatchedAttention(self, index, old))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Put the old processors back, whatever happened."""
        for block, old in zip(self._blocks, self._replaced, strict=True):
            block.attn.set_processor(old)

    def after_step(self, step: Step) -> None:
        """Turn what was seen in a step into the mask of the next."""
        upcoming = step.index + 1
        if self.maps and upcoming >= self._settings.guide_from:
            maps = torch.stack([self.maps[index] for index in sorted(self.maps)])
            told = localised(maps.mean(0), self._own)
            of_words = maps[:, told].mean(1)
            self.blocks = tuple(sorted(chosen_blocks(of_words, self._settings).tolist()))
            mask = edit_mask(of_words, self._settings)
            self.mask = mask.view(self._canvas.rows, self._canvas.cols) if mask.any() else None
        self.watching = upcoming >= self._settings.guide_from - 1

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
    area = _active(maps).mean(1)
    told = (area[:own] <= DIFFUSE).nonzero().flatten()
    return told if len(told) else area.argmin().view(1)


def edit_mask(maps: Tensor, settings: EditSettings) -> Tensor:
    """Choose the blocks of middling activation and threshold the mean of their maps.

    Args:
        maps: How much each picture token attends to the edit words, by block.
            Shape: (blocks, L).
        settings: For the ranks and the threshold.

    Returns:
        Shape: (L,), bool.
    """
    return _active(maps)[chosen_blocks(maps, settings)].mean(0) >= settings.tau


def chosen_blocks(maps: Tensor, settings: EditSettings) -> Tensor:
    """Return the indices of the blocks of middling activation, the most active first."""
    ranked = _active(maps).sum(1).argsort(descending=True)
    return ranked[chosen_ranks(len(maps), settings.ranks)]


def _active(maps: Tensor) -> Tensor:
    """Spread each map (n, L) over [0, 1], its middle sharpened."""
    low, high = maps.amin(1, keepdim=True), maps.amax(1, keepdim=True)
    spread = (maps - low) / (high - low).clamp_min(1e-12)
    return torch.sigmoid(SHARPNESS * (spread - 0.5))


def chosen_ranks(depth: int, ranks: tuple[int, int]) -> slice:
    """Scale the 1-based, inclusive ``ranks`` of 19 blocks to ``depth`` blocks, at least one."""
    first, last = ranks
    count = max(1, round((last - first + 1) * depth / PAPER_DEPTH))
    start = min(round((first - 1) * depth / PAPER_DEPTH), depth - count)
    return slice(start, start + count)


class WatchedAttention:
    """FLUX's joint attention (text first, then picture) under an ``AttentionControl``.

    Follows diffusers' ``FluxAttnProcessor`` and equals it when nothing is emphasised.
    """

    _attention_backend: Any = None
    _parallel_config: Any = None

    def __init__(self, control: AttentionControl, block: int, replaced: Any) -> None:
        """Serve one block, with the backend of the processor it replaces."""
        self._control = control
        self._block = block
        self._attention_backend = getattr(replaced, "_attention_backend", None)
        self._parallel_config = getattr(replaced, "_parallel_config", None)

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        image_rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Attend; shapes: picture (1, L, D) and text (1, T, D) in, the same out."""
        query, key, value = joint_qkv(attn, hidden_states, encoder_hidden_states, image_rotary_emb)
        attend = partial(
            dispatch_attention_fn,
            key=key,
            attn_mask=attention_mask,
            backend=self._attention_backend,
            parallel_config=self._parallel_config,
        )
        text_tokens = encoder_hidden_states.shape[1]
        mixed = attend(query, value=value)  # (1, T + L, heads, head size)
        from_text, from_picture = mixed[:, :text_tokens], mixed[:, text_tokens:]
        looking = query[:, text_tokens:]
        control = self._control
        if control.watching:
            seen = attend(looking, value=_one_hot(value, control.candidates))
            of_each = seen[0, :, :, : len(control.candidates)].float()
            control.maps[self._block] = of_each.mean(1).T  # mean of heads: (candidates, L)
        if (factors := control.factors()) is not None:
            share = attend(looking, value=_only(value, control.emphasised))
            from_picture = from_picture + (factors.to(share.dtype) - 1) * share
        picture = attn.to_out[1](attn.to_out[0](from_picture.flatten(2).to(query.dtype)))
        return picture, attn.to_add_out(from_text.flatten(2).to(query.dtype))


def joint_qkv(
    attn: Any, picture: Tensor, text: Tensor | None, rotary: tuple[Tensor, Tensor] | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of text and picture. Shape of each: (1, T + L, heads, head size).

    Single blocks hand over both as one ``picture``, without ``text``.
    """
    projected = _get_qkv_projections(attn, picture, text)
    query, key, value = (x.unflatten(-1, (-1, attn.head_dim)) for x in projected[:3])
    query, key = attn.norm_q(query), attn.norm_k(key)
    if text is not None:
        of_text = (x.unflatten(-1, (-1, attn.head_dim)) for x in projected[3:])
        text_query, text_key, text_value = of_text
        query = torch.cat([attn.norm_added_q(text_query), query], dim=1)
        key = torch.cat([attn.norm_added_k(text_key), key], dim=1)
        value = torch.cat([text_value, value], dim=1)
    if rotary is not None:
        query = apply_rotary_emb(query, rotary, sequence_dim=1)
        key = apply_rotary_emb(key, rotary, sequence_dim=1)
    return query, key, value


def _one_hot(value: Tensor, columns: tuple[int, ...]) -> Tensor:
    """Values whose channel i tells the attention paid to the i-th of ``columns``."""
    marked = torch.zeros_like(value)
    for channel, column in enumerate(columns):
        marked[:, column, :, channel] = 1
    return marked


def _only(value: Tensor, columns: tuple[int, ...]) -> Tensor:
    """The values of ``columns``, zeros elsewhere."""
    kept = torch.zeros_like(value)
    kept[:, list(columns)] = value[:, list(columns)]
    return kept
