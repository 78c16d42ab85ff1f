"""Attention layers of diffusers' transformers in whose place a hook may attend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from editing_core.models.base import AttentionCall, AttentionLayer, Hook, Stream
from editing_core.models.diffusers_internals import (
    backend_of,
    dispatch_attention_fn,
    parallel_config_of,
)

QKV = tuple[Tensor, Tensor, Tensor]
"""Query, key and value. Shape of each: (1, tokens, heads, head size)."""


@dataclass
class TokenLayout:
    """How the tokens of a model call are made up, which single-stream layers cannot see.

    Attributes:
        text: Text tokens, T, the first ones.
        references: Tokens of reference pictures, R, the last ones.
        prompted: Whether the call is made under the prompt, not under the empty one that
            classifier-free guidance leads away from.
    """

    text: int
    references: int = 0
    prompted: bool = True

    def image(self, tokens: int) -> slice:
        """Return where the tokens of the picture being made are, among so many in all."""
        return slice(self.text, tokens - self.references)

    @contextmanager
    def of_nothing(self, text: int) -> Iterator[None]:
        """Describe a call under an empty prompt of so many tokens inside."""
        before = self.text
        self.text, self.prompted = text, False
        try:
            yield
        finally:
            self.text, self.prompted = before, True


@dataclass(frozen=True, eq=False)
class HookedLayer:
    """One attention layer of a transformer of diffusers. See ``AttentionLayer``.

    Attributes:
        attn: The module that attends.
        block: The module that it is a part of.
        layout: How the tokens of the call are made up.
        processor: What attends in its place: made of this, a hook, and what it replaces.
    """

    attn: Any
    block: Any
    index: int
    depth: float
    stream: Stream
    layout: TokenLayout
    head_size: int
    processor: Callable[[HookedLayer, Hook, Any], Any]

    @contextmanager
    def install(self, hook: Hook) -> Iterator[None]:
        """Let a hook attend in this layer's place while the context is entered."""
        replaced = self.attn.processor
        self.attn.set_processor(self.processor(self, hook, replaced))
        try:
            yield
        finally:
            self.attn.set_processor(replaced)

    @contextmanager
    def skip(self) -> Iterator[None]:
        """Leave the block of this layer out while the context is entered."""
        handle = self.block.register_forward_hook(_inputs_of, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()


def _inputs_of(block: Any, args: tuple[Any, ...], given: dict[str, Any], made: Any) -> Any:
    """Return what a block was given in the place of what it made.

    Blocks of two streams return text and image, in this order; a last one may return no text.
    """
    image = given["hidden_states"] if "hidden_states" in given else args[0]
    if isinstance(made, Tensor):
        return image
    text = None if made[0] is None else given["encoder_hidden_states"]
    return text, image


def hooked_layers(
    blocks: Sequence[tuple[Any, Any, Stream, int, type[HookedProcessor]]], layout: TokenLayout
) -> list[AttentionLayer]:
    """Number the attention layers of a transformer.

    Args:
        blocks: Its blocks as they are called, each with the module in it that attends, its stream,
            the size of its heads, and the processor that lets a hook attend.
        layout: How the tokens of a call are made up.
    """
    last = max(len(blocks) - 1, 1)
    return [
        HookedLayer(attn, block, index, index / last, stream, layout, size, processor)
        for index, (block, attn, stream, size, processor) in enumerate(blocks)
    ]


def uniform_layers(
    blocks: Sequence[tuple[Any, Any]],
    stream: Stream,
    processor: type[HookedProcessor],
    layout: TokenLayout,
) -> list[AttentionLayer]:
    """Number the attention layers of a transformer whose blocks all attend in one way.

    Args:
        blocks: Its blocks as they are called, each with the module in it that attends.
        stream: Of all of them.
        processor: What lets a hook attend.
        layout: How the tokens of a call are made up.
    """
    return hooked_layers(
        [(block, attn, stream, attn.inner_dim // attn.heads, processor) for block, attn in blocks],
        layout,
    )


def projected(attn: Any, image: Tensor, text: Tensor, size: int) -> QKV:
    """Queries, keys and values of text and image that have weights of their own.

    Args:
        attn: The module that attends.
        image: Shape: (1, L, D).
        text: Shape: (1, T, D).
        size: Of a head.

    Returns:
        Text first. Shape of each: (1, T + L, heads, head size).
    """

    def heads(x: Tensor) -> Tensor:
        split: Tensor = x.unflatten(-1, (-1, size))
        return split

    query, key = attn.norm_q(heads(attn.to_q(image))), attn.norm_k(heads(attn.to_k(image)))
    text_query = attn.norm_added_q(heads(attn.add_q_proj(text)))
    text_key = attn.norm_added_k(heads(attn.add_k_proj(text)))
    return (
        torch.cat([text_query, query], dim=1),
        torch.cat([text_key, key], dim=1),
        torch.cat([heads(attn.add_v_proj(text)), heads(attn.to_v(image))], dim=1),
    )


class HookedProcessor:
    """A processor that lets a hook attend."""

    _attention_backend: Any = None
    _parallel_config: Any = None

    def __init__(self, layer: HookedLayer, hook: Hook, replaced: Any) -> None:
        """Serve one layer, with the backend of the processor it replaces."""
        self.layer = layer
        self._hook = hook
        self._attention_backend = backend_of(replaced)
        self._parallel_config = parallel_config_of(replaced)

    def attended(self, qkv: QKV, mask: Tensor | None) -> Tensor:
        """Return what all tokens attend to. Shape: (1, tokens, heads * head size)."""
        query, key, value = qkv
        layout = self.layer.layout
        call = AttentionCall(
            layer=self.layer,
            query=query,
            key=key,
            value=value,
            text=slice(0, layout.text),
            image=layout.image(query.shape[1]),
            mask=mask,
            prompted=layout.prompted,
            attend=partial(self.attend, mask),
        )
        return self._hook(call).flatten(2).to(query.dtype)

    def attend(self, mask: Tensor | None, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend by the backend in use. Shape of each but the mask: that of the call's."""
        mixed: Tensor = dispatch_attention_fn(
            query,
            key,
            value,
            attn_mask=mask,
            backend=self._attention_backend,
            parallel_config=self._parallel_config,
        )
        return mixed


class TextLastProcessor(HookedProcessor):
    """A processor of a network in which the text stands last; hooks get it first, as ever."""

    def attend(self, mask: Tensor | None, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend in the network's own order, so that sums round as they do without a hook."""
        last = self.text_last
        return self.text_first(super().attend(mask, last(query), last(key), last(value)))

    def text_first(self, x: Tensor) -> Tensor:
        """Put the text before all else. Shape: (1, tokens, ...)."""
        text = self.layer.layout.text
        return torch.cat([x[:, -text:], x[:, :-text]], dim=1)

    def text_last(self, x: Tensor) -> Tensor:
        """Undo ``text_first``."""
        text = self.layer.layout.text
        return torch.cat([x[:, text:], x[:, :text]], dim=1)


def turned(x: Tensor, by: Tensor) -> Tensor:
    """Turn pairs of neighbouring numbers by complex ones.

    Args:
        x: Shape: (1, tokens, heads, size).
        by: Shape: (tokens, size / 2).
    """
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * by[:, None]).flatten(-2).type_as(x)
