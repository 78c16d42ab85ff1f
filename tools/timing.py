"""How fast a model is here, by which the seconds of an edit are judged on any machine."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from editing_core.editor import Editor


def call_seconds(editor: Editor, size: tuple[int, int], calls: int = 5) -> float:
    """Time one call of the model on a picture of a size: the median, in seconds."""
    import torch

    from editing_core.editor import draw_noise

    model = editor.model
    canvas, text = model.canvas(*size), model.encode_text("")
    x = draw_noise(0, canvas, model.channels).to(model.device)
    seconds = []
    with torch.no_grad():
        for _ in range(calls):
            started = time.perf_counter()
            model.velocity(x, 0.5, text, guidance=1.0, canvas=canvas).cpu()
            seconds.append(time.perf_counter() - started)
    return median(seconds)
