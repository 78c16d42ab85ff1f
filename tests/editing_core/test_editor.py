from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_flux import noise_picture, tiny_flux, tiny_parts

import editing_core.editor
from editing_core.editor import Editor, EditRequest, Picture, draw_noise
from editing_core.errors import EditError, ModelMissing
from editing_core.models.canvas import Canvas
from editing_core.models.load import load
from editing_core.settings import PRESETS, EditSettings
from editing_core.solvers import integrate, shifted_times

PAPER = PRESETS["paper"]
QUICK = replace(PAPER, steps=5)  # the last step is emphasised
SOURCE, TARGET = "a young woman with a brown bob", "a young woman with a brown bob, a red hat"


def request(width=48, height=32, **changes):
    values = {
        "current": Picture(noise_picture(width, height, seed=1)),
        "original": Picture(noise_picture(width, height, seed=2)),
        "source_prompt": SOURCE,
        "target_prompt": TARGET,
        "edit_words": ("red", "hat"),
    }
    return EditRequest(**(values | changes))


def edit(wanted=None, editor=None, settings=QUICK, **how):
    return (editor or Editor(tiny_flux())).edit(wanted or request(), settings=settings, **how)


def plain_fireflow(wanted, settings):
    """Written out by hand: midpoint steps there and back, the last midpoint velocity reused."""
    flux, canvas = tiny_flux(), Canvas(*wanted.current.image.size)
    x = flux.encode(wanted.current.image)
    times = flux.times(settings.steps, canvas).tolist()
    for prompt, guidance, grid in (
        (wanted.source_prompt, settings.invert_guidance, times[::-1]),
        (wanted.target_prompt, settings.guidance, times),
    ):
        v = None
        for t, t_next in zip(grid[:-1], grid[1:], strict=True):
            dt, told = t_next - t, {"guidance": guidance, "canvas": canvas}
            if v is None:
                v = flux.velocity(x, t, flux.encode_text(prompt), **told)
            v = flux.velocity(x + dt / 2 * v, t + dt / 2, flux.encode_text(prompt), **told)
            x = x + dt * v
    return x


def test_without_guidance_and_words_it_walks_as_fireflow():
    unguided = replace(QUICK, eta=0.0, gamma=0.0)
    wanted = request(edit_words=())
    expected = plain_fireflow(wanted, unguided)
    assert torch.equal(edit(wanted, settings=unguided).latents, expected)


def test_each_part_of_the_method_matters():
    unguided = replace(QUICK, eta=0.0, gamma=0.0)
    wanted = request(edit_words=())
    fireflow = edit(wanted, settings=unguided).latents
    for part in (replace(unguided, eta=0.9), replace(unguided, gamma=0.5)):
        assert not torch.allclose(edit(wanted, settings=part).latents, fireflow, atol=1e-4)
    emphasised = edit(settings=unguided)
    assert emphasised.mask is not None
    assert not torch.allclose(emphasised.latents, fireflow, atol=1e-4)


def test_the_original_matters_only_below_lam_1():
    def latents(lam, seed):
        wanted = request(original=Picture(noise_picture(48, 32, seed=seed)))
        return edit(wanted, settings=replace(QUICK, lam=lam)).latents

    assert torch.equal(latents(1.0, 2), latents(1.0, 3))
    assert not torch.equal(latents(0.7, 2), latents(0.7, 3))


@pytest.mark.parametrize("size", [(48, 32), (33, 47), (21, 70)])
def test_any_size_is_kept(size):
    result = edit(request(*size), settings=replace(QUICK, tau=0.0))
    assert result.picture.size == size
    assert result.mask.size == size
    assert result.mask.mode == "L"
    assert result.latents.shape == (1, Canvas(*size).tokens, 64)


def test_noise_does_not_touch_the_global_generator():
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    draw_noise(7, Canvas(48, 32), 64)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_known_inversion_is_not_walked_again():
    editor = Editor(tiny_flux())
    first, again = edit(editor=editor), edit(editor=editor)
    assert first.report.forwards == 2 * (QUICK.steps + 1)
    assert again.report.forwards == QUICK.steps + 1
    assert torch.equal(first.latents, again.latents)


@pytest.mark.parametrize(
    ("wanted", "how"),
    [
        (request(), {"seed": 1}),
        (request(source_prompt="a woman"), {}),
        (request(current=Picture(noise_picture(48, 32, seed=9))), {}),
        (request(), {"settings": replace(QUICK, gamma=0.2)}),
        (request(), {"settings": replace(QUICK, steps=9)}),
        (request(), {"settings": replace(QUICK, inversion_prompt="null")}),
        (request(), {"method": "fireflow"}),
    ],
)
def test_another_inversion_is_walked(wanted, how):
    editor = Editor(tiny_flux())
    edit(editor=editor)
    fresh = edit(wanted, **how)
    after = edit(wanted, editor=editor, **how)
    assert after.report.forwards == fresh.report.forwards
    assert torch.equal(after.latents, fresh.latents)


def test_stronger_and_weaker_keep_the_inversion():
    editor = Editor(tiny_flux())
    edit(editor=editor)
    for settings in (QUICK.stronger(), QUICK.weaker()):
        assert edit(editor=editor, settings=settings).report.forwards == QUICK.steps + 1


def test_latents_go_on_from_turn_to_turn():
    first = edit()
    on = request(current=Picture(first.picture, first.latents))
    round_trip = request(current=Picture(first.picture))
    assert not torch.equal(edit(on).latents, edit(round_trip).latents)


def test_steps_are_told():
    heard = []
    edit(on_step=lambda *step: heard.append(step))
    expected = [(phase, i, 5) for phase in ("invert", "sample") for i in range(5)]
    assert heard == expected


def test_an_interrupted_edit_leaves_the_model_clean():
    editor = Editor(tiny_flux())
    expected = edit().latents

    def stop(phase, index, of):
        if phase == "sample" and index == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        edit(editor=editor, on_step=stop)
    assert torch.equal(edit(editor=editor).latents, expected)


def test_the_report():
    report = edit(seed=3).report
    nobody_measured_it = replace(QUICK, layers=())
    assert (report.method, report.seed, report.settings) == ("mtc", 3, nobody_measured_it)
    assert report.columns == (9, 10)
    assert report.seconds > 0


@pytest.mark.parametrize(
    ("wanted", "how", "sentence"),
    [
        (request(edit_words=("zebra",)), {}, "'zebra' is not in the prompt"),
        (request(), {"method": "magic"}, "no method magic; choose one of: steady, mtc"),
        (request(original=Picture(noise_picture(32, 32))), {}, "differ in size"),
        (
            request(current=Picture(noise_picture(48, 32), torch.zeros(1, 5, 64))),
            {},
            "latents have the shape",
        ),
    ],
)
def test_what_cannot_be_done_is_said(wanted, how, sentence):
    with pytest.raises(EditError, match=sentence):
        edit(wanted, **how)


def test_settings_refuse_nonsense():
    with pytest.raises(ValueError, match="eta must lie in"):
        EditSettings(eta=1.5)
    with pytest.raises(ValueError, match="steps"):
        EditSettings(steps=0)


def test_guided_steps():
    assert PAPER.guided_steps == 2
    assert PRESETS["paper-15"].guided_steps == 4
    assert PRESETS["code"].guided_steps == 3
    assert PAPER.stronger().guided_steps == 1
    assert PAPER.weaker().guided_steps == 3
    assert PAPER.stronger().guidance > PAPER.guidance > PAPER.weaker().guidance


def test_a_saved_model_is_loaded_and_draws_the_same(tmp_path):
    from copy import deepcopy

    deepcopy(tiny_parts()).save(tmp_path)
    loaded = load(str(tmp_path))
    assert loaded.dtype == torch.float32
    assert len(loaded.weights_hash) == 12
    assert loaded.text_length == tiny_flux().text_length
    drawn = edit(editor=Editor(loaded), method="regenerate").latents
    torch.testing.assert_close(drawn, edit(method="regenerate").latents, atol=0.05, rtol=0)


def test_drawing_from_noise_is_what_the_stock_pipeline_does(tmp_path):
    """Velocity, text and position ids against ``FluxPipeline``, by Euler steps of its own grid."""
    from editing_core.solvers import integrate_euler

    flux, canvas = tiny_flux(), Canvas(48, 80)
    pipeline = tiny_parts().pipeline()
    pipeline.set_progress_bar_config(disable=True)
    noise = draw_noise(3, canvas, flux.channels)
    expected = pipeline(
        TARGET,
        height=80,
        width=48,
        num_inference_steps=4,
        guidance_scale=3.0,
        max_sequence_length=flux.text_length,
        latents=noise,
        output_type="latent",
    ).images
    text = flux.encode_text(TARGET)
    drawn = integrate_euler(
        lambda x, t, call: flux.velocity(x, t, text, guidance=3.0, canvas=canvas),
        noise,
        flux.times(4, canvas),
    )
    torch.testing.assert_close(drawn, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("flux-schnell", "cannot invert"),
        ("black-forest-labs/FLUX.1-schnell", "cannot invert"),
        ("no-such-model", "There is no model 'no-such-model'"),
    ],
)
def test_models_that_cannot_be_had(model, sentence):
    with pytest.raises(ModelMissing, match=sentence):
        load(model)


def test_a_folder_that_is_no_model(tmp_path):
    with pytest.raises(ModelMissing, match="it has no transformer"):
        load(str(tmp_path))


def test_integrate_is_reversible_for_a_linear_flow():
    """Inversion is the same loop on the reversed grid."""
    x = torch.randn(3, dtype=torch.float64)
    times = shifted_times(50, 0.5)
    there = integrate(lambda x, t, call: 0.5 * x, x, times.flip(0))
    back = integrate(lambda x, t, call: 0.5 * x, there, times)
    torch.testing.assert_close(back, x, atol=1e-3, rtol=0)


def test_outside_its_region_every_pixel_stays(monkeypatch):
    wanted, left = request(112, 80), torch.zeros(10, 14)
    left[:, :7] = 1.0
    found = editing_core.editor.region
    monkeypatch.setattr("editing_core.editor.region", lambda context: found(context) * 0 + left)
    result = edit(wanted, settings=replace(QUICK, keep="outside"))
    before, after = (np.asarray(image) for image in (wanted.current.image, result.picture))
    outside = np.asarray(result.mask) == 0
    assert outside.any() and (before[outside] == after[outside]).all()
    plain = edit(wanted)
    assert result.report.forwards == plain.report.forwards + 4
    assert (np.asarray(plain.picture)[outside] != before[outside]).any()
