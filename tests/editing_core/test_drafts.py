"""Drafts save model calls in sampling alone, mix no walks, and never pass for full edits."""

from dataclasses import replace

import pytest
import torch
from method_cases import SOLVERS, SOURCE, request
from perfect_chat import typed
from tiny_flux import noise_picture, tiny_flux
from tiny_flux2 import tiny_distilled

from agent.choosing import settings_of
from agent.state import EditStep
from editing_core.bench.step_cache import SAVINGS, cached
from editing_core.editor import Editor, EditResult
from editing_core.errors import EditError
from editing_core.methods.registry import METHODS
from editing_core.settings import PRESETS, EditSettings
from editing_core.solvers import ModelCall
from editing_core.step_cache import reusing
from tools import provenance
from tools.edit_picture import edit_picture
from tools.pictures import PictureStore
from tools.redo import chain_of, remake

FULL = EditSettings(steps=8, guidance=2.5)
DRAFT = FULL.drafted()
SAVED = {"rf-solver": 7, "steady": 6, "flowedit": 4, "stableflow": 6, "masactrl": 6, "pnp": 6}


def edited(settings: EditSettings, method: str, editor: Editor | None = None) -> EditResult:
    editor = editor or Editor(tiny_flux())
    return editor.edit(request(), settings=settings, seed=7, method=method)


@pytest.mark.parametrize(("exact", "left_out"), [(3, (3, 5, 7)), (0, (1, 3, 5, 7)), (8, ())])
def test_from_some_call_on_every_second_is_answered_as_before(exact, left_out) -> None:
    asked = []

    def velocity(x: torch.Tensor, t: float, call: ModelCall) -> torch.Tensor:
        asked.append(t)
        return t * x

    walk = reusing(velocity, exact)
    x = torch.ones(2)
    answers = [walk(x, float(t), ModelCall(t))[0].item() for t in range(8)]
    assert asked == [t for t in range(8) if t not in left_out]
    assert answers == [t - 1 if t in left_out else t for t in range(8)]


@pytest.mark.parametrize("method", SOLVERS)
def test_a_draft_saves_calls_and_is_another_picture(method) -> None:
    full, draft = edited(FULL, method), edited(DRAFT, method)
    assert full.report.forwards - draft.report.forwards == SAVED.get(method, 3)
    assert not torch.equal(full.latents, draft.latents)
    assert "draft" in METHODS[method].reads


@pytest.mark.parametrize("method", SOLVERS)
def test_neither_is_ever_taken_for_the_other(method) -> None:
    """The same editor remembers inversions, which are in full in both."""
    editor = Editor(tiny_flux())
    first, draft = edited(FULL, method, editor), edited(DRAFT, method, editor)
    assert torch.equal(edited(FULL, method, editor).latents, first.latents)
    drafter = Editor(tiny_flux())
    assert torch.equal(edited(DRAFT, method, drafter).latents, draft.latents)
    assert torch.equal(edited(FULL, method, drafter).latents, first.latents)


@pytest.mark.parametrize("method", ["steady", "mtc"])
def test_it_is_what_diffusers_cache_of_whole_calls_makes(method) -> None:
    """TaylorSeer of order 0 keeps what the last layer said for each prompt."""
    theirs = cached(method, SAVINGS["TaylorSeer, order 0"].cache)
    editor = Editor(tiny_flux())
    expected = editor.edit(request(), settings=FULL, seed=7, method=theirs)
    torch.testing.assert_close(edited(DRAFT, method).latents, expected.latents)


def test_source_and_target_are_not_mixed() -> None:
    """What asks for nothing is still exactly nothing."""
    same = replace(request(SOURCE), original=request().current)
    idle = Editor(tiny_flux()).edit(same, settings=DRAFT, seed=7, method="steady")
    other = Editor(tiny_flux()).edit(same, settings=FULL, seed=7, method="steady")
    assert torch.equal(idle.latents, other.latents)


@pytest.mark.parametrize(("method", "calls"), [("steady", 8), ("flowedit", 6), ("instruct", 4)])
def test_a_distilled_model_drafts_in_the_steps_that_it_knows(method, calls) -> None:
    """Four of klein's, none of them reused; in full it takes those of the settings.

    FlowEdit asks for two velocities a step but skips the first, instruct for one.
    """
    editor = Editor(tiny_distilled())
    full, draft = (edited(settings, method, editor) for settings in (FULL, DRAFT))
    assert draft.report.forwards == calls and draft.report.settings.steps == 4
    assert full.report.settings.steps == 8
    four = edited(replace(FULL, steps=4), method, editor)
    assert torch.equal(draft.latents, four.latents)


def test_a_distilled_model_changes_nothing_where_nothing_is_asked() -> None:
    same = replace(request(SOURCE), original=request().current)
    still = Editor(tiny_distilled()).edit(same, settings=PRESETS["steady"].drafted(), seed=7,
                                          method="steady")  # fmt: skip
    assert still.picture.tobytes() == same.current.image.tobytes()


def test_why_a_distilled_model_is_refused_is_one_sentence() -> None:
    with pytest.raises(EditError) as refused:
        edited(DRAFT, "mtc", Editor(tiny_distilled()))
    assert str(refused.value) == (
        "The method mtc is not for the model tiny, distilled: it walks pictures back to noise, for "
        "which the model has too few steps; edit by steady or flowedit."
    )


def test_its_recipe_says_so_and_makes_it_again(tmp_path) -> None:
    store = PictureStore(tmp_path / "one")
    first = store.put(noise_picture(48, 32))
    step = EditStep(change="add", source_prompt="a woman", target_prompt="a woman, a red hat")
    name = edit_picture(Editor(tiny_flux()), store, head=first, original=first, step=step,
                        settings=DRAFT, seed=7, method="steady").picture  # fmt: skip
    chain = chain_of(provenance.read(store.path(name)))
    assert "draft True" in chain[0].numbers
    elsewhere = PictureStore(tmp_path / "two")
    elsewhere.put(noise_picture(48, 32))
    assert list(remake(chain, elsewhere, lambda made: Editor(tiny_flux()))) == [name]
    without = {**provenance.read(store.path(name)), "settings": {"steps": 8, "guidance": 2.5}}
    assert not chain_of(without)[0].settings.draft  # as older ones have it


def test_a_chat_drafts_from_when_it_is_told_to(desk) -> None:
    step = EditStep(change="add", source_prompt="a woman", target_prompt="a woman, a red hat")

    def drafting() -> bool:
        studio = replace(desk.chat.studio, presets=PRESETS)
        return settings_of(desk.chat.conversation, studio, step).draft

    assert not drafting()
    typed(desk, "/draft on")
    assert drafting()
    typed(desk, "/draft off")
    assert not drafting()
