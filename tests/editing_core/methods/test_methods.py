"""The rivals of the paper, each against known answers and a derivation of its own written out."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from method_cases import (
    SETTINGS,
    SOLVERS,
    SOURCE,
    close,
    context,
    far,
    intervals,
    processors,
    request,
    times_of,
    velocity,
)
from tiny_flux import tiny_flux

from editing_core.editor import Editor, Picture
from editing_core.methods import flowedit, rf_inversion, steady
from editing_core.methods.registry import METHODS
from editing_core.models.canvas import unpack
from editing_core.settings import PRESETS, EditSettings

# All of them


@pytest.mark.parametrize("method", SOLVERS)
def test_the_same_seed_gives_the_same_picture_of_the_same_size(method):
    heard = []
    first, second = (
        Editor(tiny_flux()).edit(
            request(size=(33, 47)),
            settings=SETTINGS,
            seed=7,
            method=method,
            on_step=lambda *step: heard.append(step),
        )
        for _ in range(2)
    )
    assert first.picture.size == (33, 47)
    assert torch.equal(first.latents, second.latents)
    assert np.array_equal(np.asarray(first.picture), np.asarray(second.picture))
    told = heard[: len(heard) // 2]
    assert told == heard[len(heard) // 2 :]
    for phase in dict.fromkeys(phase for phase, _, _ in told):
        steps = [(index, of) for name, index, of in told if name == phase]
        assert steps == [(index, len(steps)) for index in range(len(steps))]
    assert told[-1][0] == "sample"


@pytest.mark.parametrize("method", SOLVERS)
def test_another_seed_matters_where_there_is_noise(method):
    first, other = (METHODS[method].edit(context(seed=seed)).latents for seed in (7, 8))
    random = {"mtc", "rf-inversion", "flowedit", "regenerate", "steady"}
    assert torch.equal(first, other) == (method not in random)


CALLS = {
    "steady": (0, 10),
    "mtc": (6, 6),
    "fireflow": (6, 6),
    "rf-inversion": (5, 5),
    "rf-solver": (10, 10),
    "flowedit": (0, 8),
    "stableflow": (5, 10),
    "masactrl": (5, 10),
    "pnp": (5, 10),
    "euler": (5, 5),
    "regenerate": (0, 6),
}
"""Model calls of 5 steps: of the inversion, which is remembered, and of the sampling."""


@pytest.mark.parametrize("method", SOLVERS)
def test_model_calls_are_counted_and_inversions_remembered(method):
    editor = Editor(tiny_flux())
    first, again = (
        editor.edit(request(), settings=SETTINGS, seed=7, method=method) for _ in range(2)
    )
    inverting, sampling = CALLS[method]
    assert first.report.forwards == inverting + sampling
    assert again.report.forwards == sampling
    assert torch.equal(first.latents, again.latents)


def test_methods_take_none_of_each_others_inversions():
    editor = Editor(tiny_flux())
    for method in SOLVERS:
        edited = editor.edit(request(), settings=SETTINGS, seed=7, method=method)
        assert torch.equal(edited.latents, METHODS[method].edit(context()).latents), method


@pytest.mark.parametrize("phase", ["invert", "sample"])
@pytest.mark.parametrize("method", SOLVERS)
def test_an_interrupted_edit_leaves_the_model_clean(method, phase):
    def stop(at, index, of):
        if (at, index) == (phase, 1):
            raise KeyboardInterrupt

    before, editor = processors(), Editor(tiny_flux())
    if CALLS[method][0] or phase == "sample":
        with pytest.raises(KeyboardInterrupt):
            editor.edit(request(), settings=SETTINGS, seed=7, method=method, on_step=stop)
    assert processors() == before
    after = editor.edit(request(), settings=SETTINGS, seed=7, method=method)
    assert torch.equal(after.latents, METHODS[method].edit(context()).latents)


@pytest.mark.parametrize("method", SOLVERS)
def test_guidance_is_that_of_the_settings(method):
    weak, strong = (
        METHODS[method].edit(context(settings=replace(SETTINGS, guidance=guidance))).latents
        for guidance in (2.0, 4.0)
    )
    assert not torch.equal(weak, strong)


@pytest.mark.parametrize("method", SOLVERS)
def test_the_settings_it_reads_are_named(method):
    read = set()

    class Watched(EditSettings):
        def __getattribute__(self, name):
            read.add(name)
            return super().__getattribute__(name)

    settings = Watched(steps=3, guide_from=1, lqr_steps=None)
    read.clear()
    Editor(tiny_flux()).edit(request(), settings=settings, method=method)
    assert read & {field.name for field in fields(EditSettings)} == set(METHODS[method].reads)


def test_each_has_a_summary_of_one_line():
    for name, spec in METHODS.items():
        assert spec.summary.endswith("."), name


# FlowEdit and RF-Inversion


def test_flowedit_between_equal_prompts_returns_the_picture():
    same = context(SOURCE, replace(SETTINGS, guidance=flowedit.PUBLISHED.source_guidance))
    assert torch.equal(flowedit.edit(same).latents, same.current)


def test_flowedit_written_out():
    of = context()
    random = torch.Generator().manual_seed(7)
    x = edited = of.current
    for t, t_next in intervals(times_of(of))[1:]:  # 4 of 28 steps are 1 of 5
        change = 0
        for _ in range(2):
            noisy = (1 - t) * x + t * torch.randn(x.shape, generator=random)
            wanted = velocity(of, edited + noisy - x, t, of.target, 2.5)
            change = change + (wanted - velocity(of, noisy, t, of.source, 1.5)) / 2
        edited = edited + (t_next - t) * change
    close(flowedit.edit(of, replace(flowedit.PUBLISHED, draws=2)).latents, edited)


def test_steady_asked_for_nothing_changes_nothing():
    same = steady.edit(context(SOURCE))
    assert torch.equal(same.latents, context().current) and not same.region.any()
    editor, asked = Editor(tiny_flux()), request(SOURCE)
    for seed in range(3):
        result = editor.edit(asked, settings=PRESETS["steady"], seed=seed, method="steady")
        assert result.picture.tobytes() == asked.current.image.tobytes()
        asked = replace(asked, current=Picture(result.picture, result.latents))


def test_steady_with_nothing_let_alone_is_flowedit_at_one_guidance():
    of, everywhere = context(), steady.SteadyConfig(hardly=-1.0, clearly=0.0)
    even = flowedit.FlowEditConfig(skipped=0.0, source_guidance=SETTINGS.guidance)
    close(steady.edit(of, everywhere).latents, flowedit.differences(of, even))
    close(
        steady.edit(of, steady.SteadyConfig(free_steps=99)).latents, flowedit.differences(of, even)
    )


def test_steady_leaves_latent_pixels_where_the_velocities_hardly_part():
    of, met = context(), []

    def heard(i, x, t, t_next, v):
        met.append(unpack(v, of.canvas)[0].pow(2).mean(0).sqrt())
        return v

    numbers = steady.SteadyConfig(hardly=0.7, clearly=0.9, free_steps=99)
    made = steady.edit(of, numbers)
    even = flowedit.FlowEditConfig(skipped=0.0, source_guidance=SETTINGS.guidance)
    flowedit.differences(of, even, control=heard)
    share = torch.stack(met).mean(0) / torch.stack(met).mean(0).max()
    close(made.region, ((share - 0.7) / 0.2).clamp(0, 1))
    kept = steady.edit(of, replace(numbers, free_steps=0))
    let_alone = kept.region == 0
    assert let_alone.any() and not let_alone.all()
    same = unpack(kept.latents, of.canvas) - unpack(of.current, of.canvas)
    assert same[0, :, let_alone].abs().max() < 1e-5


def test_steady_by_token_has_a_region_of_tokens():
    region = steady.edit(context(), steady.SteadyConfig(by_token=True)).region
    whole = region[::2, ::2].repeat_interleave(2, 0).repeat_interleave(2, 1)
    assert torch.equal(region, whole) and region.max() == 1


def test_rf_inversion_pulled_all_the_way_reaches_the_picture():
    of = context()
    numbers = replace(rf_inversion.PUBLISHED, eta=1.0, share=1.0)
    close(rf_inversion.edit(of, numbers).latents, of.current)
    assert far(rf_inversion.edit(of).latents, of.current)


def test_rf_inversion_written_out():
    of, null = context(), tiny_flux().encode_text("")
    x = of.current
    for t, t_next in intervals(times_of(of)[::-1]):
        u = velocity(of, x, t, null, 1.0)
        x = x + (t_next - t) * (u + 0.5 * ((of.noise - x) / (1 - t) - u))
    for i, (t, t_next) in enumerate(intervals(times_of(of))):
        u = -velocity(of, x, t, of.target, 2.5)
        pull = 0.9 if i < 1 else 0.0  # 7 of 28 steps are 1 of 5
        x = x + (t - t_next) * (u + pull * ((of.current - x) / t - u))
    close(rf_inversion.edit(of).latents, x)
