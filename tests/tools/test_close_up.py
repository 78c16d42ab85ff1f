"""Close-ups: which crop the model sees, and that nothing changes outside it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_flux import noise_picture, tiny_flux

from editing_core.editor import Editor
from editing_core.models.offers import FLUX1
from editing_core.settings import PRESETS
from tools import provenance, redo
from tools.close_up import bounds_in, close_up, mask_in
from tools.edit_picture import edit_picture
from tools.pictures import PictureStore

SMALL = replace(FLUX1, sizes=(32, 64))
SQUARES = replace(FLUX1, sizes=(64, 64))
FACE = (0.5, 0.25, 0.6, 0.35)  # of 400 x 300: 200 to 240, 75 to 105
WHOLE = (0, 0, 400, 300)


class Step:
    change, request = "add", "add a hat"
    source_prompt, target_prompt = "a woman", "a woman with a red hat"
    edit_words = ("red", "hat")


@pytest.mark.parametrize(
    ("spec", "bounds", "box"),
    [
        (SMALL, None, WHOLE),
        (SMALL, FACE, (190, 65, 250, 115)),  # a quarter of 40 more on each side
        (SQUARES, FACE, (188, 58, 252, 122)),  # at least 64, and square
        (SMALL, (0.0, 0.0, 0.1, 0.1), (0, 0, 60, 50)),  # at the picture's edge
        (SMALL, (0.1, 0.1, 0.9, 0.9), WHOLE),  # the crop would be as good as all of it
        (replace(FLUX1, sizes=(128, 512)), FACE, WHOLE),  # the model sees every pixel anyway
    ],
)
def test_the_crop(spec: object, bounds: object, box: object) -> None:
    assert close_up(spec, (400, 300), bounds) == box  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bounds", "box"),
    [
        ((0.0, 0.2, 0.25, 1.0), (0, 0, 300, 300)),  # one of five people, as high as the picture
        ((0.1, 0.2, 0.5, 0.8), (80, 0, 400, 300)),  # wider than high, so that no square holds it
    ],
)
def test_the_crop_of_a_wide_picture(bounds: object, box: object) -> None:
    assert close_up(SQUARES, (800, 300), bounds) == box  # type: ignore[arg-type]


def test_a_region_within_a_crop() -> None:
    box = (190, 65, 250, 115)
    inside = bounds_in(box, (400, 300), FACE)
    assert inside == pytest.approx((10 / 60, 10 / 50, 50 / 60, 40 / 50))
    assert bounds_in(WHOLE, (400, 300), FACE) == FACE
    mask = mask_in((400, 300), Image.new("L", (30, 25), 255), box)
    assert mask.getbbox() == box


def edited(store: PictureStore, head: str, original: str, **how: object) -> str:
    settings = PRESETS["steady"].bounded(how.pop("bounds", FACE))  # type: ignore[arg-type]
    flux = tiny_flux()
    flux.spec = replace(flux.spec, sizes=(32, 64))
    made = edit_picture(
        Editor(flux), store, head=head, original=original, step=Step(), settings=settings,
        seed=7, method="steady", **how,  # type: ignore[arg-type]
    )  # fmt: skip
    return made.picture


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PictureStore:
    monkeypatch.setattr(tiny_flux(), "spec", tiny_flux().spec)  # put back afterwards
    return PictureStore(tmp_path)


def test_a_close_up_changes_the_region_at_its_full_size_and_nothing_else(
    store: PictureStore,
) -> None:
    first = store.put(noise_picture(400, 300))
    made = edited(store, first, first)
    before, after = (np.asarray(store.image(name).convert("RGB")) for name in (first, made))
    changed = (before != after).any(2)
    rows, columns = np.nonzero(changed)
    assert changed.any() and after.shape == before.shape
    assert columns.min() >= 200 and columns.max() < 240
    assert rows.min() >= 75 and rows.max() < 105
    recipe = provenance.read(store.path(made))
    assert recipe is not None and recipe["crop"] == [190, 65, 250, 115]
    assert recipe["settings"]["bounds"] == list(FACE)


def test_latents_serve_a_next_edit_of_the_same_crop_alone(
    store: PictureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store.put(noise_picture(400, 300))
    made = edited(store, first, first)
    encoded: list[tuple[int, int]] = []
    encode = tiny_flux().encode
    monkeypatch.setattr(
        tiny_flux(), "encode", lambda image: (encoded.append(image.size), encode(image))[1]
    )
    edited(store, made, first)
    assert encoded == [(60, 50)], "the original's crop alone"
    encoded.clear()
    edited(store, made, first, bounds=(0.45, 0.2, 0.55, 0.3))
    assert len(encoded) == 2, "both pictures, in another crop"


def test_a_close_up_is_made_again_bit_for_bit(store: PictureStore, tmp_path: Path) -> None:
    first = store.put(noise_picture(400, 300))
    second = edited(store, edited(store, first, first), first)
    chain = redo.chain_of(provenance.read(store.path(second)) or {})
    fresh = PictureStore(tmp_path / "fresh")
    fresh.put(store.image(first))
    *_, again = redo.remake(chain, fresh, lambda made: Editor(tiny_flux()))
    assert again == second
    beyond = [chain[0].model_copy(update={"crop": (0, 0, 500, 300)})]  # type: ignore[union-attr]
    with pytest.raises(redo.RecipeError, match="does not lie in the picture"):
        list(redo.remake(beyond, fresh, lambda made: Editor(tiny_flux())))  # type: ignore[arg-type]
