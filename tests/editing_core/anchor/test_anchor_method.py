"""The method anchor: an edit like any other, from the wish and all that came before."""

import numpy as np
import pytest
import torch
from tiny_anchor import STEPS, anchor
from tiny_flux import noise_picture, tiny_parts

from editing_core.anchor.engine import AnchorEngine
from editing_core.editor import Editor, EditRequest, EditResult, Picture
from editing_core.errors import EditError
from editing_core.methods.registry import METHODS
from editing_core.models.flux1 import Flux1
from editing_core.settings import PRESETS, EditSettings

SOURCE = "a portrait of a smiling young woman with a brown bob, blue t-shirt"
TARGET = "a portrait of a smiling young woman with a brown bob, a red hat, blue t-shirt"


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> AnchorEngine:
    fresh = AnchorEngine(anchor())
    monkeypatch.setattr("editing_core.anchor.engine.engine", lambda: fresh)
    return fresh


def editor(name: str = "portraits-128") -> Editor:
    return Editor(Flux1(**vars(tiny_parts()), name=name))


def picture(seed: int) -> Picture:
    return Picture(noise_picture(48, 32, seed))


def edit(by: Editor, request: EditRequest, **more: object) -> EditResult:
    given = {"settings": PRESETS["steady"], "seed": 5, "method": "anchor"} | more
    return by.edit(request, **given)  # type: ignore[arg-type]


def told(instruction: str, *history: tuple[Picture, str]) -> EditRequest:
    return EditRequest(
        history[-1][0], history[0][0], SOURCE, TARGET, instruction=instruction, history=history
    )


def test_four_steps_and_the_pictures_that_were_not_read_yet(engine: AnchorEngine) -> None:
    heard: list[tuple[str, int, int]] = []
    first, second, by = picture(1), picture(2), editor()
    made = edit(by, told("hat", (first, ""), (second, "bob")), on_step=lambda *s: heard.append(s))
    assert heard == [("sample", n, 4) for n in range(4)]
    assert made.report.forwards == 2 + STEPS
    assert made.picture.size == (48, 32)
    again = edit(by, told("hat", (first, ""), (second, "bob")))
    assert again.report.forwards == STEPS
    assert torch.equal(made.latents, again.latents)
    assert np.array_equal(np.asarray(made.picture), np.asarray(again.picture))


def test_without_an_instruction_the_captions_say_what_to_do(engine: AnchorEngine) -> None:
    first, by = picture(1), editor()
    spelt = edit(by, told("Add a red hat.", (first, "")))
    captioned = edit(by, EditRequest(first, first, SOURCE, TARGET))
    other = edit(by, EditRequest(first, first, TARGET, SOURCE))  # remove the hat
    assert torch.equal(spelt.latents, captioned.latents)
    assert not torch.equal(spelt.latents, other.latents)


def test_without_a_history_there_is_the_original_and_the_picture_now(engine: AnchorEngine) -> None:
    first, second, by = picture(1), picture(2), editor()
    short = edit(by, EditRequest(second, first, SOURCE, TARGET))
    assert short.report.forwards == 2 + STEPS
    spelt = edit(by, told("add a red hat", (first, ""), (second, "")))
    assert torch.equal(short.latents, spelt.latents)


def test_another_model_is_refused() -> None:
    with pytest.raises(EditError, match="flux-dev: .* trained with --model portraits-128 alone"):
        edit(editor("flux-dev"), EditRequest(picture(1), picture(1), SOURCE, TARGET))


def test_what_was_not_asked_to_change_is_kept_by_its_own_region(engine: AnchorEngine) -> None:
    first, by = picture(1), editor()
    settings = PRESETS["steady"]
    made = edit(by, told("hat", (first, "")), settings=settings)
    assert made.report.forwards == 1 + STEPS  # none of the FLUX's
    assert made.mask is not None
    outside = np.asarray(made.mask) == 0
    assert np.array_equal(np.asarray(made.picture)[outside], np.asarray(first.image)[outside])
    nothing = edit(by, EditRequest(first, first, SOURCE, SOURCE), settings=settings)
    assert np.array_equal(np.asarray(nothing.picture), np.asarray(first.image))


def test_its_own_weights_are_told_and_only_these_settings_matter(engine: AnchorEngine) -> None:
    read = set()

    class Watched(EditSettings):
        def __getattribute__(self, name: str) -> object:
            read.add(name)
            return super().__getattribute__(name)

    settings = Watched()
    read.clear()
    made = edit(editor(), told("hat", (picture(1), "")), settings=settings)
    assert made.report.weights == "unsaved"
    assert read & set(EditSettings.__dataclass_fields__) == set(METHODS["anchor"].reads)
