"""The tool the agent calls, on a tiny random FLUX."""

from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
from tiny_flux import noise_picture, tiny_flux

from editing_core.editor import Editor
from editing_core.methods.registry import METHODS
from editing_core.settings import EditSettings
from tools import provenance
from tools.edit_picture import EditError, ModelMissing, edit_picture, load_editor, refuse_choice
from tools.pictures import PictureStore

STEP = SimpleNamespace(
    source_prompt="a portrait of a woman",
    target_prompt="a portrait of a woman with a hat",
    edit_words=("hat",),
    request="a hat for her",
)


@pytest.fixture
def store(tmp_path):
    return PictureStore(tmp_path)


@pytest.fixture
def edit(store):
    """Edit a small picture in two steps; keyword arguments as for `edit_picture`."""
    head = store.put(noise_picture(32, 32))

    def run(**changes):
        request = {"head": head, "original": head, "step": STEP, "seed": 3}
        settings = EditSettings(steps=2, lqr_steps=1)
        return edit_picture(Editor(tiny_flux()), store, settings=settings, **request | changes)

    return run


def test_stores_picture_latents_and_recipe(edit, store):
    edited = edit()
    recipe = provenance.read(store.path(edited.picture))
    assert recipe["target_prompt"] == STEP.target_prompt and recipe["seed"] == 3
    assert recipe["settings"]["steps"] == 2 and recipe["edit_words"] == ["hat"]
    kept = store.get(edited.picture)
    assert kept.image.size == (32, 32) and kept.latents is not None
    assert edited.forwards == 6  # N + 1 calls a direction


def test_the_recipe_holds_what_was_said_and_the_numbers_that_the_method_read(edit, store):
    recipe = provenance.read(store.path(edit(method="steady").picture))
    assert recipe["request"] == STEP.request
    read = {"steps": 2, "guidance": 3.5, "keep": "nothing", "bounds": None, "draft": False}
    assert recipe["settings"] == read
    assert recipe["own"] == asdict(METHODS["steady"].own)


def test_the_own_numbers_of_a_method_can_be_others(edit, store):
    unguided = replace(METHODS["steady"].own, source_guidance=1.0)
    usual, other = (edit(method="steady", own=own).picture for own in (None, unguided))
    assert usual != other
    assert provenance.read(store.path(other))["own"]["source_guidance"] == 1.0


def test_what_was_said_reaches_the_methods(store, monkeypatch):
    heard = []
    monkeypatch.setattr(Editor, "edit", lambda self, request, **how: heard.append(request) or 1 / 0)
    head = store.put(noise_picture(32, 32))
    request = {"head": head, "original": head, "step": STEP, "settings": EditSettings(), "seed": 1}
    for method in ("steady", "anchor"):
        with pytest.raises(ZeroDivisionError):
            edit_picture(Editor(tiny_flux()), store, method=method, **request)
    assert [asked.instruction for asked in heard] == ["a hat for her", "add a hat"]
    assert [len(asked.history) for asked in heard] == [0, 1]


def test_the_same_recipe_makes_the_same_picture(edit):
    assert edit().picture == edit().picture
    assert edit(seed=4).picture != edit().picture


def test_steps_are_counted_from_one(edit):
    heard = []
    edit(on_step=lambda *step: heard.append(step))
    assert heard == [("invert", 1, 2), ("invert", 2, 2), ("sample", 1, 2), ("sample", 2, 2)]


def test_a_stopped_edit_stores_nothing(edit, store):
    def stop(*_step):
        raise KeyboardInterrupt

    before = sorted(store.folder.rglob("*"))
    with pytest.raises(KeyboardInterrupt):
        edit(on_step=stop)
    assert sorted(store.folder.rglob("*")) == before


def test_what_cannot_be_loaded(tmp_path):
    with pytest.raises(EditError, match="no method magic"):
        refuse_choice("portraits", method="magic", device=None)
    with pytest.raises(EditError, match="model flux-dev: .* portraits-128 alone"):
        refuse_choice("flux-dev", method="anchor", device=None)
    with pytest.raises(ModelMissing, match="schnell"):
        refuse_choice("flux-schnell", method="mtc", device=None)
    with pytest.raises(ModelMissing):
        load_editor(str(tmp_path))


def test_a_gpu_that_is_not_there(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ModelMissing, match="no NVIDIA GPU here"):
        refuse_choice("portraits", method="mtc", device="cuda")


@pytest.mark.weights
def test_a_device_that_is_not_there():
    with pytest.raises(ModelMissing, match="cannot run on"):
        load_editor("portraits", device="cuda:99")
