"""Edits are compared with exact drawings, on every canvas."""

import pytest

from editing_core.bench.exact_edits import CANVASES, Canvas, judged
from editing_core.bench.sequences import SequenceTurn
from editing_core.portraits.schema import Attributes, Identity, Portrait
from editing_core.worlds.portraits.drawing import draw

WOMAN = Portrait(Attributes(), Identity())
OLDER = SequenceTurn(WOMAN, WOMAN.with_(age="old"))


@pytest.mark.parametrize("canvas", CANVASES.values(), ids=list(CANVASES))
def test_the_exact_drawing_is_perfect(canvas: Canvas) -> None:
    columns = judged(draw(OLDER.after, canvas.size, canvas.place), OLDER, canvas)
    assert columns == {
        "attribute": 1, "agreement": 1, "sharpness": 1, "face": 0, "outside": 0
    }  # fmt: skip


@pytest.mark.parametrize("canvas", CANVASES.values(), ids=list(CANVASES))
def test_an_edit_that_did_nothing_keeps_the_outside_alone(canvas: Canvas) -> None:
    columns = judged(draw(OLDER.before, canvas.size, canvas.place), OLDER, canvas)
    assert columns["agreement"] == 0
    assert columns["outside"] < 1
    assert columns["face"] > 1
