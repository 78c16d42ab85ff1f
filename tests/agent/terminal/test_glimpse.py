"""While steps run, a person sees what the picture is becoming, and the picture stays the same."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from tiny_flux import noise_picture, tiny_flux

from agent.state import Event
from agent.terminal.progress import Bar
from editing_core.editor import Editor, EditRequest, EditResult, Picture
from editing_core.latent_preview import LatentPreview
from editing_core.models.load import load
from editing_core.settings import EditSettings
from editing_core.solvers import SolverStep, integrate
from editing_core.worlds.registry import shipped_world


def test_what_lies_ahead_is_known_on_a_straight_path() -> None:
    """From noise to picture in a line, every step points at the picture itself."""
    noise, picture = torch.randn(2, 1, 4, 64, generator=torch.Generator().manual_seed(0))
    steps: list[SolverStep] = []
    times = torch.tensor([1, 0.7, 0.2, 0])
    integrate(lambda x, t, call: noise - picture, noise, times, on_step=steps.append)
    for step in steps:
        torch.testing.assert_close(step.pred_x0, picture)


@pytest.mark.weights
def test_colours_are_where_they_are_in_the_picture() -> None:
    flux = load()
    picture = shipped_world().sample()[0].resize((240, 144))
    seen = LatentPreview(flux)(flux.encode(picture), flux.canvas(*picture.size))
    assert seen.size == (15, 9)
    true = np.asarray(picture.resize(seen.size, Image.Resampling.BOX)).astype(float)
    apart = np.abs(np.asarray(seen) - true).mean()
    assert apart < 20 < np.abs(true - true.mean((0, 1))).mean(), "nearer than its mean colour is"


@pytest.mark.parametrize("method", ["mtc", "steady", "fireflow"])
def test_an_edit_shows_every_step_of_sampling(method: str) -> None:
    picture = Picture(noise_picture(40, 56))
    request = EditRequest(picture, picture, "a woman", "a woman with a red hat", ("hat",))
    settings, shown = EditSettings(steps=3), []

    def edited(**more: object) -> EditResult:
        return Editor(tiny_flux()).edit(request, settings=settings, method=method, **more)  # type: ignore[arg-type]

    seen = edited(on_glimpse=shown.append)
    assert torch.equal(seen.latents, edited().latents)
    assert [image.size for image in shown] == [(5, 7)] * 3


def test_the_bar_shows_it_below(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR")
    out = io.StringIO()
    bar = Bar(Console(file=out, force_terminal=True, width=60, color_system="truecolor"))
    bar.show(Image.new("RGB", (4, 4)))  # no edit runs yet
    event = Event(event="step", time=0, session="s", data={"phase": "sample", "i": 1, "of": 2})
    bar.advance(event)
    bar.show(Image.new("RGB", (16, 16), (200, 10, 10)))
    bar.stop()
    assert "repainting 1/2" in out.getvalue()
    assert "200;10;10" in out.getvalue()
