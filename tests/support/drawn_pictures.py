"""A picture drawn by a model of ours from noise, to be set beside its stock pipeline's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from editing_core.solvers import integrate_euler

if TYPE_CHECKING:
    import torch

    from editing_core.models.base import Model
    from editing_core.models.canvas import Canvas

PROMPT = "a young woman with a brown bob, a red hat"


def drawn(
    model: Model, noise: torch.Tensor, canvas: Canvas, steps: int, guidance: float
) -> torch.Tensor:
    """Latents after so many Euler steps on the model's own schedule."""
    text = model.encode_text(PROMPT)
    return integrate_euler(
        lambda x, t, call: model.velocity(x, t, text, guidance=guidance, canvas=canvas),
        noise,
        model.times(steps, canvas),
    )
