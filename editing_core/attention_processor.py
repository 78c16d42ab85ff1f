"""Hooks into FLUX's attention: they see what a block attends with and change what comes of it.

Only attention's inputs and outputs are at hand, never score matrices.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self

import torch
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.embeddings import apply_rotary_emb
from diffusers.models.transformers.transformer_flux import _get_qkv_projections
from torch import Tensor

from editing_core.errors import EditError

QKV = tuple[Tensor, Tensor, Tensor]
"""Query, key and value. Shape of each: (1, tokens, heads, head size)."""

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""``attend(query, key, value)`` returns what the queries' tokens attend to, of their shape."""


class AttentionHook(ABC):
    """Takes part in the attention of some blocks of a transformer while it is entered."""

    def __init__(self, blocks: Mapping[int, Any]) -> None:
        """Prepare to take part in these blocks, known by index; nothing is installed yet."""
        self._blocks = dict(blocks)
        self._replaced: dict[int, Any] = {}

    def __enter__(self) -> Self:
        """Install the processors.

        Raises:
            EditError: Each of several GPUs sees a part of the tokens only.
        """
        if any(block.attn.processor._parallel_config for block in self._blocks.values()):
            raise EditError(
                "This method looks into attention, which several GPUs share; edit by steady or "
                "flowedit, or on one GPU."
            )
        self._replaced = {index: block.attn.processor for index, block in self._blocks.items()}
        for index, old in self._replaced.items():
            self._blocks[index].attn.set_processor(HookedAttention(self, index, old))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Put the old processors back, whatever happened."""
        for index, old in self._replaced.items():
            self._blocks[index].attn.set_processor(old)

    @abstractmethod
    def attended(self, block: int, qkv: QKV, text_tokens: int, attend: Attend) -> Tensor:
        """Return what the tokens of a block attend to; ``attend`` alone changes nothing.

        Args:
            block: Its index.
            qkv: Of text (T tokens) and picture (L tokens), query and key after their rotation.
                Shape of each: (1, T + L, heads, head size).
            text_tokens: T; 0 in single blocks, which do not tell the two apart.
            attend: The attention of the backend in use.
        """


class HookedAttention:
    """FLUX's attention, of double and single blocks alike, under an ``AttentionHook``.

    Follows diffusers' ``FluxAttnProcessor``, and equals it if the hook only attends.
    """

    _attention_backend: Any = None
    _parallel_config: Any = None

    def __init__(self, hook: AttentionHook, block: int, replaced: Any) -> None:
        """Serve one block, with the backend of the processor it replaces."""
        self._hook = hook
        self._block = block
        self._attention_backend = getattr(replaced, "_attention_backend", None)
        self._parallel_config = getattr(replaced, "_parallel_config", None)

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # it changes from step to step
    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        image_rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Attend; double blocks get picture and text, (1, L, D) and (1, T, D), and return both."""
        qkv = joint_qkv(attn, hidden_states, encoder_hidden_states, image_rotary_emb)
        text_tokens = 0 if encoder_hidden_states is None else encoder_hidden_states.shape[1]
        attend = partial(
            dispatch_attention_fn,
            attn_mask=attention_mask,
            backend=self._attention_backend,
            parallel_config=self._parallel_config,
        )
        mixed = self._hook.attended(self._block, qkv, text_tokens, attend)
        mixed = mixed.flatten(2).to(qkv[0].dtype)
        if encoder_hidden_states is None:
            return mixed
        picture = attn.to_out[1](attn.to_out[0](mixed[:, text_tokens:].contiguous()))
        return picture, attn.to_add_out(mixed[:, :text_tokens].contiguous())


def joint_qkv(
    attn: Any, picture: Tensor, text: Tensor | None, rotary: tuple[Tensor, Tensor] | None
) -> QKV:
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
