"""FLUX.2 klein's files are found, judged, planned for and edited with, as every model's are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fake_calls import fake_call
from tiny_flux import noise_picture
from tiny_flux2 import write_repository2
from torch._subclasses.fake_tensor import FakeTensorMode

from editing_core.bench.timing import LiveBytes
from editing_core.editor import Editor, draw_noise
from editing_core.errors import EditError, ModelMissing
from editing_core.models.canvas import Canvas
from editing_core.models.configs import KLEIN_BASE
from editing_core.models.flux2 import TEXT_LAYERS, DistilledFlux2, Flux2
from editing_core.models.layouts import build
from editing_core.models.load import load
from editing_core.models.loader import planned
from editing_core.models.memory_plan import (
    BY_NAME,
    GB,
    TYPICAL,
    forward_bytes,
    peak_bytes,
    sizes_of,
    vae_bytes,
)
from editing_core.settings import PRESETS
from tools.edit_picture import edit_picture
from tools.pictures import PictureStore

PROMPT = "a portrait of a woman with a red hat"
STEP = SimpleNamespace(
    source_prompt="a portrait of a woman",
    target_prompt=PROMPT,
    edit_words=("hat",),
    request="a red hat for her",
)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("klein")
    return folder, write_repository2(folder)


@pytest.fixture
def folder(written: tuple[Path, dict[str, Any]], tmp_path: Path) -> Path:
    return Path(shutil.copytree(written[0], tmp_path / "model"))


def change(folder: Path, part: str, **values: Any) -> None:
    file = folder / part / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def velocity(model: Any) -> torch.Tensor:
    canvas = model.canvas(48, 32)
    noise = draw_noise(0, canvas, model.channels)
    return model.velocity(noise, 1.0, model.encode_text(PROMPT), guidance=4.0, canvas=canvas)


def test_the_folder_is_loaded(written: tuple[Path, dict[str, Any]]) -> None:
    folder, parts = written
    model = load(str(folder), device="cpu")
    assert type(model) is Flux2 and model.spec.references == 10 and model.spec.invertible
    assert model.weights_hash != "unsaved"
    expected = velocity(Flux2(**parts, name="written"))
    torch.testing.assert_close(velocity(model), expected, atol=1e-5, rtol=0)


def test_it_draws_what_the_stock_pipeline_draws(written: tuple[Path, dict[str, Any]]) -> None:
    """Both loaded from the same folder, with the layers of text that klein has."""
    from diffusers import Flux2KleinPipeline

    model = load(str(written[0]), device="cpu")
    pipeline = Flux2KleinPipeline.from_pretrained(written[0])
    pipeline.set_progress_bar_config(disable=True)
    heard: list[torch.Tensor] = []
    pipeline.transformer.register_forward_hook(lambda m, a, out: heard.append(out[0]))
    canvas = model.canvas(48, 32)
    noise = draw_noise(0, canvas, model.channels)
    pipeline(
        prompt=PROMPT,
        height=32,
        width=48,
        num_inference_steps=1,
        guidance_scale=4.0,
        latents=noise.transpose(1, 2).unflatten(2, (canvas.rows, canvas.cols)),
        max_sequence_length=model.text_length,
        text_encoder_out_layers=TEXT_LAYERS,
        output_type="latent",
    )
    wanted, empty = heard
    expected = empty + 4.0 * (wanted - empty)
    torch.testing.assert_close(velocity(model), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("method", ["steady", "mtc"])
def test_a_picture_is_edited(
    written: tuple[Path, dict[str, Any]], tmp_path: Path, method: str
) -> None:
    store = PictureStore(tmp_path)
    head = store.put(noise_picture(48, 32))
    settings = PRESETS["steady" if method == "steady" else "paper"]
    editor = Editor(load(str(written[0]), device="cpu"))
    edited = edit_picture(
        editor, store, head=head, original=head, step=STEP, seed=3, settings=settings, method=method
    )
    assert store.get(edited.picture).image.size == (48, 32)
    assert edited.picture != head and edited.columns


def test_a_distilled_one_is_known_by_its_folder(tmp_path: Path) -> None:
    """It has four steps and one guidance, so it cannot be inverted."""
    write_repository2(tmp_path, distilled=True)
    model = load(str(tmp_path), device="cpu")
    assert type(model) is DistilledFlux2
    before = model.forwards
    velocity(model)
    assert model.forwards == before + 1
    from test_models import edit_request

    with pytest.raises(EditError, match="too few steps"):
        Editor(model).edit(edit_request(), method="mtc")


@pytest.mark.parametrize(
    ("part", "values", "said"),
    [
        ("transformer", {"num_layers": 3}, "no transformer_blocks.2."),
        ("transformer", {"axes_dims_rope": 32}, '"axes_dims_rope" must be a list'),
        ("transformer", {"in_channels": 99}, "made for another task"),
        ("transformer", {"_class_name": "PixArtTransformer2DModel"}, "FLUX.1 and FLUX.2 klein"),
        ("text_encoder", {"model_type": "mistral3"}, "reads prompts with a mistral3"),
        ("text_encoder", {"hidden_size": 16}, "do not fit its config.json"),
        ("vae", {"layers_per_block": 10**6}, "asks for 1000000 layers"),
    ],
)
def test_a_wrong_configuration_is_told_of(
    folder: Path, part: str, values: dict[str, Any], said: str
) -> None:
    change(folder, part, **values)
    with pytest.raises(ModelMissing) as refused:
        load(str(folder), device="cpu")
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_what_a_folder_lacks_is_told_of(folder: Path) -> None:
    shutil.rmtree(folder / "tokenizer")
    with pytest.raises(ModelMissing, match=r"not a FLUX\.2 klein model.*it has no tokenizer"):
        load(str(folder), device="cpu")
    shutil.rmtree(folder / "transformer")
    with pytest.raises(ModelMissing, match="it has no transformer"):
        load(str(folder), device="cpu")


def test_the_parameters_of_klein() -> None:
    """As published in 16 bits: 7.75 GB, and 8.05 GB of Qwen3-4B."""
    sizes = sizes_of(KLEIN_BASE)
    assert 2 * sizes.transformer / GB == pytest.approx(7.75, abs=0.005)
    assert 2 * sizes.text / GB == pytest.approx(8.05, abs=0.006)


@pytest.mark.parametrize(
    ("level", "tile", "expected"),
    [
        # 7.75 transformer + 8.04 text + 0.34 VAE + 3.22 of its work
        ("full", 1024, 19.36),
        ("lean", 1024, 11.31),
    ],
)
def test_the_peak_of_klein(level: str, tile: int, expected: float) -> None:
    peak = peak_bytes(sizes_of(KLEIN_BASE), BY_NAME[level], TYPICAL, tile, 2)
    assert peak / GB == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("each", [2, 4])
@pytest.mark.parametrize("canvas", [Canvas(512, 512), Canvas(2048, 1360)])
def test_a_call_needs_what_is_predicted(canvas: Canvas, each: int) -> None:
    """Counted on fake tensors of klein's width; depth does not matter."""
    one_each = KLEIN_BASE["transformer"] | {"num_layers": 1, "num_single_layers": 1}
    with FakeTensorMode():
        dtype = torch.bfloat16 if each == 2 else torch.float32
        transformer, call = fake_call(KLEIN_BASE | {"transformer": one_each}, canvas, dtype)
        with LiveBytes(transformer) as alive:
            call()
    predicted = forward_bytes(sizes_of(KLEIN_BASE), canvas, each)
    assert predicted == pytest.approx(alive.peak, rel=0.1)


def test_the_vae_needs_what_is_predicted() -> None:
    with FakeTensorMode():
        vae = build(KLEIN_BASE, only="vae")["vae"].eval()
        with torch.no_grad(), LiveBytes(vae) as alive:
            vae.encode(torch.zeros(1, 3, 512, 512))
            vae.decode(torch.zeros(1, 32, 64, 64))
    predicted = vae_bytes(sizes_of(KLEIN_BASE), Canvas(512, 512), 1024)
    assert predicted == pytest.approx(alive.peak, rel=0.1)


def test_it_is_planned_for(written: tuple[Path, dict[str, Any]]) -> None:
    held = planned(str(written[0]), device="cpu", memory="full")
    assert held.plan is not None and "everything stays there" in held.said()
    assert load(str(written[0]), device="cpu", memory="full").held is not None
