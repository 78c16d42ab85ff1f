"""Instructions followed by models that look at pictures, kept to the region of the edit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from method_cases import SOURCE, TARGET, close, far
from tiny_flux import noise_picture, tiny_flux, tiny_kontext
from tiny_flux2 import tiny_flux2
from tiny_qwen_edit import tiny_qwen_edit

from editing_core.editor import Editor, EditRequest, Picture
from editing_core.errors import EditError
from editing_core.methods import instruct
from editing_core.methods.context import EditContext
from editing_core.settings import EditSettings

STEPS = 4
SETTINGS = EditSettings(steps=STEPS, guidance=2.5, keep="outside")
every_model = pytest.mark.parametrize("model", [tiny_flux2, tiny_kontext, tiny_qwen_edit])
Make = Callable[[], Any]


def request(said: str = "give her a red hat") -> EditRequest:
    current, original = (Picture(noise_picture(96, 64, seed=seed)) for seed in (1, 2))
    return EditRequest(current, original, SOURCE, TARGET, ("hat",), instruction=said)


def context(model: Make, settings: EditSettings = SETTINGS, **changes: Any) -> EditContext:
    made = Editor(model())._context(request(), settings, 7, None)
    return replace(made, **changes)


@every_model
def test_the_same_seed_gives_the_same_picture(model: Make) -> None:
    first, again, other = (
        Editor(model()).edit(request(), settings=SETTINGS, seed=seed, method="instruct")
        for seed in (7, 7, 8)
    )
    assert first.picture.size == (96, 64) and torch.equal(first.latents, again.latents)
    assert not torch.equal(first.latents, other.latents)


@every_model
def test_outside_of_the_region_nothing_changes(model: Make) -> None:
    held = replace(instruct.InstructConfig(), hardly=0.6, clearly=0.8)
    with torch.no_grad():
        outcome = instruct.edit(context(model), held)
    made, before = (
        model().to_grid(x, context(model).canvas) for x in (outcome.latents, context(model).current)
    )
    still, free = outcome.region == 0, outcome.region == 1
    assert still.sum() > 0 and free.sum() > 0
    close(made[..., still], before[..., still])
    assert far(made[..., free], before[..., free])


@every_model
def test_an_instruction_that_says_nothing_changes_nothing(model: Make) -> None:
    nothing = model().encode_text("")
    settings = replace(SETTINGS, guidance=1.0)
    with torch.no_grad():
        same = instruct.edit(context(model, settings, instruction="", target=nothing))
    assert same.region.max() == 0
    close(same.latents, context(model).current)


@every_model
def test_where_nothing_is_kept_the_walk_is_the_models_own(model: Make) -> None:
    of = context(model, replace(SETTINGS, keep="nothing"))
    with torch.no_grad():
        x, text = of.noise, model().encode_text(of.instruction, of.pictures)
        times = of.model.times(STEPS, of.canvas).tolist()
        for t, t_next in zip(times[:-1], times[1:], strict=True):
            shown = [of.current, of.original][: model().spec.references]
            v = of.model.velocity(x, t, text, guidance=2.5, canvas=of.canvas, references=shown)
            x = x + (t_next - t) * v
        outcome = instruct.edit(of)
    close(outcome.latents, x)
    assert outcome.region is None


@every_model
def test_the_words_are_the_persons_own(model: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    encode = model().encode_text
    of = context(model)
    monkeypatch.setattr(
        model(), "encode_text", lambda said, seen=(): heard.append(said) or encode(said, seen)
    )
    with torch.no_grad():
        instruct.edit(of)
        instruct.edit(replace(of, instruction=""))
    assert [said for said in heard if said.strip()] == ["give her a red hat", TARGET]


def test_a_reader_that_sees_is_shown_the_same_pictures() -> None:
    of, looked = context(tiny_qwen_edit), []
    encode = of.model.encode_text
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(
            of.model, "encode_text", lambda said, seen=(): looked.append(seen) or encode(said, seen)
        )
        instruct.edit(of)
        instruct.edit(replace(of, original=of.current))
    assert {len(seen) for seen in looked} == {1, 2}
    assert all(seen[0].tobytes() == request().current.image.tobytes() for seen in looked)


def test_what_is_shown() -> None:
    """The picture to edit first, the original only if it is another and there is room."""
    of = context(tiny_flux2)
    shown = instruct.references(of)
    assert len(shown) == 2 and shown[0] is of.current and shown[1] is of.original
    assert len(instruct.references(replace(of, original=of.current.clone()))) == 1
    of = context(tiny_kontext)
    (alone,) = instruct.references(of)
    assert alone is of.current


@every_model
def test_an_interrupted_edit_leaves_the_model_clean(model: Make) -> None:
    def stop(phase: str, index: int, of: int) -> None:
        raise KeyboardInterrupt

    editor = Editor(model())
    with pytest.raises(KeyboardInterrupt):
        editor.edit(request(), settings=SETTINGS, method="instruct", on_step=stop)
    after = editor.edit(request(), settings=SETTINGS, seed=7, method="instruct")
    with torch.no_grad():
        again = Editor(model()).edit(request(), settings=SETTINGS, seed=7, method="instruct")
    assert torch.equal(after.latents, again.latents)


def test_calls_are_counted() -> None:
    """Two a step with Kontext; three with klein, whose guidance takes one more."""
    for model, each in ((tiny_kontext, 2), (tiny_flux2, 3)):
        edited = Editor(model()).edit(request(), settings=SETTINGS, method="instruct")
        assert edited.report.forwards == each * STEPS


def test_a_draft_saves_calls() -> None:
    eight = replace(SETTINGS, steps=8)
    full, draft = (
        Editor(tiny_kontext()).edit(request(), settings=settings, method="instruct")
        for settings in (eight, eight.drafted())
    )
    assert draft.report.forwards < full.report.forwards


def test_a_model_without_references_is_refused() -> None:
    with pytest.raises(EditError, match="other pictures, at which this one cannot look"):
        Editor(tiny_flux()).edit(request(), settings=SETTINGS, method="instruct")
