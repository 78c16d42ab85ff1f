"""The contract of a model, kept by every family, with tiny random weights."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from tiny_flux import deep_flux, noise_picture, tiny_flux, tiny_kontext, tiny_parts
from tiny_flux2 import TEXT_LAYERS, tiny_flux2, tiny_parts2
from tiny_qwen import tiny_qwen
from tiny_qwen_edit import tiny_qwen_edit
from tiny_sd3 import tiny_sd3
from tiny_z_image import tiny_z

from editing_core.attention_hook import AttentionHook
from editing_core.bench.timing import LiveBytes
from editing_core.editor import Editor, EditRequest, Picture, draw_noise
from editing_core.errors import EditError
from editing_core.models.canvas import Canvas
from editing_core.models.load import FAMILIES
from editing_core.models.memory_plan import forward_bytes, sizes_in, transformer_bytes, vae_bytes
from editing_core.settings import PRESETS
from editing_core.solvers import integrate_euler
from editing_core.token_alignment import columns_of

DEEP, KONTEXT = "FLUX.1 with tokens of 32 pixels", "FLUX.1 Kontext"
EDIT = "Qwen-Image-Edit"
TINY = {
    "FluxTransformer2DModel": tiny_flux,
    "Flux2Transformer2DModel": tiny_flux2,
    "QwenImageTransformer2DModel": tiny_qwen,
    "ZImageTransformer2DModel": tiny_z,
    "SD3Transformer2DModel": tiny_sd3,
    DEEP: deep_flux,
    KONTEXT: tiny_kontext,
    EDIT: tiny_qwen_edit,
}
FILLED = {"ZImageTransformer2DModel": 32}
"""Text and image are each filled up to a multiple of so many tokens; the image's stand last."""
SOURCE, TARGET = "a young woman with a brown bob", "a young woman with a brown bob, a red hat"
every_family = pytest.mark.parametrize("kind", FAMILIES)
every_model = pytest.mark.parametrize("kind", TINY)


def model_of(kind: str) -> Any:
    return TINY[kind]()


def velocity(model: Any, x: torch.Tensor, prompt: str = TARGET, **how: Any) -> torch.Tensor:
    canvas = model.canvas(48, 80)
    told = {"guidance": 3.0, "canvas": canvas} | how
    return model.velocity(x, 0.7, model.encode_text(prompt), **told)


def states(model: Any, seed: int = 0) -> torch.Tensor:
    return draw_noise(seed, model.canvas(48, 80), model.channels)


def edit_request(target: str = TARGET, words: tuple[str, ...] = ("red", "hat")) -> EditRequest:
    current, original = (Picture(noise_picture(48, 32, seed=seed)) for seed in (1, 2))
    return EditRequest(current, original, SOURCE, target, words)


class Watcher(AttentionHook):
    """Changes nothing and keeps what it saw."""

    def __init__(self, layers: Any) -> None:
        super().__init__(layers)
        self.seen: list[Any] = []

    def attended(self, call: Any) -> torch.Tensor:
        self.seen.append(call)
        return call.attend(call.query, call.key, call.value)


@every_family
def test_every_family_is_here_and_knows_itself(kind: str) -> None:
    model = model_of(kind)
    assert isinstance(model, FAMILIES[kind])
    assert type(model.transformer).__name__ == kind
    assert all(hasattr(model, part) for part in model.spec.parts)


@every_model
@pytest.mark.parametrize("size", [(48, 32), (33, 47)])
def test_pictures_go_there_and_back_in_any_size(kind: str, size: tuple[int, int]) -> None:
    model, picture = model_of(kind), noise_picture(*size)
    canvas = model.canvas(*size)
    x = model.encode(picture)
    assert x.shape == (1, canvas.tokens, model.channels) and x.dtype == torch.float32
    assert torch.equal(model.from_grid(model.to_grid(x, canvas)), x)
    assert model.decode(x, canvas).size == size
    assert np.array_equal(np.asarray(model.decode(x, canvas)), np.asarray(model.decode(x, canvas)))


@pytest.mark.parametrize(("kind", "side"), [("FluxTransformer2DModel", 16), (DEEP, 32)])
def test_a_token_is_as_large_as_the_vae_makes_it(kind: str, side: int) -> None:
    model = model_of(kind)
    assert model.spec.token_side == side
    assert model.encode(noise_picture(96, 64)).shape[1] == (96 // side) * (64 // side)


@every_model
def test_times_fall_from_noise_to_picture(kind: str) -> None:
    model = model_of(kind)
    times = model.times(8, model.canvas(48, 80))
    assert times.shape == (9,) and times.dtype == torch.float64
    assert times[0] == pytest.approx(1) and times[-1] == 0 and (times.diff() < 0).all()


@every_model
def test_offsets_are_those_of_the_prompt(kind: str) -> None:
    text = model_of(kind).encode_text(TARGET)
    assert text.embeds.shape[:2] == (1, len(text.offsets))
    found = [TARGET[slice(*text.offsets[i])].strip() for i in columns_of(text, ["red", "hat"])]
    assert "".join(found) == "redhat"
    said = "".join(TARGET[start:end] for start, end in text.offsets)
    assert said.replace(" ", "") == TARGET.replace(" ", "")


@every_model
def test_a_word_said_again_is_found_in_all_its_places(kind: str) -> None:
    """Pieces of one word belong together; of a word that stands twice, the new place counts."""
    model = model_of(kind)
    target = f"{SOURCE}, smiling, smiling"
    text = model.encode_text(target)
    both = columns_of(text, ["smiling"], source_prompt=SOURCE)
    said = "".join(target[slice(*text.offsets[i])] for i in both)
    assert said.replace(" ", "") == "smilingsmiling"
    later = columns_of(text, ["smiling"], source_prompt=f"{SOURCE}, smiling")
    assert later == both[len(both) // 2 :]


@every_model
def test_steady_changes_nothing_where_nothing_is_asked(kind: str) -> None:
    request = edit_request(target=SOURCE, words=())
    settings = PRESETS["steady"]
    same = Editor(model_of(kind)).edit(request, settings=settings, seed=7, method="steady")
    assert same.picture.tobytes() == request.current.image.tobytes()


@every_model
def test_the_empty_prompt_has_no_words(kind: str) -> None:
    assert not any(end for _, end in model_of(kind).encode_text("").offsets)


@every_model
def test_a_hook_that_only_attends_changes_nothing(kind: str) -> None:
    model = model_of(kind)
    plain = velocity(model, states(model))
    with Watcher(model.attention()) as watcher:
        torch.testing.assert_close(velocity(model, states(model)), plain, atol=1e-6, rtol=0)
    text, image = model.encode_text(TARGET).embeds.shape[1], model.canvas(48, 80).tokens
    assert text <= model.text_length
    under = [call.prompted for call in watcher.seen]
    assert under.count(True) == len(model.attention())
    assert under.count(False) == (len(under) // 2 if model.spec.guidance == "cfg" else 0)
    for call in filter(lambda call: call.prompted, watcher.seen):
        assert call.query.shape == call.key.shape == call.value.shape
        fill = FILLED.get(kind, 1)
        before, shown = -(-text // fill) * fill, -(-image // fill) * fill
        assert call.query.shape[1] == before + shown
        assert (call.text, call.image) == (slice(0, before), slice(before, before + image))
        assert call.query.shape[-1] == call.layer.head_size
    assert torch.equal(velocity(model, states(model)), plain)


@every_model
def test_it_runs_in_half_precision(kind: str) -> None:
    """As on a GPU; hooks get what the network computes in, and the state stays float32."""
    model = model_of(kind)
    half = copy.copy(model)
    half.transformer = copy.deepcopy(model.transformer).to(torch.bfloat16)
    exact, plain = velocity(model, states(model)), velocity(half, states(model))
    assert plain.dtype == torch.float32
    assert 0 < (plain - exact).norm() / exact.norm() < 0.15  # another would differ by about 1
    with Watcher(half.attention()) as watcher:
        torch.testing.assert_close(velocity(half, states(model)), plain, atol=0.02, rtol=0)
    assert {call.query.dtype for call in watcher.seen} == {torch.bfloat16}


@every_model
def test_layers_are_in_order(kind: str) -> None:
    layers = model_of(kind).attention()
    assert [layer.index for layer in layers] == list(range(len(layers)))
    depths = [layer.depth for layer in layers]
    assert depths == sorted(depths) and (depths[0], depths[-1]) == (0, 1)
    assert [layer.stream for layer in layers] == sorted(layer.stream for layer in layers)


@every_model
def test_each_layer_matters_and_is_put_back_after_an_error(kind: str) -> None:
    model = model_of(kind)
    plain = velocity(model, states(model))

    class Blind(AttentionHook):
        def attended(self, call: Any) -> torch.Tensor:
            return torch.zeros_like(call.query)

    for layer in model.attention():
        with Blind([layer]):
            assert (velocity(model, states(model)) - plain).abs().max() > 1e-5, layer.index
    with pytest.raises(KeyboardInterrupt), Blind(model.attention()):
        raise KeyboardInterrupt
    assert torch.equal(velocity(model, states(model)), plain)


@every_model
def test_a_layers_block_can_be_left_out(kind: str) -> None:
    """As if it had never been there."""
    model = model_of(kind)
    plain = velocity(model, states(model))
    for layer in model.attention():
        with layer.skip():
            without = velocity(model, states(model))
        less = copy.copy(model)
        less.transformer = copy.deepcopy(model.transformer)
        number = list(model.transformer.modules()).index(layer.block)
        block = list(less.transformer.modules())[number]
        for blocks in less.transformer.modules():
            if isinstance(blocks, torch.nn.ModuleList) and block in list(blocks):
                del blocks[list(blocks).index(block)]
        torch.testing.assert_close(without, velocity(less, states(model)), atol=1e-6, rtol=0)
        assert (without - plain).abs().max() > 1e-5, layer.index
    assert torch.equal(velocity(model, states(model)), plain)


@every_model
def test_more_references_than_it_can_look_at_are_refused(kind: str) -> None:
    model = model_of(kind)
    references = [states(model)] * (model.spec.references + 1)
    with pytest.raises(EditError, match=f"{model.spec.references} other pictures at most"):
        velocity(model, states(model), references=references)


@every_model
def test_references_are_looked_at(kind: str) -> None:
    model = model_of(kind)
    if not model.spec.references:
        pytest.skip("the family looks at no other pictures")
    plain = velocity(model, states(model))
    with Watcher(model.attention()) as watcher:
        looking = velocity(model, states(model), references=[states(model, 1)])
    assert looking.shape == plain.shape and not torch.allclose(looking, plain, atol=1e-5)
    image = watcher.seen[0].image
    assert image.stop - image.start == model.canvas(48, 80).tokens
    assert torch.equal(velocity(model, states(model)), plain)


@every_model
@pytest.mark.parametrize("method", ["steady", "mtc", "fireflow", "masactrl"])
def test_an_edit_runs(kind: str, method: str) -> None:
    request = edit_request()
    settings = PRESETS["steady" if method == "steady" else "paper"]
    first, again = (
        Editor(model_of(kind)).edit(request, settings=settings, seed=7, method=method)
        for _ in range(2)
    )
    assert first.picture.size == (48, 32) and torch.equal(first.latents, again.latents)
    assert first.picture.tobytes() != request.current.image.tobytes()
    assert first.report.columns
    if method == "mtc":
        assert first.mask is not None and first.report.blocks


@every_model
def test_it_needs_the_memory_that_is_predicted(kind: str) -> None:
    """Weights to the byte, and the tensors of a model call and of the VAE as they come and go.

    The places of tokens, which are as wide as a head, weigh more beside tiny blocks, so a call may
    take half as much again; at the published width (`test_full_width.py`) it comes nearer.
    """
    model = model_of(kind)
    canvas, text = model.canvas(512, 512), model.encode_text(TARGET)
    parts = {part: getattr(model, part) for part in model.spec.parts}
    sizes = sizes_in(parts, text_tokens=text.embeds.shape[1])
    kept = model.transformer.state_dict().values()
    assert transformer_bytes(sizes, "plain", 4) == sum(tensor.nbytes for tensor in kept)
    noise = draw_noise(0, canvas, model.channels)
    with LiveBytes(model.transformer) as alive:
        model.velocity(noise, 0.7, text, guidance=1.0, canvas=canvas)
    assert 0.65 < forward_bytes(sizes, canvas, 4) / alive.peak < 1.1
    with LiveBytes(model.vae) as alive:
        model.decode(noise, canvas)
    assert 0.9 < vae_bytes(sizes, canvas, 1024) / alive.peak < 1.7


# Each against the stock pipeline of its family


def klein_pipeline() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, Flux2KleinPipeline

    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    pipeline = Flux2KleinPipeline(scheduler=scheduler, **tiny_parts2())
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def klein(
    noise: torch.Tensor, canvas: Canvas, *, guidance: float, steps: int, image: Any = None
) -> Any:
    """What the stock pipeline makes of noise: latents, as the VAE decodes them."""
    return klein_pipeline()(
        image=image,
        prompt=TARGET,
        height=canvas.height,
        width=canvas.width,
        num_inference_steps=steps,
        guidance_scale=guidance,
        latents=noise.transpose(1, 2).unflatten(2, (canvas.rows, canvas.cols)),
        max_sequence_length=48,
        text_encoder_out_layers=TEXT_LAYERS,
        output_type="latent",
    ).images


@pytest.mark.parametrize("guidance", [1.0, 4.0])
@pytest.mark.parametrize("shown", [False, True])
def test_flux_2_is_the_stock_pipelines(guidance: float, shown: bool) -> None:
    """Text, places, guidance, schedule, references and statistics, over four Euler steps."""
    model = tiny_flux2()
    canvas, picture = model.canvas(64, 96), noise_picture(64, 96, seed=3)
    noise = draw_noise(3, canvas, model.channels)
    text = model.encode_text(TARGET)
    how = {"guidance": guidance, "canvas": canvas}
    how |= {"references": [model.encode(picture)]} if shown else {}
    drawn = integrate_euler(
        lambda x, t, call: model.velocity(x, t, text, **how), noise, model.times(4, canvas)
    )
    expected = klein(noise, canvas, guidance=guidance, steps=4, image=picture if shown else None)
    torch.testing.assert_close(model._denormalised(drawn, canvas), expected, atol=1e-5, rtol=0)


def test_flux_2_velocity_is_the_stock_pipelines() -> None:
    """The first step of the pipeline ends at noise - v, so v is known to rounding."""
    model = tiny_flux2()
    canvas = model.canvas(48, 80)
    noise = draw_noise(4, canvas, model.channels)
    heard: list[torch.Tensor] = []
    hook = model.transformer.register_forward_hook(lambda m, a, out: heard.append(out[0]))
    try:
        klein(noise, canvas, guidance=1.0, steps=1)
    finally:
        hook.remove()
    v = model.velocity(noise, 1.0, model.encode_text(TARGET), guidance=1.0, canvas=canvas)
    torch.testing.assert_close(v, heard[0], atol=1e-5, rtol=0)


def test_flux_1_velocity_is_the_stock_pipelines() -> None:
    model, pipeline = tiny_flux(), tiny_parts().pipeline()
    pipeline.set_progress_bar_config(disable=True)
    canvas = model.canvas(48, 80)
    noise = draw_noise(4, canvas, model.channels)
    heard: list[torch.Tensor] = []
    hook = model.transformer.register_forward_hook(lambda m, a, out: heard.append(out[0]))
    try:
        pipeline(
            TARGET,
            height=80,
            width=48,
            num_inference_steps=1,
            guidance_scale=3.0,
            max_sequence_length=model.text_length,
            latents=noise,
            output_type="latent",
        )
    finally:
        hook.remove()
    v = model.velocity(noise, 1.0, model.encode_text(TARGET), guidance=3.0, canvas=canvas)
    torch.testing.assert_close(v, heard[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("shown", [False, True])
def test_kontext_is_the_stock_pipelines(shown: bool) -> None:
    """Over three Euler steps; its reference has the first coordinate 1."""
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxKontextPipeline

    model = tiny_kontext()
    canvas, picture = model.canvas(64, 96), noise_picture(64, 96, seed=3)
    noise = draw_noise(3, canvas, model.channels)
    parts = vars(tiny_parts())
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    pipeline = FluxKontextPipeline(scheduler=scheduler, **parts)
    pipeline.set_progress_bar_config(disable=True)
    expected = pipeline(
        image=picture if shown else None,
        prompt=TARGET,
        height=96,
        width=64,
        max_area=64 * 96,
        num_inference_steps=3,
        guidance_scale=2.5,
        latents=noise,
        max_sequence_length=model.text_length,
        output_type="latent",
        _auto_resize=False,
    ).images
    text = model.encode_text(TARGET)
    how = {"guidance": 2.5, "canvas": canvas}
    how |= {"references": [model.encode(picture)]} if shown else {}
    drawn = integrate_euler(
        lambda x, t, call: model.velocity(x, t, text, **how), noise, model.times(3, canvas)
    )
    torch.testing.assert_close(drawn, expected, atol=1e-5, rtol=0)
