"""Families with a stock pipeline of their own draw what it draws, from memory and from a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tiny_qwen
import tiny_sd3
import tiny_z_image
import torch
from drawn_pictures import drawn

from editing_core.editor import draw_noise
from editing_core.models.load import load
from editing_core.models.qwen_image import QwenImage
from editing_core.models.sd3 import StableDiffusion3
from editing_core.models.z_image import ZImage


@dataclass(frozen=True)
class Family:
    """A family, and how it is made tiny."""

    kind: type
    tiny: Callable[[], Any]
    write: Callable[[Path], Path]
    support: ModuleType
    fewest: int = 1
    """Steps that its stock pipeline can walk."""
    flat: bool = False
    """Whether the pipeline returns packed latents."""


FAMILIES = {
    "Qwen-Image": Family(
        QwenImage, tiny_qwen.tiny_qwen, tiny_qwen.write_qwen, tiny_qwen, fewest=2, flat=True
    ),
    "SD3.5": Family(StableDiffusion3, tiny_sd3.tiny_sd3, tiny_sd3.write_sd3, tiny_sd3),
    "Z-Image": Family(ZImage, tiny_z_image.tiny_z, tiny_z_image.write_z, tiny_z_image),
}
every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


@every_family
@pytest.mark.parametrize("guidance", [1.0, 4.0])
@pytest.mark.parametrize("more", [0, 3])
def test_it_draws_what_the_stock_pipeline_draws(family: Family, guidance: float, more: int) -> None:
    """Text, places, guidance and schedule; one step ends at noise - v, so v is known, too."""
    model, steps = family.tiny(), family.fewest + more
    canvas = model.canvas(48, 80)
    noise = draw_noise(3, canvas, model.channels)
    ours = drawn(model, noise, canvas, steps, guidance)
    how = {"steps": steps, "guidance": guidance, "output_type": "latent"}
    expected = family.support.stock(noise, canvas, **how)
    ours = ours if family.flat else model.to_grid(ours, canvas)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)


@every_family
def test_its_pictures_are_the_stock_pipelines(family: Family) -> None:
    model = family.tiny()
    canvas = model.canvas(48, 80)
    noise = draw_noise(3, canvas, model.channels)
    (expected,) = family.support.stock(noise, canvas, steps=2, guidance=1.0, output_type="np")
    picture = np.asarray(model.decode(drawn(model, noise, canvas, 2, 1.0), canvas))
    assert np.abs(picture / 255 - expected).max() <= 0.5 / 255 + 1e-4


@every_family
def test_a_folder_is_loaded(family: Family, tmp_path: Path) -> None:
    model = load(str(family.write(tmp_path)), device="cpu")
    assert type(model) is family.kind and model.spec.invertible
    canvas = model.canvas(48, 32)
    noise = draw_noise(0, canvas, model.channels)
    ours, theirs = (drawn(m, noise, canvas, 2, 4.0) for m in (model, family.tiny()))
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
