"""A folder of every family is edited with through the tool that the agent calls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny_flux import noise_picture, tiny_parts
from tiny_qwen import write_qwen
from tiny_qwen_edit import write_qwen_edit
from tiny_sd3 import write_sd3
from tiny_z_image import write_z

from editing_core.editor import Editor
from editing_core.models.flux1 import Kontext
from editing_core.models.load import load
from editing_core.settings import PRESETS
from tools import provenance
from tools.edit_picture import edit_picture
from tools.pictures import PictureStore

STEP = SimpleNamespace(
    source_prompt="a portrait of a woman",
    target_prompt="a portrait of a woman with a red hat",
    edit_words=("hat",),
    request="a red hat for her",
)


def write_kontext(folder: Path) -> Path:
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxKontextPipeline

    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    FluxKontextPipeline(scheduler=scheduler, **vars(tiny_parts())).save_pretrained(folder)
    return folder


def edited(folder: Path, store: PictureStore, method: str) -> None:
    head = store.put(noise_picture(48, 32))
    editor = Editor(load(str(folder), device="cpu"))
    settings = PRESETS["paper" if method == "mtc" else "steady"]
    made = edit_picture(
        editor, store, head=head, original=head, step=STEP, seed=3, settings=settings, method=method
    )
    recipe = provenance.read(store.path(made.picture))
    assert recipe is not None and recipe["model"] == str(folder) and recipe["method"] == method
    assert store.get(made.picture).image.size == (48, 32)
    assert made.picture != head and made.columns


@pytest.mark.parametrize("method", ["steady", "mtc"])
@pytest.mark.parametrize("write", [write_qwen, write_qwen_edit, write_z, write_sd3])
def test_a_picture_is_edited(write: Callable[[Path], Path], method: str, tmp_path: Path) -> None:
    edited(write(tmp_path / "model"), PictureStore(tmp_path / "store"), method)


def test_kontext_is_known_by_its_pipeline(tmp_path: Path) -> None:
    """Its network is FLUX.1's, and model_index.json alone tells."""
    folder = write_kontext(tmp_path / "model")
    model = load(str(folder), device="cpu")
    assert type(model) is Kontext and model.spec.references == 1
    edited(folder, PictureStore(tmp_path / "store"), "instruct")
