"""Prompts within a chat template: which characters of the prompt each token stands for."""

from __future__ import annotations

from torch import Tensor


def within(offsets: Tensor, begin: int, length: int) -> Tensor:
    """Turn offsets in the template into those in the prompt; (0, 0) for tokens outside of it.

    Args:
        offsets: First and one-past-last character of each token. Shape: (T, 2).
        begin: Where the prompt stands in the template.
        length: Of the prompt.
    """
    inside = (offsets[:, 1] > begin) & (offsets[:, 0] < begin + length)
    return (offsets - begin).clamp(0, length) * inside[:, None]
