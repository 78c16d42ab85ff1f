"""CLIP's eyes: the direction by hand, and a tiny random CLIP through the whole of them."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from tiny_networks import save_clip

from agent.bootstrap import Refusal, _eyes
from agent.settings import AppSettings
from tools.clip_judge import ClipEyes, direction

EAST, NORTH = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])


@pytest.mark.parametrize(
    ("pictures", "captions", "likeness"),
    [
        ((EAST, NORTH), (EAST, NORTH), 1.0),
        ((EAST, 3 * NORTH), (2 * EAST, NORTH), 1.0),  # lengths say nothing
        ((EAST, NORTH), (NORTH, EAST), -1.0),
        ((EAST, NORTH), (-EAST, NORTH), 0.0),
    ],
)
def test_the_direction_is_the_cosine_between_both_ways(pictures, captions, likeness) -> None:
    assert direction(*pictures, *captions) == pytest.approx(likeness, abs=1e-6)


def test_what_did_not_move_has_no_direction() -> None:
    assert direction(EAST, EAST, EAST, NORTH) is None


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip"))


def test_a_whole_judgement(tiny_clip: Path) -> None:
    eyes = ClipEyes(str(tiny_clip))
    before, after = Image.new("RGB", (60, 40), "navy"), Image.new("RGB", (60, 40), "white")
    verdict = eyes.happened(before, after, "a man", "a man with a hat " * 9)
    assert verdict is not None and verdict[1].startswith("CLIP direction ")
    assert eyes.happened(before, before, "a man", "a man with a hat") is None
    assert eyes.describe(before) is None and eyes.attributes(before, {}) == {}


def test_it_is_there_for_photographs_and_refused_clearly(tiny_clip: Path, tmp_path: Path) -> None:
    photographs = AppSettings(home=tmp_path, model="flux-dev", clip=str(tiny_clip))
    assert isinstance(_eyes(photographs, None), ClipEyes)
    nowhere = AppSettings(home=tmp_path, model="flux-dev", clip=str(tmp_path / "nowhere"))
    with pytest.raises(Refusal, match="CLIP model .* cannot be loaded"):
        _eyes(nowhere, None)
