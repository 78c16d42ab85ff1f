"""From words of a prompt to the positions of their T5 tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from editing_core.errors import EditError
from editing_core.prompt_diff import Span, changed_spans, occurrences

if TYPE_CHECKING:
    from editing_core.models.base import TextEmbedding


def prompt_columns(text: TextEmbedding) -> tuple[int, ...]:
    """Positions of the tokens that stand for characters of the prompt (no end, no padding)."""
    return tuple(i for i, (start, end) in enumerate(text.offsets) if end > start)


def phrase_columns(text: TextEmbedding, columns: Sequence[int]) -> tuple[int, ...]:
    """Other tokens of the phrases, between commas, in which ``columns`` stand; no short words."""
    words = [m.span() for m in re.finditer(r"\w{3,}", text.prompt)]
    phrases = [m.span() for m in re.finditer(r"[^,]+", text.prompt)]
    here = [text.offsets[i] for i in columns]
    about = [p for p in phrases if any(_overlaps(offset, [p]) for offset in here)]
    near = _touching(text.offsets, [word for word in words if _overlaps(word, about)])
    return tuple(i for i in near if i not in columns)


def columns_of(
    text: TextEmbedding, words: Iterable[str], *, source_prompt: str = ""
) -> tuple[int, ...]:
    """Find the tokens of ``words`` in a prompt.

    A word or phrase counts where it stands whole, in either case, with all its pieces. Where it
    stands several times, places that are new since ``source_prompt`` are preferred: of "a red hat,
    a red shirt" the red that was added. A word of the source prompt only (something removed)
    has no tokens here.

    Args:
        text: The encoded prompt.
        words: Words or phrases of the prompt.
        source_prompt: The prompt before the edit.

    Returns:
        Token positions, sorted.

    Raises:
        EditError: A word stands in neither prompt, or beyond the tokens the model reads.
    """
    new = changed_spans(source_prompt, text.prompt)
    spans: list[Span] = []
    for word in words:
        found = occurrences(word, text.prompt)
        if not found and not occurrences(word, source_prompt):
            raise EditError(f"The edit word '{word}' is not in the prompt '{text.prompt}'.")
        if found and not _touching(text.offsets, found):
            raise EditError(
                f"The edit word '{word}' lies beyond the {len(text.offsets)} tokens "
                "the model reads; shorten the prompt."
            )
        spans += [span for span in found if _overlaps(span, new)] or found
    return _touching(text.offsets, spans)


def _overlaps(span: Span, others: Iterable[Span]) -> bool:
    return any(span[0] < end and start < span[1] for start, end in others)


def _touching(offsets: Sequence[Span], spans: Sequence[Span]) -> tuple[int, ...]:
    return tuple(i for i, offset in enumerate(offsets) if _overlaps(offset, spans))
