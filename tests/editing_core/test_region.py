"""Where two prompts disagree: a model that wants another picture in known tokens only."""

from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from editing_core.masks import disagreement, region, soft_region
from editing_core.models.canvas import Canvas, unpack
from editing_core.settings import EditSettings

CANVAS = Canvas(128, 96)


def context(wanted: Tensor) -> Any:
    """An edit whose target prompt wants `wanted` (rows, cols) more than its source prompt."""

    def velocity(x: Tensor, t: float, text: str, *, guidance: float, canvas: Canvas) -> Tensor:
        return x + (wanted.reshape(1, -1, 1) if text == "target" else 0)

    return SimpleNamespace(
        model=SimpleNamespace(velocity=velocity, to_grid=unpack),
        current=torch.randn(1, CANVAS.tokens, 64),
        noise=torch.randn(1, CANVAS.tokens, 64),
        source="source",
        target="target",
        canvas=CANVAS,
        settings=EditSettings(),
        region=None,
    )


def grids(wanted: Tensor) -> list[Tensor]:
    """How the prompts disagree, laid out in space."""
    return [unpack(v, CANVAS) for v in disagreement(context(wanted))]


def test_a_region_is_relative_to_the_largest_disagreement() -> None:
    wanted = torch.zeros(6, 8)
    wanted[2, 3], wanted[2, 4], wanted[5, 7] = 4.0, -2.0, 0.4
    flat = soft_region(grids(wanted), 0.0, 1.0)
    tenfold = soft_region([10 * grid for grid in grids(wanted)], 0.0, 1.0)
    torch.testing.assert_close(flat, tenfold)
    tokens = F.avg_pool2d(flat[None, None], 2)[0, 0]
    assert tokens[2, 3] > 1.5 * tokens[2, 4] > 4 * tokens[5, 7] > 0


def test_a_region_fades_from_what_clearly_differs_to_what_hardly_does() -> None:
    wanted = torch.zeros(6, 8)
    wanted[2, 3], wanted[5, 7] = 1.0, 0.05
    found = region(context(wanted))
    assert found.shape == (12, 16)
    assert (found[4:6, 6:8] == 1).all()  # the token itself
    assert (found[:2] == 0).all() and (found[10:, 14:] == 0).all()
    assert found.max() == 1 and found.min() == 0


def test_prompts_that_want_the_same_have_no_region() -> None:
    assert not region(context(torch.zeros(6, 8))).any()
